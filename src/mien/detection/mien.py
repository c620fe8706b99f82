"""The project's own face detector: a model folder whose graph decodes, so that boxes, scores and points come out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import ModelError
from mien.imaging.image import RGB
from mien.imaging.letterbox import Found, Letterbox
from mien.results import Detections
from mien.runtime import Session


class FaceModel:
    """Runs a detection model folder.

    Args:
        model: name of an installed model, or a model folder.
        score: boxes below are dropped; None takes the manifest's threshold. The graph itself leaves out answers below
            0.05 (`models.face_decode.LOWEST`).
        options: see `runtime.Session`.

    Raises:
        ModelError: the folder is no detector, or its graph lacks `boxes`, `scores` or `points`.
    """

    whole_picture = False

    def __init__(self, model: str | os.PathLike[str] = "face", *, score: float | None = None, **options: Any) -> None:
        self.session = Session(model, **options)
        if self.session.manifest.detector is None:
            raise ModelError(f"{self.session.folder} is a model for {self.session.manifest.task}, not a detector")
        missing = {"boxes", "scores", "points"} - set(self.session.outputs)
        if missing:
            raise ModelError(f"{self.session.folder}: the graph has no output {', '.join(sorted(missing))}")
        self.settings = self.session.manifest.detector
        self.score = self.settings.score if score is None else score

    def detect(self, images: Sequence[RGB], side: int | None = None) -> list[Detections]:
        """Find the faces of each picture; see `Detector.detect`."""
        return Letterbox(side or self.settings.side, self.settings.multiple).detect(images, self._run)

    def _run(self, batch: NDArray[np.uint8]) -> list[Found]:
        # One picture's maps stay in a processor's cache, eight pictures' do not, which costs a tenth of the time.
        parts = np.split(batch, len(batch)) if self.session.on_cpu and len(batch) else [batch]
        return [found for part in parts for found in self._found(self.session.run(part))]

    def _found(self, out: Mapping[str, NDArray[np.float32]]) -> list[Found]:
        keep = out["scores"] >= self.score
        return [
            (boxes[rows], scores[rows], points[rows])
            for boxes, scores, points, rows in zip(out["boxes"], out["scores"], out["points"], keep, strict=True)
        ]


load = FaceModel
