"""Reads perceived emotion from pictures, offline.

>>> import mien
>>> recognizer = mien.load()
>>> faces = recognizer("photo.jpg")
>>> faces.label
['happiness']

Importing this package loads nothing heavy: numpy, OpenCV and onnxruntime come with the first name that needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

try:
    from mien._version import __version__
except ModuleNotFoundError:  # a checkout that nothing has been built from
    __version__ = "0.0.0"

if TYPE_CHECKING:
    from mien.errors import (
        DataError,
        ImageError,
        MienError,
        MissingExtraError,
        ModelError,
        RecipeError,
        UnknownNameError,
    )
    from mien.labels import LabelSet
    from mien.recognition.pipeline import Recognizer
    from mien.results import Detections, Faces, Scores

_HOMES = {
    "DataError": "errors",
    "Detections": "results",
    "Faces": "results",
    "ImageError": "errors",
    "LabelSet": "labels",
    "MienError": "errors",
    "MissingExtraError": "errors",
    "ModelError": "errors",
    "RecipeError": "errors",
    "Recognizer": "recognition.pipeline",
    "Scores": "results",
    "UnknownNameError": "errors",
}
__all__ = [
    "DataError",
    "Detections",
    "Faces",
    "ImageError",
    "LabelSet",
    "MienError",
    "MissingExtraError",
    "ModelError",
    "RecipeError",
    "Recognizer",
    "Scores",
    "UnknownNameError",
    "__version__",
    "load",
]


def load(**options: Any) -> Recognizer:
    """Make a `Recognizer`; see there for the options."""
    from mien.recognition.pipeline import Recognizer

    return Recognizer(**options)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute '{name}'")
    return getattr(importlib.import_module(f"mien.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
