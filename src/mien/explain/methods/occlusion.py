"""Occlusion: slide a plain patch over the face and see how much the answer falls (Zeiler and Fergus 2014)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.explain.methods._hiding import Float, explained
from mien.explain.subject import Subject

NEEDS = "answers"
SAYS = "a patch slides over the face; where the answer falls, it mattered"


def explain(
    subject: Subject, crops: NDArray[np.uint8], targets: NDArray[np.int64], *, patch: float = 0.2, step: float = 0.0625
) -> Float:
    """Return maps ``(n, size, size)``: the mean fall of the target's probability over patches that hide a pixel.

    Args:
        subject: what is explained.
        crops: ``uint8 (n, size, size, 3)``.
        targets: label of each ``(n,)``.
        patch: its side, in parts of the crop's.
        step: between patches, in parts of the crop's side.
    """
    size = crops.shape[1]
    side, stride = max(round(patch * size), 1), max(round(step * size), 1)
    # Patches may hang over the edge, so that pixels there are hidden as often as others.
    starts = np.arange(-side + stride, size, stride)
    keep = np.ones((len(starts) ** 2, size, size), np.float32)
    for i, y in enumerate(starts):
        for j, x in enumerate(starts):
            keep[i * len(starts) + j, max(y, 0) : y + side, max(x, 0) : x + side] = 0.0
    hidden = 1.0 - keep
    times = np.maximum(hidden.sum(axis=0), 1.0)
    whole = np.ones((1, size, size), np.float32)

    def draw(answers: Float) -> Float:
        return np.asarray(np.tensordot(answers[0] - answers[1:], hidden, axes=1) / times, np.float32)

    return explained(subject, crops, targets, np.concatenate([whole, keep]), draw)
