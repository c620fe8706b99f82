"""What a model was made with: the versions that decide its numbers, for its manifest."""

from __future__ import annotations

import platform
from importlib import metadata

PACKAGES = ("numpy", "opencv-python-headless", "pillow", "torch", "lightning", "timm", "onnx", "onnxruntime", "pyarrow")


def describe() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed, and the kind of machine."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
