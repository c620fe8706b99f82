"""Face detectors, one a file: pictures in, boxes with five points out, in pixels of each picture.

`load("mien")` gives the project's own; a file added here is a new name. A model folder that finds faces is a name too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol, cast

from mien import hub
from mien.errors import ModelError, UnknownNameError
from mien.imaging.image import RGB
from mien.registry import Registry
from mien.results import Detections

DETECTORS = Registry("mien.detection", "load", "detector")


class Detector(Protocol):
    """What every detector offers."""

    @property
    def whole_picture(self) -> bool:
        """Whether the detector answers with the whole picture because it does not look for faces."""

    def detect(self, images: Sequence[RGB], side: int | None = None) -> list[Detections]:
        """Find the faces of each picture.

        Args:
            images: RGB ``uint8 (H, W, 3)``, any sizes.
            side: the longest side that pictures are resized to before they are searched; None takes the detector's own.

        Returns:
            For each picture its faces, best first, in pixels of that picture.
        """


def given(detector: str | os.PathLike[str] | Detector, **options: Any) -> Detector:
    """Return a detector as it is, and load one that is named; see `load`."""
    return load(detector, **options) if isinstance(detector, (str, os.PathLike)) else detector


def load(name: str | os.PathLike[str], **options: Any) -> Detector:
    """Make a detector by name, or of a model.

    Args:
        name: of a file in this package; or name, folder or address of a model that finds faces, see `hub.find`.
        options: `precision`, `threads`, `provider` (see `runtime.Session`), and what the detector itself takes. Every
            detector accepts the options of all runtimes; one that runs no graph has no use for them.

    Raises:
        UnknownNameError: no detector and no model of that name.
        ModelError: the model is none that finds faces, or cannot be opened; or two are given.
    """
    known = str(name)
    if known not in DETECTORS:
        try:
            folder = hub.find(name)
        except UnknownNameError:
            pass  # the registry says which names there are
        else:
            if options.get("model"):
                raise ModelError(f"'{name}' is the detector's model itself; another one goes with a detector's name")
            return cast(Detector, DETECTORS.get("mien")(**options | {"model": folder}))
    return cast(Detector, DETECTORS.get(known)(**options))
