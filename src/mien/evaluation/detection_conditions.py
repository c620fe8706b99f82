"""Where a face detector fails: the same figures by where photos come from, by size of the face, and on worse photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from mien.datasets.faces import Photo
from mien.detection import Detector
from mien.evaluation import bootstrap
from mien.evaluation import detection as scoring
from mien.evaluation.corruptions import CORRUPTIONS
from mien.imaging import image as imaging
from mien.imaging.image import RGB
from mien.results import Detections

HEIGHTS = (16.0, 24.0, 32.0, 64.0, 128.0, float("inf"))
"""Edges of the groups by height of the face, in pixels of the photo."""
SEVERITIES = {"dark": 4, "bright": 3, "side light": 4, "noise": 3, "jpeg": 4}
"""Corruptions that mean the same on a whole photo as on a crop, and how strong they are put on."""
TURN = 25.0
COVERED = 0.45
"""Part of the box, from below, that a mask covers."""
Condition = Callable[[RGB, Photo, np.random.Generator], tuple[RGB, Photo]]


@dataclass(frozen=True)
class Row:
    """Figures under one condition or of one group.

    Attributes:
        kind: `source`, `height` or `condition`.
        name: of the group or condition.
        faces: at least 16 pixels high that count.
        ap: average precision at IoU 0.5 with its interval; NaN for groups by height, whose false alarms are nobody's.
        recall: at the detector's threshold.
    """

    kind: str
    name: str
    faces: int
    ap: bootstrap.Figure
    recall: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; a figure that is not defined is null."""
        return {
            "kind": self.kind,
            "name": self.name,
            "faces": self.faces,
            "ap": self.ap.to_dict(),
            "recall": None if np.isnan(self.recall) else self.recall,
        }


def groups(photos: Sequence[Photo], found: Sequence[Detections], *, threshold: float) -> list[Row]:
    """Score a detector by source of the photos and by height of the faces.

    Args:
        photos: with their faces.
        found: in each photo, with boxes of low scores; see `detection.find`.
        threshold: the score at which the detector is used.
    """
    rows = []
    for source in sorted({photo.source for photo in photos}):
        at = [i for i, photo in enumerate(photos) if photo.source == source]
        rows.append(_row("source", source, [photos[i] for i in at], [found[i] for i in at], threshold))
    for low, high in pairwise(HEIGHTS):
        name = f"{low:.0f} to {high:.0f} px" if np.isfinite(high) else f"from {low:.0f} px"
        row = _row("height", name, [_only(photo, low, high) for photo in photos], found, threshold)
        rows.append(replace(row, ap=bootstrap.Figure(np.nan, np.nan, np.nan)))
    return rows


def conditions(
    detector: Detector, photos: Sequence[Photo], side: int, *, threshold: float, seed: int = 0
) -> Iterator[Row]:
    """Score a detector on worse versions of the photos, one condition after the other.

    Args:
        detector: must give boxes of low scores too; see `detection.evaluate_detector`.
        photos: with their faces.
        side: longest side that photos are resized to.
        threshold: the score at which the detector is used.
        seed: of what is drawn by chance.
    """
    for name, change in CONDITIONS.items():
        rng = np.random.default_rng(seed)
        found, changed = [], []
        for photo in photos:
            image, truth = change(imaging.read(photo.path), photo, rng)
            found.append(detector.detect([image], side)[0])
            changed.append(truth)
        yield _row("condition", name, changed, found, threshold)


def _row(kind: str, name: str, photos: Sequence[Photo], found: Sequence[Detections], threshold: float) -> Row:
    size = scoring.report(photos, found, 0, threshold=threshold).sizes[0]
    return Row(kind, name, size.faces, size.ap, size.recall)


def _only(photo: Photo, low: float, high: float) -> Photo:
    """Let only the faces of some heights count."""
    height = photo.xyxy[:, 3] - photo.xyxy[:, 1]
    return replace(photo, ignore=photo.ignore | (height < low) | (height >= high))


def _corrupted(name: str, image: RGB, photo: Photo, rng: np.random.Generator) -> tuple[RGB, Photo]:
    return CORRUPTIONS[name](image, SEVERITIES[name], rng), photo


def _grey(image: RGB, photo: Photo, rng: np.random.Generator) -> tuple[RGB, Photo]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8), photo


def _turned(image: RGB, photo: Photo, rng: np.random.Generator) -> tuple[RGB, Photo]:
    """Turn about the middle, to either side by chance; boxes move with their middles and keep their sizes."""
    size = (image.shape[1], image.shape[0])
    matrix = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), TURN * rng.choice([-1, 1]), 1.0)
    turned = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)
    middle = (photo.xyxy[:, :2] + photo.xyxy[:, 2:]) / 2
    moved = middle @ matrix[:, :2].T + matrix[:, 2]
    xyxy = (photo.xyxy + np.tile(moved - middle, 2)).astype(np.float32)
    points = (photo.points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    gone = ((moved < 0) | (moved > np.array(size))).any(axis=1)
    return np.asarray(turned, np.uint8), replace(photo, xyxy=xyxy, points=points, ignore=photo.ignore | gone)


def _masked(image: RGB, photo: Photo, rng: np.random.Generator) -> tuple[RGB, Photo]:
    """Cover mouth and nose of every face with one colour."""
    out = image.copy()
    for x1, y1, x2, y2 in photo.xyxy:
        top = y2 - COVERED * (y2 - y1)
        colour = tuple(int(v) for v in rng.integers(60, 250, 3))
        cv2.rectangle(out, (round(x1), round(top)), (round(x2), round(y2)), colour, -1)
    return out, photo


CONDITIONS: dict[str, Condition] = {
    **{name: partial(_corrupted, name) for name in SEVERITIES},
    "grey": _grey,
    f"turned by {TURN:.0f}°": _turned,
    "lower half of the face covered": _masked,
}
