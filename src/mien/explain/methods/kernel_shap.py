"""KernelSHAP: Shapley values of tiles from a weighted least-squares fit (Lundberg and Lee 2017).

The Shapley values are the solution of a regression whose coefficients sum to the answer's whole gain over a fully
hidden picture. The published package brings a compiler along; the regression itself is a few lines of linear algebra.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.explain.methods._hiding import Float, explained, tiles
from mien.explain.subject import Subject

NEEDS = "answers"
SAYS = "Shapley values: each tile's fair share of the answer"


def explain(
    subject: Subject,
    crops: NDArray[np.uint8],
    targets: NDArray[np.int64],
    *,
    samples: int = 2000,
    count: int = 7,
    seed: int = 0,
) -> Float:
    """Return maps ``(n, size, size)``: the Shapley value of each pixel's tile.

    Args:
        subject: what is explained.
        crops: ``uint8 (n, size, size, 3)``.
        targets: label of each ``(n,)``.
        samples: coalitions of tiles for each crop, drawn in complementary pairs (Covert and Lee 2021).
        count: tiles a side.
        seed: of the coalitions.
    """
    where = tiles(crops.shape[1], count)
    shown = coalitions(count * count, samples, seed)
    ends = np.stack([np.zeros(count * count), np.ones(count * count)]).astype(np.float32)
    keep = np.concatenate([ends, shown])[:, where]

    def draw(answers: Float) -> NDArray[np.float64]:
        given = answers.astype(np.float64)
        return solve(shown.astype(np.float64), given[2:], given[0], given[1])[where]

    return explained(subject, crops, targets, keep, draw)


def coalitions(parts: int, samples: int, seed: int) -> Float:
    """Draw coalitions ``float32 (samples, parts)`` as the Shapley kernel weighs them, each with its complement."""
    if parts < 2:
        raise ValueError(f"a coalition needs at least two parts, not {parts}")
    rng = np.random.default_rng(seed)
    sizes = np.arange(1, parts)
    chance = 1.0 / (sizes * (parts - sizes))
    drawn = rng.choice(sizes, -(-samples // 2), p=chance / chance.sum())
    order = rng.random((len(drawn), parts)).argsort(axis=1).argsort(axis=1)
    half = (order < drawn[:, None]).astype(np.float32)
    return np.stack([half, 1.0 - half], axis=1).reshape(-1, parts)[:samples]


def solve(shown: NDArray[np.float64], answer: NDArray[np.float64], hidden: float, whole: float) -> NDArray[np.float64]:
    """Return the Shapley values ``(parts,)`` that fit answers to coalitions and sum to ``whole - hidden``.

    Coalitions are drawn as the kernel weighs them, so every row counts the same.
    """
    n, parts = shown.shape
    a = shown.T @ shown / n + 1e-9 * np.eye(parts)
    b = shown.T @ (answer - hidden) / n
    free = np.linalg.solve(a, np.stack([b, np.ones(parts)], axis=1))
    excess = (free[:, 0].sum() - (whole - hidden)) / free[:, 1].sum()
    return np.asarray(free[:, 0] - excess * free[:, 1])
