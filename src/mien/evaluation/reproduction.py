"""Measures again what a model folder says of itself, and says how far off each figure is.

A figure of the manifest names its data, split, protocol and graph, which is all that measuring it again needs. Weights
are the same, so what differs is the data, the program or the processor.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mien.datasets.faces import read_photos
from mien.datasets.faces import split as held_out
from mien.detection.mien import FaceModel
from mien.errors import DataError
from mien.evaluation import detection, outputs, protocols, scoring
from mien.evaluation.scoring import Answered, Source
from mien.manifest import Manifest, Metric
from mien.recognition.expression import ExpressionModel
from mien.recognition.views import VIEWS

#: Score from which a detector gives boxes while it is measured.
LEAST_SCORE = 0.02


@dataclass(frozen=True)
class Again:
    """One figure of a manifest, and what measuring it again gave."""

    metric: Metric
    value: float
    n: int

    @property
    def off(self) -> float:
        """How far the new value is from the old one; endless where it was measured on another number of rows."""
        return abs(self.value - self.metric.value) if self.n == self.metric.n else float("inf")


def of_answers(
    folder: Path, manifest: Manifest, source: Source, say: Callable[[str], None] = lambda line: None
) -> list[Again]:
    """Measure the figures of a model that answers with labels or values: all that a plain pass over a split gives.

    What was measured otherwise, such as a temperature fitted on one half and measured on the other, is left out.

    Args:
        folder: of the model.
        manifest: of the model.
        source: rows of the split.
        say: called with a line a pass over the rows.

    Raises:
        DataError: the manifest has no figure of this split, or the rows do not fit it.
    """
    known = {*protocols.PROTOCOLS, *protocols.OUTPUTS}
    wanted = [
        metric
        for metric in manifest.metrics
        if metric.split == source.split and _judged(metric)[0] in known and _pass(metric)[1] in VIEWS
    ]
    found: list[Again] = []
    for (precision, views), group in groupby(sorted(wanted, key=lambda m: (_pass(m), _judged(m))), key=_pass):
        say(f"{len(source.columns['image']):,} rows of {source.split}, {precision}, views: {views}")
        answered = scoring.answer(ExpressionModel(folder, precision=precision, views=views), source)
        for (protocol, head), metrics in groupby(group, key=_judged):
            values, n = _figures(answered, protocol, head)
            found += [Again(metric, values[metric.name], n) for metric in metrics if metric.name in values]
    return _none_if_empty(found, manifest, source.split)


def of_detector(
    folder: Path, manifest: Manifest, photos: Path, say: Callable[[str], None] = lambda line: None
) -> list[Again]:
    """Measure the figures of a face detector on the held-out tenth of annotated photos; see `of_answers`."""
    held = held_out(list(read_photos(photos)))[1]
    if manifest.detector is None or not held:
        raise DataError(f"'{photos}' has no held-out photos for '{manifest.name}'")
    found: list[Again] = []
    for (precision, protocol), group in groupby(
        sorted(manifest.metrics, key=lambda m: (m.precision, m.protocol)), key=lambda m: (m.precision, m.protocol)
    ):
        side = re.match(r"longest side (\d+),", protocol)
        if side is None:
            continue
        say(f"{len(held):,} photos, {precision}, {protocol}")
        model = FaceModel(folder, score=LEAST_SCORE, precision=precision)
        threshold = manifest.detector.score
        report = detection.evaluate_detector(model, held, int(side[1]), threshold=threshold, draws=0)
        made = {metric.name: metric for metric in report.metrics(precision)}
        found += [Again(m, made[m.name].value, made[m.name].n) for m in group if m.name in made]
    return _none_if_empty(found, manifest, "val")


def _pass(metric: Metric) -> tuple[str, str]:
    """Name the pass over the rows that a figure comes from: the graph, and the views that are averaged."""
    return metric.precision, metric.protocol.partition(", ")[2] or "one"


def _judged(metric: Metric) -> tuple[str, str]:
    return metric.protocol.partition(", ")[0], metric.head or ""


def _figures(answered: Answered, protocol: str, head: str) -> tuple[dict[str, float], int]:
    if protocol in protocols.OUTPUTS:
        measured = outputs.evaluate(answered, protocol, head, draws=0)
        return {name: figure.value for name, figure in measured.figures.items()}, len(measured.outputs)
    scored = scoring.figures(answered, protocol, head=head or None, draws=0)
    return {name: figure.value for name, figure in scored.figures.items()}, len(scored.answers)


def _none_if_empty(found: list[Again], manifest: Manifest, split: str) -> list[Again]:
    if not found:
        raise DataError(f"'{manifest.name}' has no figure of the split '{split}' that can be measured again")
    return found
