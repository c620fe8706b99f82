"""Fits the chance that an answer is right, and the limits for abstention, and measures what both are worth.

The chance is an additive logistic model: every signal passes through a piecewise-linear curve, the curves and an offset
for the answered label are summed, and the sum is the log-odds (a generalised additive model, Hastie and Tibshirani
1986). It is a handful of numbers in `model.json`, and a client computes it in a few lines. Fitted and measured on rows
that the network did not learn from; for the figures each half of the pictures is judged by a model of the other half.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.evaluation import bootstrap, selective
from mien.evaluation.bootstrap import Array, ratio
from mien.evaluation.classification import calibration_error
from mien.evaluation.quality_sample import Sample
from mien.manifest import Chance, Curve, Gate
from mien.recognition import quality

NO_FACE_SHARE = 0.1
"""Weight of what is no face among all rows, however many there are of it."""
COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_KNOTS = 6
_SPAN = (0.02, 0.98)
"""Knots are spread evenly between these quantiles of a signal."""
_RIDGE = 3.0
_LEAST_ROWS = 200
_GRID = np.linspace(0.05, 1.0, 39)


def fit(sample: Sample) -> Chance:
    """Fit the chance by penalised maximum likelihood.

    Raises:
        DataError: too few rows, or all of them right or all wrong.
    """
    if len(sample) < _LEAST_ROWS or sample.right.all() or not sample.right.any():
        raise DataError(
            f"a quality needs at least {_LEAST_ROWS} answers, right ones and wrong ones; got {len(sample)}, "
            f"{int(sample.right.sum())} of them right"
        )
    from sklearn.linear_model import LogisticRegression

    knots = {name: _knots(values) for name, values in sample.signals.items()}
    knots = {name: at for name, at in knots.items() if len(at) > 1}
    columns = [_hats(sample.signals[name], at) for name, at in knots.items()]
    centres = [np.nanmean(c, axis=0) for c in columns]
    labels = sorted(set(sample.answers))
    answered = np.array(sample.answers)[:, None] == np.array(labels)[None, :]
    design = np.hstack(
        [*(np.nan_to_num(c - m) for c, m in zip(columns, centres, strict=True)), answered - answered.mean(axis=0)]
    )
    found = LogisticRegression(C=1 / _RIDGE, max_iter=500).fit(design, sample.right, sample_weight=weights(sample))
    slopes, bias = found.coef_[0], float(found.intercept_[0])
    curves = {}
    start = 0
    for (name, at), centre in zip(knots.items(), centres, strict=True):
        own = slopes[start : start + len(at)]
        curves[name] = Curve(knots=_plain(at), values=_plain(own - own @ centre))
        start += len(at)
    offsets = slopes[start:]
    bias -= float(offsets @ answered.mean(axis=0))
    return Chance(bias=round(bias, 5), curves=curves, labels=dict(zip(labels, _plain(offsets), strict=True)))


def weights(sample: Sample) -> Array:
    """Weigh rows ``(n,)`` so that what is no face makes up a tenth."""
    none = sample.kind == "no face"
    out = np.ones(len(sample))
    if none.any() and not none.all():
        out[none] = NO_FACE_SHARE / (1 - NO_FACE_SHARE) * (~none).sum() / none.sum()
    return out


def limits(sample: Sample, model: Chance, gate: Gate, *, least: float = 0.5) -> Gate:
    """Fit a gate: each limit stands where answers beyond it are right less often than `least`.

    Size is judged on faces that were made smaller, sharpness on blurred ones, turn and quality on all; a limit that the
    rows give no reason for stands where the rows end, because beyond it nothing is known.

    Args:
        sample: as `fit` takes it.
        model: fitted.
        gate: whose other limits stay.
        least: share of right answers below which none is better.
    """
    met = ~sample.whole & (sample.kind != "no face")
    small = met & np.isin(sample.kind, ("clean", "low resolution"))
    blurred = np.isin(sample.kind, ("clean", "blur", "low resolution"))
    turned = met & ~np.isnan(sample.signals["turn"])
    found: dict[str, float] = {}
    if small.any():
        found["min_face"] = round(
            float(2 ** _least_value(sample.signals["size"][small], sample.right[small], least)), 1
        )
    if blurred.any():
        found["min_sharpness"] = round(
            _least_value(sample.signals["sharpness"][blurred], sample.right[blurred], least), 4
        )
    if turned.any():
        doubt = sample.signals["turn"][turned].astype(np.float64)
        found["max_turn"] = round(selective.limit(doubt, sample.right[turned], least), 4)
    found["min_quality"] = round(_least_value(_score(model, sample), sample.right, least), 4)
    return gate.model_copy(update=found)


def measure(sample: Sample, gate: Gate, *, draws: int = bootstrap.DRAWS, seed: int = 0) -> dict[str, Any]:
    """Measure the chance across two halves of the pictures: fitted on one, measured on the other, both ways.

    Args:
        sample: as `fit` takes it.
        gate: whose fixed limits stay, see `limits`.
        draws: bootstrap resamples.
        seed: of the split.

    Returns:
        For each population ('clean': crops as they are; 'mixed': clean and spoilt ones, as crops and as faces met, with
        a tenth that is no face) the risk at several coverages and its area by three orders: `entropy`, the `rule` that
        needs no fitting, and the fitted `quality`; the `gain` at a coverage of 70 % against answering all; the
        calibration error of the chance; and what abstaining by all limits does. Plain JSON types.
    """
    rng = np.random.default_rng(seed)
    groups = np.unique(sample.group)
    first = np.isin(sample.group, rng.permutation(groups)[: len(groups) // 2])
    score, kept = np.zeros(len(sample)), np.zeros(len(sample), bool)
    for fitted, new in ((sample[first], ~first), (sample[~first], first)):
        model = fit(fitted)
        score[new] = _score(model, sample[new])
        kept[new] = _passes(sample[new], score[new], limits(fitted, model, gate))
    entropy = sample.signals["entropy"].astype(np.float64)
    doubts = {"entropy": entropy, "rule": -sample.simple.astype(np.float64), "quality": -score}
    populations = {"clean": (sample.kind == "clean") & sample.whole, "mixed": np.ones(len(sample), bool)}
    return {
        name: _population(sample, {key: d[at] for key, d in doubts.items()}, score[at], kept[at], at, draws)
        for name, at in populations.items()
    }


def _population(
    sample: Sample,
    doubts: Mapping[str, Array],
    score: Array,
    kept: NDArray[np.bool_],
    at: NDArray[np.bool_],
    draws: int,
) -> dict[str, Any]:
    own = sample[at]
    wrong, base = (~own.right).astype(np.float64), weights(own)
    orders: dict[str, Any] = {}
    for name, doubt in doubts.items():

        def figures(w: Array, doubt: Array = doubt) -> dict[str, Array]:
            risks = _risks(doubt, wrong, w * base, (0.7, 1.0))
            return {"gain": risks[:, 1] - risks[:, 0]}

        at_few, curve = (_plain(_risks(doubt, wrong, base[None], cs)[0]) for cs in (COVERAGES, tuple(_GRID)))
        orders[name] = {
            "risk_at": {f"{c:.2f}": r for c, r in zip(COVERAGES, at_few, strict=True)},
            "curve": [_plain(_GRID), curve],
            "area": round(float(np.mean(curve)), 5),
            "gain_at_70": bootstrap.measure(figures, len(own), draws=draws)["gain"].to_dict(),
        }  # fmt: skip
    return {
        "n": len(own),
        "no_face": int((own.kind == "no face").sum()),
        "orders": orders,
        "ece": round(float(calibration_error(score, own.right, base[None])[0]), 5),
        "abstaining": {
            "answered": round(float(base[kept].sum() / base.sum()), 5),
            "wrong_of_all": round(float((base * wrong).sum() / base.sum()), 5),
            "wrong_of_answered": round(float((base * wrong)[kept].sum() / max(base[kept].sum(), 1e-9)), 5),
        },
    }


def _risks(doubt: Array, wrong: Array, w: Array, coverages: tuple[float, ...]) -> Array:
    """Return the share of wrong answers among the most certain ones ``(draws, coverages)``, under weights."""
    order = np.argsort(doubt, kind="stable")
    mass = np.cumsum(w[:, order], axis=1)
    errors = np.cumsum(w[:, order] * wrong[order], axis=1)
    out = np.zeros((len(w), len(coverages)))
    for i, total in enumerate(mass[:, -1]):
        at = np.searchsorted(mass[i], np.array(coverages) * total - 1e-9).clip(max=len(order) - 1)
        out[i] = ratio(errors[i, at], mass[i, at])
    return out


def _passes(sample: Sample, score: Array, gate: Gate) -> NDArray[np.bool_]:
    """Say which rows a gate lets through ``(n,)``, by the same rule as recognition."""
    size = np.where(sample.whole, np.inf, 2 ** np.nan_to_num(sample.signals["size"], nan=20.0))
    turn = np.where(sample.whole, np.nan, sample.signals["turn"])
    s = sample.signals
    measured = quality.Quality(
        *(np.asarray(v, np.float32) for v in (size, s["sharpness"], turn, s["light"], s["contrast"], score))
    )
    confidence = np.asarray(1 / (1 + np.exp(-s["certainty"].astype(np.float64))), np.float32)
    return np.array([reason is None for reason in quality.reasons(measured, s["entropy"], confidence, gate)])


def _score(model: Chance, sample: Sample) -> Array:
    return quality.chance(model, sample.signals, sample.answers).astype(np.float64)


def _least_value(values: Any, right: NDArray[np.bool_], least: float) -> float:
    return -selective.limit(-np.asarray(values, np.float64), right, least)


def _knots(values: Any) -> Array:
    known = np.asarray(values, np.float64)[~np.isnan(values)]
    if not len(known):
        return np.zeros(0)
    first, last = (float(np.quantile(known, part)) for part in _SPAN)
    return np.unique(np.round(np.linspace(first, last, _KNOTS), 4))


def _hats(values: Any, knots: Array) -> Array:
    """Return the basis of piecewise-linear functions ``(n, knots)``; NaN rows where the value is unknown."""
    basis = np.stack([np.interp(values, knots, one) for one in np.eye(len(knots))], axis=1)
    return np.where(np.isnan(np.asarray(values, np.float64))[:, None], np.nan, basis)


def _plain(values: Any) -> Any:
    return tuple(round(float(v), 5) for v in values)
