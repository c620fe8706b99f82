"""What a whole picture conveys, faces or not: a model folder for the task 'scene', such as the one in the package.

A model may score emotions itself. One that gives valence and arousal, as the package's does, has its emotions derived
from them (see `circumplex`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mien import detection, hub, manifest
from mien.errors import ModelError
from mien.imaging.image import RGB
from mien.recognition import circumplex
from mien.recognition.expression import ExpressionModel
from mien.results import Scores


class SceneModel:
    """Reads whole pictures.

    Args:
        model: name of an installed model, or a model folder.
        options: see `runtime.Session`.

    Raises:
        ModelError: the model is for another task.
    """

    def __init__(self, model: str | os.PathLike[str], **options: Any) -> None:
        self.network = ExpressionModel(model, **options)
        self.manifest = self.network.manifest
        if self.manifest.task != "scene":
            raise ModelError(f"{self.manifest.name} is a model for {self.manifest.task}, not for whole pictures")
        self._all = detection.load("none")

    def __call__(self, image: RGB) -> Scores:
        """Return scores over emotions ``(1, k)`` for a picture ``uint8 (H, W, 3)``."""
        return self.emotions(self.read(image))

    def read(self, image: RGB) -> dict[str, Scores]:
        """Return the scores ``(1, k)`` of every head for a picture ``uint8 (H, W, 3)``."""
        crop = self.network.crops(image, self._all.detect([image])[0], whole=True)
        return self.network.predict(crop)

    def emotions(self, heads: dict[str, Scores]) -> Scores:
        """Return what the primary head says of emotions; of valence and arousal what is derived from them."""
        primary = self.manifest.head(self.network.primary)
        main = heads[primary.name]
        return circumplex.derive(main) if primary.kind == "value" else main


def installed() -> list[str]:
    """List the installed whole-picture models by name; damaged folders are passed over."""
    return [name for name, folder in hub.folders() if _is_scene(folder)]


def load(model: str | os.PathLike[str] | None = None, **options: Any) -> SceneModel | None:
    """Load a whole-picture model; without a name the first that is installed, or None when none is.

    Raises:
        UnknownNameError: no model of that name.
        ModelError: it is damaged or for another task.
    """
    chosen = model if model is not None else next(iter(installed()), None)
    return None if chosen is None else SceneModel(chosen, **options)


def _is_scene(folder: Path) -> bool:
    try:
        return manifest.read(folder).task == "scene"
    except ModelError:
        return False
