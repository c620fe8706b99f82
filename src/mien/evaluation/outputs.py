"""Scores heads whose outputs stand by themselves: labels that hold independently, action units, values on scales.

Such a head has no single right answer a row, so it is judged output by output, and the figures of `multilabel` and
`continuous` are averaged over the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.evaluation import bootstrap, continuous, multilabel, protocols
from mien.evaluation.bootstrap import Array, Figure, mean_of_defined
from mien.evaluation.protocols import OutputProtocol
from mien.evaluation.scoring import Answered, Source
from mien.labels import LabelSet
from mien.manifest import Head, Metric

MAIN = {"multi": ("map", "macro_auc", "f1_micro", "f1_macro", "hamming"), "value": ("ccc", "pcc", "rmse", "mae")}
"""The figures that a manifest records and that two models are compared by."""
PER_OUTPUT = {
    "multi": ("prevalence", "ap", "auc", "f1", "f1_prevalence"),
    "value": ("ccc", "pcc", "rmse", "mae", "rmse_of_mean"),
}
_EACH = "each "


@dataclass(frozen=True)
class Outputs:
    """What a head said beside what is true, of the rows that count.

    Attributes:
        labels: the outputs.
        truth: ``(n, k)``; 0 or 1 for labels that hold independently.
        values: probabilities or values ``(n, k)``.
        thresholds: from which on a label is said ``(n, k)``; None for values.
        tuned: where the thresholds are from: 'model', or 'halves' (fitted on one half of the rows for the other).
    """

    labels: LabelSet
    truth: Array
    values: Array
    thresholds: Array | None = None
    tuned: str | None = None

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def error(self) -> Array:
        """How far each row is off ``(n,)``: mean log-loss of its labels, or mean distance of its values."""
        if self.thresholds is None:
            return np.asarray(np.abs(self.values - self.truth).mean(axis=1))
        p = np.clip(np.where(self.truth > 0.5, self.values, 1 - self.values), 1e-12, 1.0)
        return np.asarray(-np.log(p).mean(axis=1))


@dataclass(frozen=True)
class OutputEvaluation:
    """Figures of one head on one split under one protocol.

    Attributes:
        head: that was scored.
        answered: where the answers come from.
        protocol: that says what is true.
        outputs: answers and truth of the rows that count.
        rows: their positions in the source ``(n,)``.
        pixels: their crops ``uint8 (n, size, size, 3)``.
        figures: one number each, with intervals.
        per_output: one number an output, with intervals.
    """

    head: Head
    answered: Answered
    protocol: OutputProtocol
    outputs: Outputs
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    figures: dict[str, Figure]
    per_output: dict[str, list[Figure]]

    @property
    def source(self) -> Source:
        """Where the rows are from."""
        return self.answered.source

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        names = self.outputs.labels.labels
        thresholds = {}
        if self.outputs.thresholds is not None:
            mean = self.outputs.thresholds.mean(axis=0)
            thresholds = {
                "tuned": self.outputs.tuned,
                "thresholds": {name: round(float(t), 6) for name, t in zip(names, mean, strict=True)},
            }
        return self.answered.to_dict() | {
            "kind": self.head.kind,
            "head": self.head.name,
            "protocol": self.protocol.name,
            "says": self.protocol.says,
            "n": len(self.outputs),
            "labels": list(names),
            "metrics": {name: figure.to_dict() for name, figure in self.figures.items()},
            "per_output": {
                name: {key: figures[i].to_dict() for key, figures in self.per_output.items()}
                for i, name in enumerate(names)
            },
            **thresholds,
        }

    def metrics(self) -> list[Metric]:
        """Return the main figures as a manifest records them."""
        found = {name: self.figures[name] for name in MAIN[self.head.kind]}
        return self.answered.records(found, self.head.name, self.protocol.name, len(self.outputs))


def evaluate(answered: Answered, protocol: str, head: str, *, draws: int = bootstrap.DRAWS) -> OutputEvaluation:
    """Score a head of a model that has answered.

    Args:
        answered: the model's answers to every row of a source.
        protocol: name of an output protocol of the head's kind, see `protocols.choose`.
        head: name of the head.
        draws: bootstrap resamples.

    Raises:
        DataError: no row has what the protocol asks for.
    """
    chosen, spec = protocols.OUTPUTS[protocol], answered.model.manifest.head(head)
    if spec.kind != chosen.kind:
        raise ValueError(f"the protocol '{protocol}' judges heads of the kind '{chosen.kind}', not '{spec.kind}'")
    labels, source, found = spec.set(), answered.source, answered.found
    truth = chosen.truth(source.columns, labels)[found.rows]
    counts = ~np.isnan(truth).any(axis=1)
    if not counts.any():
        raise DataError(f"no row of {source.dataset}, split '{source.split}', counts under the protocol '{protocol}'")
    truth, values = truth[counts], answered.heads[head].values[counts].astype(np.float64)
    outputs = Outputs(labels, truth, values) if chosen.kind == "value" else _with_thresholds(spec, truth, values)
    measured = bootstrap.measure(lambda w: _figures(outputs, w), len(outputs), draws=draws)
    per_output = {key: measured.pop(_EACH + key) for key in PER_OUTPUT[chosen.kind]}
    return OutputEvaluation(
        head=spec,
        answered=answered,
        protocol=chosen,
        outputs=outputs,
        rows=found.rows[counts],
        pixels=found.pixels[counts],
        figures=measured,
        per_output=per_output,
    )


def compare(first: OutputEvaluation, second: OutputEvaluation, *, draws: int = bootstrap.DRAWS) -> dict[str, Figure]:
    """Return how much higher each main figure of the second model is, resampled in pairs.

    Raises:
        DataError: the answers are to different rows.
    """
    a, b = first.outputs, second.outputs
    if first.head.kind != second.head.kind or a.truth.shape != b.truth.shape or (a.truth != b.truth).any():
        raise DataError("only answers to the same rows under the same protocol can be compared")

    def differences(w: Array) -> dict[str, Array]:
        own, other = _figures(a, w), _figures(b, w)
        return {name: other[name] - own[name] for name in MAIN[first.head.kind]}

    return bootstrap.measure(differences, len(a), draws=draws)


def _figures(outputs: Outputs, w: Array) -> Mapping[str, Array]:
    """Compute the figures of all outputs together, and of each under a name of its own."""
    if outputs.thresholds is not None:
        found = dict(multilabel.metrics(outputs.truth > 0.5, outputs.values, outputs.thresholds, w))
        each = {_EACH + name: found.pop(name) for name in PER_OUTPUT["multi"]}
        return found | {"f1_macro_prevalence": mean_of_defined(each[_EACH + "f1_prevalence"])} | each
    columns = [continuous.metrics(t, p, w) for t, p in zip(outputs.truth.T, outputs.values.T, strict=True)]
    each = {_EACH + name: np.stack([c[name] for c in columns], axis=1) for name in PER_OUTPUT["value"]}
    return {name: mean_of_defined(each[_EACH + name]) for name in PER_OUTPUT["value"]} | each


def _with_thresholds(head: Head, truth: Array, values: Array) -> Outputs:
    """Take the model's own thresholds, or tune them on each half of the rows for the other."""
    if head.thresholds:
        own = np.array([head.thresholds.get(label, 0.5) for label in head.labels])
        return Outputs(head.set(), truth, values, np.broadcast_to(own, values.shape), "model")
    order = np.random.default_rng(0).permutation(len(truth))
    one, other = order[: len(order) // 2], order[len(order) // 2 :]
    thresholds = np.full(values.shape, 0.5)
    for fit, new in ((one, other), (other, one)):
        if len(fit):
            thresholds[new] = multilabel.tune(truth[fit] > 0.5, values[fit])
    return Outputs(head.set(), truth, values, thresholds, "halves")
