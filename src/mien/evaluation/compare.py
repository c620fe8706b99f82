"""Whether one model is better than another on the same rows, or whether that was luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb
from typing import Any

import numpy as np

from mien.datasets.faces import Photo
from mien.errors import DataError
from mien.evaluation import bootstrap, detection
from mien.evaluation.bootstrap import Array, Figure, mean
from mien.evaluation.classification import Answers
from mien.results import Detections


@dataclass(frozen=True)
class Comparison:
    """A paired comparison of two models.

    Attributes:
        only_first: rows that only the first model gets right.
        only_second: rows that only the second model gets right.
        p_value: McNemar's exact two-sided test that the two counts differ by chance (McNemar 1947).
        difference: accuracy of the second minus that of the first, resampled in pairs.
        n: rows.
    """

    only_first: int
    only_second: int
    p_value: float
    difference: Figure
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self) | {"difference": self.difference.to_dict()}


def compare(first: Answers, second: Answers, *, draws: int = bootstrap.DRAWS) -> Comparison:
    """Compare two models' answers to the same rows.

    Raises:
        DataError: the answers are to different rows.
    """
    if len(first) != len(second) or (first.target != second.target).any():
        raise DataError("only answers to the same rows under the same protocol can be compared")
    a, b = first.correct, second.correct
    figure = bootstrap.measure(
        lambda w: {"difference": mean(b.astype(np.float64) - a.astype(np.float64), w)}, len(first), draws=draws
    )["difference"]
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    return Comparison(only_first, only_second, mcnemar(only_first, only_second), figure, len(first))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value that two discordant counts come from a fair coin."""
    n, few = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0
    return min(1.0, 2 * sum(comb(n, i) for i in range(few + 1)) / (1 << n))


@dataclass(frozen=True)
class DetectorDifference:
    """What two face detectors differ by on the same photos.

    Attributes:
        source: collection that the photos come from; None for all of them.
        min_height: of the faces that count, in pixels of the photo.
        photos: of that source.
        faces: that count in them.
        difference: average precision at IoU 0.5 of the second minus that of the first; photos are resampled in pairs.
    """

    source: str | None
    min_height: float
    photos: int
    faces: int
    difference: Figure

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self) | {"difference": self.difference.to_dict()}


def compare_detectors(
    photos: Sequence[Photo],
    first: Sequence[Detections],
    second: Sequence[Detections],
    *,
    draws: int = bootstrap.DRAWS,
) -> list[DetectorDifference]:
    """Compare what two detectors found in the same photos: in all of them, then in those of each source.

    Args:
        photos: with their faces.
        first: in each photo, with boxes of low scores; see `detection.find`.
        second: of the other detector.
        draws: bootstrap draws.
    """
    made = []
    for height in detection.HEIGHTS:
        one, other = (detection.curve(photos, found, height) for found in (first, second))
        for source in [None, *sorted({photo.source for photo in photos})]:
            chosen = np.array([source is None or photo.source == source for photo in photos])
            faces = int(one.faces[chosen].sum())
            difference = _difference(one.of(chosen), other.of(chosen), draws)
            made.append(DetectorDifference(source, height, int(chosen.sum()), faces, difference))
    return made


def _difference(first: detection.Curve, second: detection.Curve, draws: int) -> Figure:
    def difference(w: Array) -> dict[str, Array]:
        return {"ap": second.average_precision(w) - first.average_precision(w)}

    figure: Figure = bootstrap.measure(difference, len(first.faces), draws=draws)["ap"]
    return figure
