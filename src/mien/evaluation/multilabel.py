"""Figures for labels that hold independently: several emotions at once, action units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.bootstrap import Array, mean_of_defined, ratio
from mien.evaluation.ranking import areas


def metrics(truth: NDArray[np.bool_], scores: Array, thresholds: Array, w: Array) -> Mapping[str, Array]:
    """Compute figures under weights ``(draws, n)``.

    Args:
        truth: ``bool (n, k)``.
        scores: probabilities ``(n, k)``.
        thresholds: a label is said from its threshold on, ``(k,)`` or one a row ``(n, k)``; see `tune`.
        w: weights.

    Returns:
        `map` (mean average precision), `macro_auc`, `f1_micro`, `f1_macro`, `hamming` (share of wrong label answers);
        per label `ap`, `auc`, `f1`, `prevalence`, and `f1_prevalence`: the F1 of always saying the label, the baseline
        that a detector of it has to beat.
    """
    said = scores >= thresholds
    hits, true, answered = w @ (said & truth), w @ truth.astype(float), w @ said.astype(float)
    total = w.sum(axis=1)
    columns = range(truth.shape[1])
    ranked = [areas(scores[:, c], truth[:, c], w) for c in columns]
    auc, ap = (np.stack(one, axis=1) for one in zip(*ranked, strict=True))
    f1 = ratio(2 * hits, true + answered, 0.0)
    prevalence = true / total[:, None]
    return {
        "map": mean_of_defined(ap),
        "macro_auc": mean_of_defined(auc),
        "f1_micro": ratio(2 * hits.sum(axis=1), (true + answered).sum(axis=1), 0.0),
        "f1_macro": f1.mean(axis=1),
        "hamming": (w @ (said != truth)).sum(axis=1) / (total * truth.shape[1]),
        "ap": ap,
        "auc": auc,
        "f1": f1,
        "prevalence": prevalence,
        "f1_prevalence": ratio(2 * prevalence, 1 + prevalence, 0.0),
    }


def tune(truth: NDArray[np.bool_], scores: Array) -> Array:
    """Return for each label the threshold ``(k,)`` with the best F1 on these rows (use validation rows).

    A label that never holds keeps 0.5.
    """
    out = np.full(truth.shape[1], 0.5)
    for c in range(truth.shape[1]):
        if not truth[:, c].any():
            continue
        order = np.argsort(-scores[:, c], kind="stable")
        ranked, held = scores[order, c], truth[order, c]
        f1 = 2 * np.cumsum(held) / (np.arange(1, len(held) + 1) + held.sum())
        last = np.r_[ranked[1:] != ranked[:-1], True]  # a threshold cannot part equal scores
        out[c] = ranked[np.argmax(np.where(last, f1, -1.0))]
    return out
