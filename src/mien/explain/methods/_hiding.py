"""What methods that hide parts of a picture share: what hidden pixels become, and asking in batches under masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from mien.explain.subject import Subject

Float = NDArray[np.float32]
BATCH = 256


def plain(crop: NDArray[np.uint8]) -> Float:
    """Return what hidden pixels become: the crop's mean colour, ``float32 (size, size, 3)``.

    A black patch would be a feature of its own; the mean colour is the least that can be said.
    """
    return np.broadcast_to(crop.mean(axis=(0, 1), dtype=np.float32), crop.shape).astype(np.float32)


def explained(
    subject: Subject,
    crops: NDArray[np.uint8],
    targets: NDArray[np.int64],
    keep: Float,
    draw: Callable[[Float], NDArray[np.floating]],
) -> Float:
    """Return the maps ``(n, size, size)`` that a method draws from each crop's answers under the same masks.

    Args:
        subject: that answers.
        crops: ``uint8 (n, size, size, 3)``.
        targets: label of each ``(n,)``.
        keep: masks, see `ask`.
        draw: from the target's probabilities under the masks ``(m,)`` to a map ``(size, size)``.
    """
    maps = [draw(ask(subject, crop, keep, int(target))) for crop, target in zip(crops, targets, strict=True)]
    return np.asarray(np.stack(maps), np.float32)


def ask(subject: Subject, crop: NDArray[np.uint8], keep: Float, target: int) -> Float:
    """Return the target's probability ``(m,)`` for copies of a crop under masks.

    Args:
        subject: that answers.
        crop: ``uint8 (size, size, 3)``.
        keep: ``(m, size, size)``; 1 shows a pixel, 0 hides it, values between mix.
        target: position of the label.
    """
    hidden = plain(crop)
    return np.concatenate([subject.answers(part)[:, target] for part in _copies(crop, hidden, keep)])


def _copies(crop: NDArray[np.uint8], hidden: Float, keep: Float) -> Iterator[NDArray[np.uint8]]:
    difference = crop.astype(np.float32) - hidden
    for start in range(0, len(keep), BATCH):
        mixed = hidden + difference * keep[start : start + BATCH, :, :, None]
        yield np.rint(mixed).astype(np.uint8)


def tiles(size: int, count: int) -> NDArray[np.int64]:
    """Cut a square into ``count x count`` about equal tiles and return each pixel's tile number ``(size, size)``."""
    band = np.arange(size) * count // size
    return np.asarray(band[:, None] * count + band[None, :], np.int64)
