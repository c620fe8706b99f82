"""Action units from a model folder that was trained on them: the head whose labels are FACS codes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from mien import detection
from mien.errors import ModelError
from mien.imaging.image import RGB
from mien.recognition.action_units import ActionUnits
from mien.recognition.expression import ExpressionModel

_CODE = re.compile(r"AU\d+")
UNIT = "probability that the unit occurs, as the model was trained"


class LearnedEstimator:
    """Runs the action unit head of a model folder.

    Args:
        model: name of an installed model, or a model folder.
        detector: name of a detector, name or folder of a model that finds faces, or an object.
        options: see `runtime.Session`.

    Raises:
        ModelError: the model has no head of action units.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        detector: str | os.PathLike[str] | detection.Detector = "mien",
        **options: Any,
    ) -> None:
        self.model = ExpressionModel(model, **options)
        self.detector = detection.given(detector, **options)
        heads = [head for head in self.model.manifest.heads if all(_CODE.fullmatch(label) for label in head.labels)]
        if not heads:
            names = ", ".join(head.name for head in self.model.manifest.heads)
            raise ModelError(f"{model} has no head whose labels are action units (AU1, AU2, ...); its heads: {names}")
        self.head = heads[0]

    def read(self, images: Sequence[RGB]) -> list[ActionUnits]:
        """Find faces in pictures and return the units of each picture's faces."""
        found = self.detector.detect(images)
        whole = self.detector.whole_picture
        out = []
        for image, faces in zip(images, found, strict=True):
            values = self.model.predict(self.model.crops(image, faces, whole=whole))[self.head.name].values
            limits = np.array([self.head.thresholds.get(label, 0.5) for label in self.head.labels], np.float32)
            unknown = np.full_like(values, np.nan)
            out.append(ActionUnits(faces, self.head.labels, values, values >= limits, unknown, unknown, UNIT))
        return out


load = LearnedEstimator
