"""Learns how an ensemble's members are combined, from their answers to validation rows."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.model_selection import KFold

from mien.errors import UnknownNameError
from mien.export.graphs import Array, Blend, features

HOW = ("mean", "weighted", "vote", "stacking")
_RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
_TINY = 1e-7
Rows = NDArray[np.int64]
Kind = Literal["single", "multi", "value"]


def learn(how: str, answers: Array, truth: Array, *, kind: Kind) -> Blend:
    """Return how members are combined for one head.

    Args:
        how: mean, weighted (weights that sum to one and minimise the log-loss, or the squared error of values), vote,
            or stacking (multinomial regression on log-probabilities, pulled towards their mean; Wolpert 1992). Heads
            that do not answer with one label know mean and weighted; the others mean the mean for them.
        answers: of the members ``(k, n, classes)``.
        truth: ``(n, classes)``: 1 for the right label or for each that holds, or values.
        kind: of the head.

    Raises:
        UnknownNameError: no such way.
    """
    if how not in HOW:
        raise UnknownNameError("way to combine", how, HOW)
    count = len(answers)
    if how == "weighted":
        return Blend("weighted", _weights(answers, truth, kind))
    if how == "mean" or kind != "single":
        return Blend("weighted", np.full(count, 1 / count))
    if how == "vote":
        return Blend("vote", np.ones(count))
    return _stack(answers, truth.argmax(axis=1))


def crossed(how: str, answers: Array, truth: Array, *, kind: Kind, seed: int = 0) -> Array:
    """Return answers ``(n, classes)`` in which each half of the rows is combined as was learnt on the other."""
    order = np.random.default_rng(seed).permutation(len(truth))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    out = np.zeros(truth.shape)
    for fit, new in (halves, halves[::-1]):
        out[new] = learn(how, answers[:, fit], truth[fit], kind=kind)(answers[:, new])
    return out


def _weights(answers: Array, truth: Array, kind: Kind) -> Array:
    def loss(free: Array) -> float:
        p = np.einsum("k,knc->nc", _softmax(free), answers)
        if kind == "single":
            return float(-(truth * np.log(np.maximum(p, _TINY))).sum(axis=1).mean())
        if kind == "value":
            return float(((p - truth) ** 2).mean())
        p = np.clip(p, _TINY, 1 - _TINY)
        return float(-(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())

    return _softmax(minimize(loss, np.zeros(len(answers)), method="L-BFGS-B", bounds=[(-6, 6)] * len(answers)).x)


def _stack(answers: Array, target: Rows) -> Blend:
    """Fit the linear layer with the pull that predicts best across five folds."""
    read = features(answers)
    count, classes = len(answers), answers.shape[2]
    folds = list(KFold(5, shuffle=True, random_state=0).split(read)) if len(read) >= 50 else []

    def missed(ridge: float) -> float:
        total = 0.0
        for fit, new in folds:
            weights, bias = _regress(read[fit], target[fit], count, classes, ridge)
            total += _nll(read[new] @ weights + bias, target[new]) * len(new)
        return total

    best = min(_RIDGES, key=missed) if folds else _RIDGES[-1]
    return Blend("stacking", *_regress(read, target, count, classes, best))


def _regress(read: Array, target: Rows, count: int, classes: int, ridge: float) -> tuple[Array, Array]:
    start = np.vstack([np.tile(np.eye(classes) / count, (count, 1)), np.zeros((1, classes))])
    padded, right = np.hstack([read, np.ones((len(read), 1))]), np.eye(classes)[target]

    def loss(flat: Array) -> tuple[float, Array]:
        layer = flat.reshape(start.shape)
        logits = padded @ layer
        slope = padded.T @ (_softmax(logits) - right) / len(right) + 2 * ridge * (layer - start)
        return _nll(logits, target) + ridge * float(((layer - start) ** 2).sum()), slope.ravel()

    layer = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B").x.reshape(start.shape)
    return layer[:-1], layer[-1]


def _nll(logits: Array, target: Rows) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(target)), target]).mean())


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
