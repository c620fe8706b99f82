"""From valence and arousal to scores over emotions: where a point lies among the places that people give to words.

Two numbers cannot tell anger from fear, so what comes from here is spread over the words that lie near, and flagged as
derived. The places are those that Russell and Mehrabian 1977 ("Evidence for a three-factor theory of emotions",
Journal of Research in Personality 11) measured for emotion words (pleasure and arousal, -1 to 1; dominance is left
out); neutral is the origin.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mien import labels
from mien.errors import DataError
from mien.results import Scores

Double = NDArray[np.float64]
TARGET = "social8"
METHOD = "circumplex: nearness to the places of emotion words (Russell and Mehrabian 1977)"
#: Valence and arousal of each label of `social8`; 'other' is everywhere.
PLACES: dict[str, tuple[float, float]] = {
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "angry": (-0.51, 0.59),
    "fear": (-0.64, 0.60),
    "surprise": (0.40, 0.67),
    "disgust": (-0.60, 0.35),
    "neutral": (0.0, 0.0),
}
#: Standard deviation of a word's place between people; the paper finds about this for most words.
SPREAD = 0.3


def derive(affect: Scores) -> Scores:
    """Return scores over `social8` ``(n, 8)``, each row summing to one.

    Each word is a round normal density about its place, 'other' an even density over the square, all equally likely
    beforehand; the scores are the posterior.

    Args:
        affect: valence and arousal from -1 to 1.

    Raises:
        DataError: the scores are not over valence and arousal.
    """
    if not {"valence", "arousal"} <= set(affect.labels.labels):
        raise DataError(f"emotions are derived from valence and arousal, not from '{affect.labels.name}'")
    at = affect.values[:, [affect.labels.index("valence"), affect.labels.index("arousal")]].astype(np.float64)
    target = labels.get(TARGET)
    values = np.stack([_density(at, PLACES.get(name)) for name in target], axis=1)
    values /= values.sum(axis=1, keepdims=True)
    return Scores(target, values.astype(np.float32), derived=METHOD)


def _density(at: Double, place: tuple[float, float] | None) -> Double:
    if place is None:
        return np.full(len(at), 0.25)
    away = ((at - np.array(place)) ** 2).sum(axis=1)
    return np.asarray(np.exp(-away / (2 * SPREAD**2)) / (2 * math.pi * SPREAD**2), np.float64)
