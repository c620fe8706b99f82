"""Test-time augmentation: several looks at one crop, whose mean is the answer and whose spread says how firm it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import UnknownNameError

Pixels = NDArray[np.uint8]
SHARE = 0.9
"""Side of the four corner looks and the middle one, as a part of the crop's."""


def _one(crops: Pixels) -> list[Pixels]:
    return [crops]


def _flip(crops: Pixels) -> list[Pixels]:
    return [crops, np.ascontiguousarray(crops[:, :, ::-1])]


def _five(crops: Pixels) -> list[Pixels]:
    """Return the corners and the middle, enlarged to the whole side (Krizhevsky et al. 2012)."""
    side = crops.shape[1]
    middle = round((1 - SHARE) / 2 * side)
    far, part = 2 * middle, side - 2 * middle
    places = ((0, 0), (0, far), (far, 0), (far, far), (middle, middle))
    return [_cut(crops, y, x, part) for y, x in places]


def _ten(crops: Pixels) -> list[Pixels]:
    return [look for five in _five(crops) for look in _flip(five)]


VIEWS: Mapping[str, Callable[[Pixels], list[Pixels]]] = {"one": _one, "flip": _flip, "five": _five, "ten": _ten}


def of(crops: Pixels, name: str) -> list[Pixels]:
    """Return every look at crops, each ``uint8 (n, size, size, 3)``.

    Args:
        crops: ``uint8 (n, size, size, 3)``.
        name: one (the crop), flip (and its mirror image), five (corners and middle), ten (and their mirror images).

    Raises:
        UnknownNameError: no such looks.
    """
    return VIEWS[known(name)](crops)


def known(name: str) -> str:
    """Return a name of looks if there are such.

    Raises:
        UnknownNameError: there are none.
    """
    if name not in VIEWS:
        raise UnknownNameError("way to look", name, VIEWS)
    return name


def spread(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far the looks' answers ``(looks, n, classes)`` lie apart ``(n,)``.

    It is the standard deviation over looks of the probability of the label that their mean says.
    """
    best = answers.mean(axis=0).argmax(axis=1)
    return np.asarray(answers[:, np.arange(len(best)), best].std(axis=0), np.float32)


def _cut(crops: Pixels, y: int, x: int, part: int) -> Pixels:
    side = crops.shape[1]
    found = [cv2.resize(crop[y : y + part, x : x + part], (side, side)) for crop in crops]
    return np.stack(found) if found else crops
