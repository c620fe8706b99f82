"""Crops of faces in, calibrated scores of every head out: the expression network of a model folder."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import hub, manifest
from mien.errors import ModelError
from mien.imaging import align
from mien.imaging.image import RGB
from mien.manifest import Crop, Head
from mien.recognition import views as looking
from mien.results import Detections, Float, Scores
from mien.runtime import Session


class ExpressionModel:
    """Runs a model folder whose heads give probabilities over labels.

    Args:
        model: name of an installed model, or a model folder.
        flip: average each crop with its mirror image: a little better, half as fast; the same as the views 'flip'.
        views: looks at each crop whose mean is taken, see `recognition.views`.
        batch: crops a run of the graph.
        options: see `runtime.Session`.

    Raises:
        ModelError: the model is a detector.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "expression",
        *,
        flip: bool = False,
        views: str = "one",
        batch: int = 64,
        **options: Any,
    ) -> None:
        self.views = "flip" if flip and views == "one" else looking.known(views)
        self.session = _open(model, options)
        self.manifest = self.session.manifest
        if self.manifest.crop is None or self.manifest.primary is None:
            raise ModelError(f"{self.session.folder} is a model for {self.manifest.task}; it has no labels to predict")
        self.spec, self.primary = self.manifest.crop, self.manifest.primary
        self.batch = batch

    @property
    def flip(self) -> bool:
        """Whether each crop is averaged with its mirror image."""
        return self.views == "flip"

    def crops(self, image: RGB, detections: Detections, *, whole: bool = False) -> NDArray[np.uint8]:
        """Cut every face out of a picture: ``uint8 (n, size, size, 3)``, aligned where there are points.

        Args:
            image: RGB ``uint8 (H, W, 3)``.
            detections: n faces in pixels of the picture.
            whole: the picture is itself the crop of one face; it is only resized.
        """
        return cut(image, detections, self.spec, whole=whole)

    def predict(self, crops: NDArray[np.uint8]) -> dict[str, Scores]:
        """Return the scores of every head for crops ``uint8 (n, size, size, 3)``."""
        values: dict[str, list[Float]] = {head.name: [] for head in self.manifest.heads}
        for start in range(0, len(crops), self.batch):
            part = crops[start : start + self.batch]
            found = [self.session.run(look) for look in looking.of(part, self.views)]
            for name, rows in values.items():
                rows.append(np.stack([output[name] for output in found]))
        return {head.name: _scores(head, values[head.name]) for head in self.manifest.heads}


def _open(model: str | os.PathLike[str], options: dict[str, Any]) -> Session:
    """Open a model's session; one that reads landmarks finds them itself."""
    folder = hub.find(model)
    if manifest.read(folder).task == "landmarks":
        from mien.recognition.landmark_session import LandmarkSession

        return LandmarkSession(folder, **options)
    return Session(folder, **options)


def cut(image: RGB, detections: Detections, crop: Crop, *, whole: bool = False) -> NDArray[np.uint8]:
    """Cut every face out of a picture as a manifest's crop says; see `ExpressionModel.crops`."""
    size = crop.size
    out = np.zeros((len(detections), size, size, 3), np.uint8)
    for i in range(len(detections)):
        points, box = detections.points[i], detections.xyxy[i]
        if whole or crop.kind == "whole":
            out[i] = align.whole(image, size)
        elif crop.kind == "align" and not np.isnan(points).any() and np.ptp(points, axis=0).max() >= 1.0:
            out[i] = align.align(image, points, size, crop.points)
        else:
            out[i] = align.box_crop(image, align.widen(box, crop.margin), size)
    return out


def _scores(head: Head, rows: list[Float]) -> Scores:
    """Make scores of batches of answers ``(looks, n, classes)``."""
    labels = head.set()
    looks = np.concatenate(rows, axis=1) if rows else np.zeros((1, 0, len(labels)), np.float32)
    values = looks[0] if len(looks) == 1 else looks.mean(axis=0, dtype=np.float32)
    spread = looking.spread(looks) if len(looks) > 2 else None
    if head.kind == "multi":
        limits = np.array([head.thresholds.get(label, 0.5) for label in head.labels], np.float32)
        return Scores(labels, values, held=values >= limits, spread=spread)
    members = None if head.conformal_90 is None else prediction_sets(values, head.conformal_90)
    return Scores(labels, values, members=members, spread=spread)


def prediction_sets(probabilities: Float, threshold: float) -> NDArray[np.bool_]:
    """Return the adaptive prediction sets ``bool (n, k)`` (APS, Romano et al. 2020, not randomised).

    Labels are taken from the most likely on until their sum reaches the threshold; a set is never empty.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    chosen = before < threshold
    chosen[:, :1] = True
    members = np.zeros_like(chosen)
    np.put_along_axis(members, order, chosen, axis=1)
    return members
