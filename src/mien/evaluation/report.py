"""The report of an evaluation: one HTML file with every figure and diagram, and the pictures to look at."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import charts, html
from mien.errors import DataError
from mien.evaluation import halves, report_quality
from mien.evaluation.bootstrap import Figure
from mien.evaluation.scoring import Evaluation
from mien.imaging import image as imaging

SHEET = 24
FEW = 10
"""Answers below which a bin of the reliability diagram is not drawn."""
_SAYS = {
    "accuracy": "share of right answers",
    "balanced_accuracy": "mean recall over classes",
    "macro_f1": "mean F1 over classes",
    "weighted_f1": "F1 weighted by class size",
    "top2": "truth among the two best",
    "kappa": "agreement beyond chance",
    "macro_auc": "mean one-against-rest ROC area",
    "nll": "negative log-likelihood, nats",
    "brier": "squared error of probabilities",
    "ece": "expected calibration error, 15 equal bins",
    "ace": "class-wise calibration error, equal counts",
    "coverage": "of the 90 % label sets",
    "set_size": "mean size of the 90 % label sets",
    "kl": "to the votes, nats",
    "js": "to the votes, nats",
    "earth_mover": "to the votes",
    "map": "mean over labels of the average precision",
    "f1_micro": "F1 over all labels of all rows",
    "f1_macro": "mean F1 over labels",
    "f1_macro_prevalence": "mean F1 of always saying a label, the baseline",
    "hamming": "share of wrong answers over all labels of all rows",
    "ccc": "concordance correlation (Lin 1989), mean over values",
    "pcc": "Pearson correlation, mean over values",
    "rmse": "root mean square error, mean over values",
    "mae": "mean absolute error, mean over values",
    "rmse_of_mean": "error of always saying the mean, the baseline",
}


def render(found: Evaluation, record: dict[str, Any], *, pictures: bool = True) -> str:
    """Return the page.

    Args:
        found: the evaluation.
        record: its `to_dict`, with what was measured besides (`leakage`, `quality`, `slices`, `robustness`,
            `comparison`).
        pictures: show the pictures that the model got wrong; leave them out of a page that is to be published.
    """
    parts = [_head(found, record), figures(found.figures), _classes(found, record), _trust(found), _people(found)]
    if "comparison" in record:
        parts.append(_comparison(record["comparison"]))
    if "quality" in record:
        parts.append(report_quality.section(record["quality"]))
    if "slices" in record:
        parts.append(_slices(record["slices"]))
    if "robustness" in record:
        parts.append(_robustness(record["robustness"]))
    if pictures:
        parts.append(_pictures(found))
    return html.page(f"Evaluation of {record['model']}", [part for part in parts if part], lead=lead(record))


def lead(record: dict[str, Any]) -> str:
    """Return the line under a report's title."""
    return (
        f"{record['dataset']}, split {record['split']}, protocol {record['protocol']}: {record['n']:,} rows; head "
        f"{record['head']}, {record['precision']} graph{', with flip' if record['flip'] else ''}"
    )


def _head(found: Evaluation, record: dict[str, Any]) -> str:
    keys = [("accuracy", True), ("balanced_accuracy", True), ("macro_f1", True), ("ece", False), ("coverage", True)]
    facts = []
    for name, percent in keys:
        figure = found.figures.get(name)
        if figure is not None:
            value = f"{100 * figure.value:.1f} %" if percent else f"{figure.value:.3f}"
            facts.append((name.replace("_", " "), value, interval(figure, percent)))
    return html.cards(facts) + notes(record)


def notes(record: dict[str, Any]) -> str:
    """Return what a reader has to know first: the protocol, leaking pictures, unreadable ones."""
    said = [html.paragraph(f"Protocol: {record['says']}.")]
    leaks = record.get("leakage", {})
    if leaks.get("rows"):
        without = leaks.get("accuracy_without", {}).get("value")
        kept = "" if without is None else f"; without them the accuracy is {100 * without:.1f} %"
        said.append(
            html.paragraph(
                f"{leaks['rows']} pictures ({leaks['share']:.1%}) also lie in {' and '.join(leaks['searched'])}{kept}."
            )
        )
    if record["failed"]:
        said.append(html.paragraph(f"{record['failed']} pictures could not be read."))
    return "".join(said)


