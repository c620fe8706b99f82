"""RISE: show random halves of the face and average the masks by how well the answer survived (Petsiuk et al. 2018)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.explain.methods._hiding import Float, explained
from mien.explain.subject import Subject

NEEDS = "answers"
SAYS = "random soft masks, averaged by the answer that each leaves"


def explain(
    subject: Subject,
    crops: NDArray[np.uint8],
    targets: NDArray[np.int64],
    *,
    masks: int = 2000,
    cells: int = 7,
    shown: float = 0.5,
    seed: int = 0,
) -> Float:
    """Return maps ``(n, size, size)``: mean probability when a pixel is shown, less the mean over all masks.

    Args:
        subject: what is explained.
        crops: ``uint8 (n, size, size, 3)``.
        targets: label of each ``(n,)``.
        masks: how many; the same ones for every crop.
        cells: of a mask's coarse grid a side.
        shown: chance that a cell is shown.
        seed: of the masks.
    """
    keep = draw(crops.shape[1], masks, cells, shown, seed)
    # Shrinking the estimate's noise: a mask's weight is its answer's distance from the mean, not the answer itself.
    centred = keep - keep.mean(axis=0)
    spread = np.maximum((centred**2).mean(axis=0), 1e-6)

    def average(answers: Float) -> Float:
        return np.asarray(np.tensordot(answers - answers.mean(), centred, axes=1) / masks / spread, np.float32)

    return explained(subject, crops, targets, keep, average)


def draw(size: int, masks: int, cells: int, shown: float, seed: int) -> Float:
    """Draw soft masks ``float32 (masks, size, size)``: coarse random grids, enlarged and shifted by part of a cell."""
    rng = np.random.default_rng(seed)
    cell = -(-size // cells)
    full = (cells + 1) * cell
    coarse = (rng.random((masks, cells + 1, cells + 1)) < shown).astype(np.float32)
    shifts = rng.integers(0, cell, (masks, 2))
    out = np.empty((masks, size, size), np.float32)
    for i, (grid, (y, x)) in enumerate(zip(coarse, shifts, strict=True)):
        out[i] = cv2.resize(grid, (full, full), interpolation=cv2.INTER_LINEAR)[y : y + size, x : x + size]
    return out
