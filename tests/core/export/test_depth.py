# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles of networks that see depths: what must not be written, and what sigma is made of."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip('torch', reason='export needs torch')
pytest.importorskip('onnx', reason='export needs onnx')

from elepose_core.errors import InputError  # noqa: E402
from elepose_core.export.depth import calibrate_depth_sigma, export_depth_bundle  # noqa: E402


class _Network(torch.nn.Module):  # type: ignore[misc]
    """Stands in for `DepthSeen`: sees the mean of a picture."""

    def __init__(self, sigma: float = 1.0) -> None:
        super().__init__()
        self.register_buffer('sigma_factor', torch.full((17,), sigma))

    def forward(self, crops: Any) -> tuple[Any, Any]:
        depth = crops.mean((1, 2, 3))[:, None].expand(-1, 17)
        return depth, torch.ones_like(depth) * self.sigma_factor


def test_a_network_whose_sigma_is_no_number_is_refused_and_not_written(
    tmp_path: Path, manifest_of: Any
) -> None:
    crops = torch.randint(0, 255, (64, 3, 8, 8), dtype=torch.uint8)
    broken: Any = _Network(sigma=torch.nan)
    with pytest.raises(ArithmeticError, match='differs from torch by nan'):
        export_depth_bundle(broken, tmp_path / 'a.elepose', manifest_of(), crops, 'float32')
    assert not (tmp_path / 'a.elepose').exists()


def test_sigma_holds_68_percent_of_the_errors_of_those_whose_truth_is_known() -> None:
    error = torch.linspace(-1, 1, 1001)[:, None].expand(-1, 17)
    truth = torch.where(torch.arange(1001)[:, None] % 3 > 0, -error, torch.nan)
    graph: Any = _Network()
    calibrate_depth_sigma(graph, torch.zeros(1001, 17), torch.full((1001, 17), 0.5), truth)
    # Of errors that are even in -1..1, 68 % are within 0.68.
    torch.testing.assert_close(graph.sigma_factor, torch.full((17,), 1.36), atol=0.01, rtol=0)
    with pytest.raises(InputError, match='255 people have the depths of all joints'):
        calibrate_depth_sigma(graph, error[:255], error[:255], error[:255])
