"""Scores a model folder on the rows of a table under a protocol: what `mien evaluate` and the export call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import labels as label_sets
from mien.errors import DataError
from mien.evaluation import (
    bootstrap,
    calibration,
    classification,
    conformal,
    crops,
    distributions,
    protocols,
    selective,
)
from mien.evaluation.bootstrap import Array, Figure
from mien.evaluation.calibration import Reliability
from mien.evaluation.classification import PER_CLASS, Answers
from mien.evaluation.crops import Crops
from mien.evaluation.protocols import Columns, Targets
from mien.evaluation.selective import RiskCoverage
from mien.manifest import Manifest, Metric
from mien.recognition.expression import ExpressionModel
from mien.results import Scores


@dataclass(frozen=True)
class Source:
    """The rows that are scored.

    Attributes:
        columns: of a table, rows of one split.
        root: folder that image names are relative to.
        dataset: title for reports.
        digest: of the table.
        split: its name.
    """

    columns: Columns
    root: Path
    dataset: str
    digest: str
    split: str


@dataclass(frozen=True)
class Answered:
    """A model's answers to every row of a source, all heads, whatever the protocol.

    Attributes:
        model: that answered.
        source: the rows.
        found: crops of the rows that could be read.
        heads: scores of every head for those.
        seconds: that reading and answering took.
    """

    model: ExpressionModel
    source: Source
    found: Crops
    heads: dict[str, Scores]
    seconds: float

    @property
    def name(self) -> str:
        """The model's name and version, e.g. 'expression 1'."""
        return f"{self.model.manifest.name} {self.model.manifest.version}"

    def to_dict(self) -> dict[str, Any]:
        """Return what every record of an evaluation begins with, as plain JSON types."""
        return {
            "schema": 1,
            "model": self.name,
            "precision": self.model.session.precision,
            "flip": self.model.flip,
            "views": self.model.views,
            "dataset": self.source.dataset,
            "digest": self.source.digest,
            "split": self.source.split,
            "rows": len(self.source.columns["image"]),
            "failed": len(self.found.failed),
            "seconds": round(self.seconds, 2),
        }

    def records(self, figures: dict[str, Figure], head: str, protocol: str, n: int) -> list[Metric]:
        """Return figures of this model's answers as a manifest records them; those without an interval are left out."""
        return [
            Metric(
                name=name,
                value=figure.value,
                low=figure.low,
                high=figure.high,
                head=head,
                dataset=self.source.dataset,
                split=self.source.split,
                protocol=protocol + ("" if self.model.views == "one" else f", {self.model.views}"),
                precision="int8" if self.model.session.precision == "int8" else "fp32",
                n=n,
            )
            for name, figure in figures.items()
            if not np.isnan(figure.low)
        ]


@dataclass(frozen=True)
class Scored:
    """The answers that count under a protocol, before any figure is made of them.

    Attributes:
        head: name of the head that answered.
        derived: the mapping that carried its scores over, or None.
        answers: probabilities and targets of the rows that count.
        rows: their positions in the source ``(n,)``.
        pixels: their crops ``uint8 (n, size, size, 3)``.
        targets: what the protocol says of all rows.
        limit: the head's conformal threshold, or None.
    """

    head: str
    derived: str | None
    answers: Answers
    rows: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    targets: Targets
    limit: float | None


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one split under one protocol.

    Attributes:
        scored: the answers that the figures are of.
        answered: where they come from.
        protocol: its name.
        figures: one number each, with intervals.
        per_class: one number a label, with intervals.
        people: what one tagger against the others reaches; empty without votes.
        reliability: diagram of the top label.
        risk: risk-coverage curve over entropy.
    """

    scored: Scored
    answered: Answered
    protocol: str
    figures: dict[str, Figure]
    per_class: dict[str, list[Figure]]
    people: dict[str, Figure]
    reliability: Reliability
    risk: RiskCoverage

    @property
    def answers(self) -> Answers:
        """The answers that the figures are of."""
        return self.scored.answers

    @property
    def source(self) -> Source:
        """Where the rows are from."""
        return self.answered.source

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; the README's table and the cards are made from these."""
        labels, counts = self.answers.labels.labels, classification.confusion(self.answers)
        return self.answered.to_dict() | {
            "kind": "single",
            "head": self.scored.head,
            "derived": self.scored.derived,
            "protocol": self.protocol,
            "says": protocols.get(self.protocol).says,
            "n": len(self.answers),
            "labels": list(labels),
            "metrics": {name: figure.to_dict() for name, figure in self.figures.items()},
            "per_class": {
                label: {name: self.per_class[name][i].to_dict() for name in PER_CLASS} | {"n": int(counts[i].sum())}
                for i, label in enumerate(labels)
            },
            "confusion": counts.astype(int).tolist(),
            "people": {name: figure.to_dict() for name, figure in self.people.items()},
            "reliability": {
                "count": self.reliability.count.tolist(),
                "confidence": _plain(self.reliability.confidence),
                "accuracy": _plain(self.reliability.accuracy),
            },
            "risk_coverage": {
                "area": self.risk.area,
                "excess": self.risk.excess,
                "risk_at": {f"{c:.2f}": self.risk.at(c) for c in (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)},
            },
        }

    def metrics(self, names: tuple[str, ...] = ("accuracy", "balanced_accuracy", "macro_f1", "ece")) -> list[Metric]:
        """Return the main figures as a manifest records them."""
        wanted = (*names, "coverage", "set_size")
        found = {name: self.figures[name] for name in wanted if name in self.figures}
        return self.answered.records(found, self.scored.head, self.protocol, len(self.answers))