def figures(found: dict[str, Figure]) -> str:
    """Return the section with every single figure and what it is."""
    rows = [[name.replace("_", " "), f"{f.value:.4f}", interval(f), _SAYS.get(name, "")] for name, f in found.items()]
    note = html.paragraph("Intervals are 95 % bootstrap percentiles over rows.")
    return html.section("Figures", note, html.table(["figure", "value#", "interval#", "what it is"], rows))


def _classes(found: Evaluation, record: dict[str, Any]) -> str:
    labels = list(found.answers.labels.labels)
    counts = np.array(record["confusion"], float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = [[f"{v:.0%}" if c else "" for v, c in zip(*row, strict=True)] for row in zip(share, counts, strict=True)]
    recall = found.per_class["recall"]
    order = [i for i in np.argsort([-f.value for f in recall]) if not np.isnan(recall[i].value)]
    said = ""
    if order:
        said = html.paragraph(f"Best recall: {labels[order[0]]}. Worst: {labels[order[-1]]}.")
    bars = charts.bars(labels, [f.value for f in recall], low=[f.low for f in recall], high=[f.high for f in recall])
    rows = [
        [label, str(int(counts[i].sum())), *(f"{found.per_class[n][i].value:.3f}" for n in found.per_class)]
        for i, label in enumerate(labels)
    ]
    head = ["label", "rows#", *(f"{name}#" for name in found.per_class)]
    matrix = charts.heatmap(share, labels, labels, texts)
    return html.section(
        "Classes",
        said,
        html.side_by_side(
            html.captioned(bars, "Recall of each class with its interval."),
            html.captioned(matrix, "Rows: true label. Columns: answer. Share of the row."),
        ),
        html.table(head, rows),
        "<h3>Counts</h3>",
        html.table(["", *(f"{label}#" for label in labels)], [
            [label, *(str(int(c)) for c in counts[i])] for i, label in enumerate(labels)
        ]),
    )  # fmt: skip


def _trust(found: Evaluation) -> str:
    r = found.reliability
    shown = r.count >= FEW
    diagram = charts.lines(
        [("model", list(r.confidence[shown]), list(r.accuracy[shown]))],
        x_name="confidence", y_name="accuracy", diagonal=True, dots=True,
    )  # fmt: skip
    step = max(len(found.risk.coverage) // 200, 1)
    top = max(0.1, math.ceil(found.risk.risk.max() * 20) / 20)
    risk = charts.lines(
        [("risk", list(found.risk.coverage[::step]), list(found.risk.risk[::step]))],
        x_name="share of answers kept", y_name="share wrong", y_range=(0.0, top),
    )  # fmt: skip
    parts = [
        html.side_by_side(
            html.captioned(
                diagram,
                "Reliability: on the dashed line, a confidence of 0.8 is right in 8 of 10. Bins of few answers are left"
                " out.",
            ),
            html.captioned(risk, "Risk and coverage: most certain answers (lowest entropy) first."),
        )
    ]
    parts += _across_halves(found)
    return html.section("Trust", *parts)


def _across_halves(found: Evaluation) -> list[str]:
    try:
        measured = halves.trust(found.answers, draws=200)
    except DataError as error:
        return [html.paragraph(f"Calibration across halves was not measured: {error}.")]
    rows = [
        [name, *(f"{f[key].value:.4f}" for key in ("ece", "nll", "accuracy", "coverage", "set_size"))]
        for name, f in measured.items()
    ]
    said = (
        "Fitted on one random half of these rows and measured on the other, both ways: calibration by temperature and "
        "by vector scaling, and conformal sets that promise 90 %."
    )
    head = ["scaling", "ECE#", "NLL#", "accuracy#", "coverage#", "set size#"]
    return [html.paragraph(said), html.table(head, rows)]


def _people(found: Evaluation) -> str:
    if not found.people:
        return ""
    rows = []
    for name, figure in found.people.items():
        own = found.figures.get(name)
        mine = "" if own is None else f"{own.value:.3f} ({own.low:.3f}-{own.high:.3f})"
        rows.append([name.replace("_", " "), mine, f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"])
    return html.section(
        "Model and people",
        html.paragraph(
            "Beside the model stands one tagger against the other taggers of the same picture. The tagger is held "
            "against the others' most frequent label, the model against the protocol's."
        ),
        html.table(["figure", "model#", "one tagger against the others#"], rows),
    )


def _comparison(c: dict[str, Any]) -> str:
    d = c["difference"]
    text = (
        f"{c['other']} differs by {100 * d['value']:+.2f} points of accuracy ({100 * d['low']:+.2f} to "
        f"{100 * d['high']:+.2f}) on the same {c['n']:,} rows; {c['only_first']} rows only this model gets right, "
        f"{c['only_second']} only the other; McNemar's exact p = {c['p_value']:.3g}."
    )
    return html.section("Comparison", html.paragraph(text))


def _slices(slices: list[dict[str, Any]]) -> str:
    rows = []
    for s in slices:
        for g in s["groups"]:
            a = g["accuracy"]
            worst = "worst" if g["name"] == s["worst"] else ""
            rows.append([s["name"], g["name"], str(g["n"]), _percent(a), worst])
    gaps = [[s["name"], _percent(s["gap"])] for s in slices]
    return html.section(
        "Slices",
        html.table(["attribute", "group", "rows#", "accuracy#", ""], rows),
        "<h3>Gap between best and worst group</h3>",
        html.table(["attribute", "gap#"], gaps),
    )


def _robustness(r: dict[str, Any]) -> str:
    rows = [[name, *(f"{100 * f['value']:.1f}" for f in figures)] for name, figures in r["corruptions"].items()]
    series = [
        (name, [0.0, 1, 2, 3, 4, 5], [r["clean"]["value"], *(f["value"] for f in figures)])
        for name, figures in r["corruptions"].items()
    ]
    half = len(series) // 2
    pictures = [
        charts.lines(part, x_name="severity", y_name="accuracy", x_range=(0, 5))
        for part in (series[:half], series[half:])
    ]
    return html.section(
        "Robustness",
        html.paragraph(
            f"Accuracy in percent on {r['n']} rows after corruption; clean {100 * r['clean']['value']:.1f}, mean over "
            f"all corruptions {100 * r['mean']:.1f}."
        ),
        html.side_by_side(*pictures),
        html.table(["corruption", *(f"severity {s}#" for s in range(1, 6))], rows),
    )


def _pictures(found: Evaluation) -> str:
    a = found.answers
    picked = a.probabilities[np.arange(len(a)), a.target]
    wrong = np.flatnonzero(~a.correct)
    mistakes = wrong[np.argsort(-a.confidence[wrong], kind="stable")][:SHEET]
    hardest = np.argsort(picked, kind="stable")[:SHEET]
    return html.section(
        "Pictures to look at",
        "<h3>Most confident mistakes</h3>",
        html.sheet(_tiles(found, mistakes)),
        "<h3>Hardest pictures (lowest probability of the true label)</h3>",
        html.sheet(_tiles(found, hardest)),
    )


def _tiles(found: Evaluation, rows: NDArray[np.int64]) -> list[tuple[bytes, str]]:
    a, labels = found.answers, found.answers.labels.labels
    names = found.source.columns["image"]
    return [
        (
            imaging.encode(found.scored.pixels[i], "png"),
            f"{labels[a.predicted[i]]} {a.confidence[i]:.0%}, is {labels[a.target[i]]} "
            f"({names[found.scored.rows[i]].rsplit('/', 1)[-1]})",
        )
        for i in rows
    ]


def interval(figure: Figure, percent: bool = False) -> str:
    """Write an interval; nothing where there is none."""
    if np.isnan(figure.low):
        return ""
    if percent:
        return f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %"
    return f"{figure.low:.4f} to {figure.high:.4f}"


def _percent(figure: dict[str, float]) -> str:
    return f"{100 * figure['value']:.1f} ({100 * figure['low']:.1f}-{100 * figure['high']:.1f}) %"
