"""What is fitted and measured on the rows of `val` when a model folder is made, whatever its graph was made of.

Temperatures and conformal sets for heads of one label, thresholds for heads of several, the doubt above which the
primary head abstains, and the figures that the manifest records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mien import manifest
from mien.curation.table import Table
from mien.errors import DataError
from mien.evaluation import (
    calibration,
    conformal,
    continuous,
    halves,
    multilabel,
    outputs,
    protocols,
    scoring,
    selective,
)
from mien.evaluation.bootstrap import Array, mean_of_defined
from mien.evaluation.protocols import Columns
from mien.evaluation.scoring import Answered, Evaluation, Source
from mien.export import card, licence
from mien.manifest import Data, Diagram, Gate, Head, Manifest, Metric
from mien.recognition.expression import ExpressionModel
from mien.results import Scores

LARGEST_LOSS = 0.003
"""What the 8-bit graph may lose in any head (of accuracy, mean average precision or concordance) as the default."""
Precision = Literal["fp32", "int8"]
Protocols = Mapping[str, str]


@dataclass(frozen=True)
class Limits:
    """Limits for abstention that crops say nothing about, and that are therefore given, not fitted.

    Attributes:
        min_face: shorter box side in pixels of the picture.
        min_sharpness: see `recognition.quality`.
        max_turn: see `recognition.quality`.
    """

    min_face: float = 20.0
    min_sharpness: float = 0.04
    max_turn: float = 0.85


def source(table: Table, split: str) -> Source:
    """Take one split of a table to be scored.

    Raises:
        DataError: it has no rows.
    """
    columns = table.read(split=split).to_pydict(maps_as_pydicts="strict")
    if not columns["image"]:
        raise DataError(f"'{table.path}' has no rows in split '{split}'; mien data split makes one")
    return Source(columns, table.root, table.origin.title or table.path.parent.name, table.digest(), split)


def data(found: Source, use: Literal["train", "val"]) -> Data:
    """Describe rows for the manifest."""
    licences = sorted({text for text in found.columns["licence"] if text})
    return Data(
        name=found.dataset, use=use, digest=found.digest, licence="; ".join(licences), n=len(found.columns["image"])
    )


def primary(heads: Sequence[Head]) -> str:
    """Name the head that a face's label comes from: the first of one label, else the first."""
    return next((head.name for head in heads if head.kind == "single"), heads[0].name)


def judged_by(heads: Sequence[Head], columns: Columns) -> dict[str, str]:
    """Return each head's protocol for a table; a head that the table says nothing about is left out.

    Raises:
        DataError: no head can be judged.
    """
    found = {head.name: protocol for head in heads if (protocol := _protocol(head, columns)) is not None}
    if not found:
        wanted = ", ".join(head.label_set for head in heads)
        raise DataError(f"the table has no labels, votes or values of any head ({wanted})")
    return found


def _protocol(head: Head, columns: Columns) -> str | None:
    if head.kind == "value" and head.label_set == "affect2":
        return "affect" if any(value is not None for value in columns["valence"]) else None
    voted = set(columns["votes_set"]) | {name for row in columns["other_votes"] for name in row or ()}
    if head.kind != "single":
        return ("present" if head.kind == "multi" else "strength") if head.label_set in voted else None
    if head.label_set == "ferplus8" and "ferplus8" in set(columns["votes_set"]):
        return "ferplus-majority"
    if head.label_set in set(columns["label_set"]):
        return "hard"
    return "votes" if head.label_set in set(columns["votes_set"]) else None


def temperatures(answered: Answered, judged: Protocols) -> dict[str, float]:
    """Fit the temperature of every head of one label that can be judged."""
    return {
        head: calibration.temperature(scoring.score(answered, protocol, head).answers)
        for head, protocol in judged.items()
        if protocol in protocols.PROTOCOLS
    }


def worth(answered: Answered, head: str, protocol: str) -> float:
    """Return a head's main figure: accuracy, mean average precision, or mean concordance."""
    if protocol in protocols.PROTOCOLS:
        return float(scoring.score(answered, protocol, head).answers.correct.mean())
    truth, values = _rows(answered, head, protocol)
    once = np.ones((1, len(truth)))
    if protocols.OUTPUTS[protocol].kind == "multi":
        half = np.full(truth.shape[1], 0.5)
        return float(np.nan_to_num(multilabel.metrics(truth > 0.5, values, half, once)["map"][0]))
    columns = [continuous.metrics(t, p, once)["ccc"] for t, p in zip(truth.T, values.T, strict=True)]
    return float(np.nan_to_num(mean_of_defined(np.stack(columns, axis=1))[0]))


def promise(made: Manifest, answered: Answered, judged: Protocols, limits: Limits) -> Manifest:
    """Return the manifest with what is fitted on the answers of the graph that users get by default."""
    heads = tuple(_promised(head, answered, judged.get(head.name)) for head in made.heads)
    doubt_limit = None
    main = made.primary or heads[0].name
    if judged.get(main) in protocols.PROTOCOLS:
        answers = scoring.score(answered, judged[main], main).answers
        doubt = Scores(answers.labels, answers.probabilities.astype(np.float32)).entropy.astype(np.float64)
        doubt_limit = round(selective.limit(doubt, answers.correct), 4)
    gate = Gate(
        min_face=limits.min_face,
        min_sharpness=limits.min_sharpness,
        max_turn=limits.max_turn,
        max_entropy=doubt_limit,
    )
    return made.model_copy(update={"heads": heads, "gate": gate})


