# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""What computes the graph: onnxruntime or TensorRT, chosen by name or by what a machine has."""
