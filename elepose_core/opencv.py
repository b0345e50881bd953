# Copyright 2026 The elepose authors
# SPDX-License-Identifier: Apache-2.0
"""The one way to OpenCV, which is imported on use.

A ROS machine has it from its own packages and a wheel beside that copy would shadow it, so the
distribution asks for none.
"""

import importlib
from typing import Any

from elepose_core.errors import MissingDependency

__all__ = ['opencv']


def opencv(purpose: str) -> Any:
    """Return the module `cv2`.

    Args:
        purpose: What it is needed for, as the subject of the error's sentence.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        return importlib.import_module('cv2')
    except ImportError as error:
        raise MissingDependency(
            f'{purpose} needs OpenCV, which is not usable here ({error}); install it with '
            '"apt install python3-opencv" or "pip install elepose[detect]"'
        ) from None