def _promised(head: Head, answered: Answered, protocol: str | None) -> Head:
    if protocol is None:
        return head
    if head.kind == "single":
        found = scoring.score(answered, protocol, head.name).answers
        limit = conformal.threshold(found.probabilities.astype(np.float32), found.target)
        return head.model_copy(update={"conformal_90": limit})
    if head.kind == "multi":
        truth, values = _rows(answered, head.name, protocol)
        tuned = multilabel.tune(truth > 0.5, values)
        return head.model_copy(update={"thresholds": dict(zip(head.labels, tuned.tolist(), strict=True))})
    return head


def _rows(answered: Answered, head: str, protocol: str) -> tuple[Array, Array]:
    """Return what is true and what a head said of the rows that count, each ``(n, k)``."""
    labels = answered.model.manifest.head(head).set()
    truth = protocols.OUTPUTS[protocol].truth(answered.source.columns, labels)[answered.found.rows]
    counts = ~np.isnan(truth).any(axis=1)
    return truth[counts], answered.heads[head].values[counts].astype(np.float64)


def settle(
    made: Manifest,
    out: Path,
    first: Answered,
    judged: Protocols,
    limits: Limits,
    say: Callable[[str], None],
) -> Manifest:
    """Choose the default graph, fit what it promises, measure it, and complete the folder.

    Args:
        made: manifest of the folder, with its graphs.
        out: the folder.
        first: answers to the rows of `val` that the graphs are held against.
        judged: protocol a head.
        limits: for abstention.
        say: called with a line a step.
    """
    own = {head: worth(first, head, protocol) for head, protocol in judged.items()}
    answers: dict[str, Answered] = {}
    lost: dict[str, dict[str, float]] = {}
    for precision in sorted(made.graphs):
        found = scoring.answer(ExpressionModel(out, precision=precision), first.source, found=first.found)
        answers[precision] = found
        lost[precision] = {head: own[head] - worth(found, head, protocol) for head, protocol in judged.items()}
        told = ", ".join(f"{head} {100 * x:.2f} points" for head, x in lost[precision].items())
        say(f"{precision} graph loses {told}")
    small = "int8" in lost and max(lost["int8"].values()) <= LARGEST_LOSS
    default: Precision = "int8" if small else "fp32"
    say(f"default {default}")
    made = save(promise(made, answers[default], judged, limits), out, default=default)
    metrics, diagrams = measure(out, first, judged, made)
    made = save(made, out, metrics=metrics, reliability=diagrams)
    licence.write(out)
    card.write(made, out)
    return made


def measure(
    out: Path, first: Answered, judged: Protocols, made: Manifest
) -> tuple[tuple[Metric, ...], tuple[Diagram, ...]]:
    """Measure every graph with one pass, the default one also with flip, and trust across halves."""
    found: list[Metric] = []
    diagrams: list[Diagram] = []
    settings = [(precision, False) for precision in sorted(made.graphs)] + [(made.default, True)]
    for precision, flip in settings:
        model = ExpressionModel(out, precision=precision, flip=flip)
        answered = scoring.answer(model, first.source, found=first.found)
        for head, protocol in judged.items():
            if protocol in protocols.OUTPUTS:
                found += outputs.evaluate(answered, protocol, head).metrics()
                continue
            evaluated = scoring.figures(answered, protocol, head=head)
            found += evaluated.metrics()
            if precision == made.default and not flip:
                found += across_halves(evaluated)
                diagrams.append(_diagram(evaluated))
    return tuple(found), tuple(diagrams)


def save(made: Manifest, out: Path, **changes: object) -> Manifest:
    """Change a manifest, check it as a whole and write it."""
    checked = Manifest.model_validate(made.model_copy(update=changes).model_dump())
    manifest.write(checked, out)
    return checked


def across_halves(evaluated: Evaluation) -> list[Metric]:
    """Measure calibration and prediction sets on rows that they were not fitted on."""
    if len(evaluated.answers) < halves.LEAST:
        return []
    figures = halves.trust(evaluated.answers)["temperature"]
    first = evaluated.metrics(("accuracy",))[0]
    protocol = f"{evaluated.protocol}, fitted on one half, measured on the other, both ways"
    return [
        first.model_copy(update={"name": name, "protocol": protocol, **vars(figures[name])})
        for name in ("ece", "coverage", "set_size")
    ]


def _diagram(evaluated: Evaluation) -> Diagram:
    bins = evaluated.to_dict()["reliability"]
    about = {name: getattr(evaluated.source, name) for name in ("dataset", "split")}
    return Diagram(head=evaluated.scored.head, protocol=evaluated.protocol, **about, **bins)