def evaluate(model: ExpressionModel, source: Source, protocol: str, *, draws: int = bootstrap.DRAWS) -> Evaluation:
    """Score a model.

    Args:
        model: of a model folder.
        source: rows of a table.
        protocol: its name, see `protocols`.
        draws: bootstrap resamples.

    Raises:
        DataError: no row fits the protocol, or the model has no head for it.
        UnknownNameError: no such protocol.
    """
    protocols.get(protocol)
    return figures(answer(model, source), protocol, draws=draws)


def answer(model: ExpressionModel, source: Source, *, found: Crops | None = None) -> Answered:
    """Let a model answer every row of a source.

    Args:
        model: of a model folder.
        source: rows of a table.
        found: its crops, when another model with the same crop has read them already.

    Raises:
        DataError: no picture can be read.
    """
    started = time.perf_counter()
    if found is None:
        found = crops.read(model.spec, source.root, source.columns, range(len(source.columns["image"])))
    heads = model.predict(found.pixels)
    return Answered(model, source, found, heads, time.perf_counter() - started)


def score(answered: Answered, protocol: str, head: str | None = None) -> Scored:
    """Put answers beside the targets of a protocol.

    Args:
        answered: of a model.
        protocol: its name, see `protocols`.
        head: that is scored; None takes the one of the protocol's label set.

    Raises:
        DataError: no row fits the protocol, or no head of the model answers it.
        UnknownNameError: no such protocol.
    """
    source, found, manifest = answered.source, answered.found, answered.model.manifest
    targets = protocols.get(protocol).targets(source.columns)
    counts = targets.target[found.rows] >= 0
    if not counts.any():
        raise DataError(f"no row of {source.dataset}, split '{source.split}', counts under the protocol '{protocol}'")
    head = head or _head_for(manifest, targets.label_set)
    if manifest.head(head).kind != "single":
        raise DataError(f"the protocol '{protocol}' judges one label out of several; head '{head}' does not answer so")
    values, derived = _carry(answered.heads[head], targets.label_set)
    rows = found.rows[counts]
    return Scored(
        head=head,
        derived=derived,
        answers=Answers(label_sets.get(targets.label_set), values[counts], targets.target[rows]),
        rows=rows,
        pixels=found.pixels[counts],
        targets=targets,
        limit=None if derived else manifest.head(head).conformal_90,
    )


def again(found: Evaluation, pixels: NDArray[np.uint8], at: NDArray[np.int64]) -> Answers:
    """Let the model of an evaluation answer changed crops of some of its rows.

    Args:
        found: the evaluation.
        pixels: crops ``uint8 (m, size, size, 3)``.
        at: which of the evaluation's rows they are of ``(m,)``.
    """
    own = found.answered.model.predict(pixels)[found.scored.head]
    return Answers(found.answers.labels, _carry(own, found.answers.labels.name)[0], found.answers.target[at])


def figures(answered: Answered, protocol: str, *, head: str | None = None, draws: int = bootstrap.DRAWS) -> Evaluation:
    """Make figures of answers under a protocol; see `evaluate` and `score`."""
    scored = score(answered, protocol, head)
    answers, targets = scored.answers, scored.targets
    truth = None if targets.distribution is None else targets.distribution[scored.rows]
    voted = None if truth is None else ~np.isnan(truth).any(axis=1)

    def everything(w: Array) -> dict[str, Array]:
        out = dict(classification.metrics(answers, w))
        if scored.limit is not None:
            p = answers.probabilities.astype(np.float32)
            out |= conformal.metrics(p, answers.target, scored.limit, w)
        if truth is not None and voted is not None and voted.any():
            out |= distributions.metrics(truth[voted], answers.probabilities[voted], w[:, voted])
        return out

    measured = bootstrap.measure(everything, len(answers), draws=draws)
    doubt = Scores(answers.labels, answers.probabilities.astype(np.float32)).entropy.astype(np.float64)
    return Evaluation(
        scored=scored,
        answered=answered,
        protocol=protocol,
        figures={name: found for name, found in measured.items() if name not in PER_CLASS},
        per_class={name: measured[name] for name in PER_CLASS},
        people=_people(targets, scored.rows, draws),
        reliability=calibration.reliability(answers),
        risk=selective.risk_coverage(doubt, answers.correct),
    )


def _people(targets: Targets, rows: NDArray[np.int64], draws: int) -> dict[str, Figure]:
    if targets.votes is None:
        return {}
    votes = targets.votes[rows]
    enough = votes[votes.sum(axis=1) >= 2]
    if not len(enough):
        return {}
    return bootstrap.measure(lambda w: distributions.human(enough, w), len(enough), draws=draws)


def _head_for(manifest: Manifest, label_set: str) -> str:
    """Choose the head that answers in a label set, or the primary head when a mapping leads there."""
    for head in manifest.heads:
        if head.label_set == label_set:
            return head.name
    if manifest.primary is None:
        raise DataError(f"the model '{manifest.name}' has no head to score")
    label_sets.mapping(manifest.head(manifest.primary).label_set, label_set)
    return manifest.primary


def _carry(own: Scores, label_set: str) -> tuple[Array, str | None]:
    if own.labels.name == label_set:
        return own.values.astype(np.float64), None
    mapped = label_sets.mapping(own.labels.name, label_set).scores(own.values)
    return mapped.astype(np.float64), f"{own.labels.name}->{label_set}"


def _plain(values: Array) -> list[float | None]:
    return [None if np.isnan(v) else round(float(v), 6) for v in values]
