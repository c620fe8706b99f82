"""Areas under curves of ranked scores, for many weightings of the rows at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.bootstrap import Array, ratio


def _groups(scores: Array, positive: NDArray[np.bool_], w: Array) -> tuple[Array, Array]:
    """Sum weights of positives and of negatives for each distinct score, best first: ``(draws, groups)`` each."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    chosen, held = w[:, order], positive[order]
    return np.add.reduceat(chosen * held, starts, axis=1), np.add.reduceat(chosen * ~held, starts, axis=1)


def areas(scores: Array, positive: NDArray[np.bool_], w: Array) -> tuple[Array, Array]:
    """Return the area under the ROC curve and the average precision ``(draws,)`` each; NaN where a class is absent.

    The first says how often a positive row outranks a negative one, ties half; the second sums precision over steps of
    recall, without interpolation.

    Args:
        scores: ``(n,)``.
        positive: ``bool (n,)``.
        w: weights ``(draws, n)``.
    """
    hits, misses = _groups(scores, positive, w)
    found, wrong = np.cumsum(hits, axis=1), np.cumsum(misses, axis=1)
    precision = ratio(found, found + wrong, 0.0)
    return _roc(hits, misses, wrong), ratio((precision * hits).sum(axis=1), found[:, -1])


def roc_auc(scores: Array, positive: NDArray[np.bool_], w: Array) -> Array:
    """Return the area under the ROC curve alone ``(draws,)``; see `areas`."""
    hits, misses = _groups(scores, positive, w)
    return _roc(hits, misses, np.cumsum(misses, axis=1))


def _roc(hits: Array, misses: Array, wrong: Array) -> Array:
    """Count the pairs of a positive and a negative row that are in order, from sums for each distinct score."""
    below = wrong[:, -1:] - wrong
    won = (hits * (below + 0.5 * misses)).sum(axis=1)
    return ratio(won, hits.sum(axis=1) * wrong[:, -1])
