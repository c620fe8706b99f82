"""Figures for values on a scale: valence and arousal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mien.evaluation.bootstrap import Array, mean, ratio


def metrics(truth: Array, predicted: Array, w: Array) -> Mapping[str, Array]:
    """Compute figures of one value under weights ``(draws, n)``.

    Args:
        truth: ``(n,)``.
        predicted: ``(n,)``.
        w: weights.

    Returns:
        `ccc` (concordance correlation, Lin 1989: ``2 cov / (var + var + (mean - mean)^2)`` with population moments),
        `pcc` (Pearson), `rmse`, `mae`, and `rmse_of_mean`: the error of always saying the rows' mean, the baseline.
    """
    centre = float(truth.mean())  # moments around a common point: no cancellation when the scale is far from zero
    t, p = truth - centre, predicted - centre
    mean_t, mean_p = mean(t, w), mean(p, w)
    var_t, var_p = mean(t * t, w) - mean_t**2, mean(p * p, w) - mean_p**2
    cov = mean(t * p, w) - mean_t * mean_p
    return {
        "ccc": ratio(2 * cov, var_t + var_p + (mean_t - mean_p) ** 2),
        "pcc": ratio(cov, np.sqrt(np.maximum(var_t * var_p, 0.0))),
        "rmse": np.sqrt(mean((t - p) ** 2, w)),
        "mae": mean(np.abs(t - p), w),
        "rmse_of_mean": np.sqrt(np.maximum(var_t, 0.0)),
    }
