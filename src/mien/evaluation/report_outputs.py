"""The report of heads whose outputs stand by themselves: labels that hold independently, and values on scales."""

from __future__ import annotations

from typing import Any

import numpy as np

from mien import charts, html
from mien.evaluation.outputs import PER_OUTPUT, OutputEvaluation
from mien.evaluation.report import SHEET, figures, interval, lead, notes
from mien.imaging import image as imaging

_SHOWN = {"multi": ("map", "macro_auc", "f1_macro", "hamming"), "value": ("ccc", "pcc", "rmse")}
_BAR = {
    "multi": ("ap", "Average precision of each label with its interval; the prevalence is what guessing reaches."),
    "value": ("ccc", "Concordance of each value with its interval."),
}
_DOTS = 600


def render(found: OutputEvaluation, record: dict[str, Any], *, pictures: bool = True) -> str:
    """Return the page; arguments as in `report.render`."""
    facts = [
        (name.replace("_", " "), f"{found.figures[name].value:.3f}", interval(found.figures[name]))
        for name in _SHOWN[found.head.kind]
    ]
    parts = [html.cards(facts) + notes(record), figures(found.figures), _each(found, record)]
    if found.head.kind == "value":
        parts.append(_scatter(found))
    if "comparison" in record:
        parts.append(_comparison(record["comparison"]))
    if pictures:
        parts.append(_pictures(found))
    return html.page(f"Evaluation of {record['model']}", parts, lead=lead(record))


def _each(found: OutputEvaluation, record: dict[str, Any]) -> str:
    labels = list(found.outputs.labels.labels)
    key, caption = _BAR[found.head.kind]
    own = found.per_output[key]
    order = [i for i in np.argsort([-f.value for f in own], kind="stable") if not np.isnan(own[i].value)]
    parts = []
    if len(order) > 1:
        parts.append(html.paragraph(f"Best: {labels[order[0]]}. Worst: {labels[order[-1]]}."))
    bars = charts.bars(labels, [f.value for f in own], low=[f.low for f in own], high=[f.high for f in own])
    parts.append(html.captioned(bars, caption))
    names = PER_OUTPUT[found.head.kind]
    head = ["output", *(f"{name.replace('_', ' ')}#" for name in names)]
    rows = [[label, *(f"{found.per_output[name][i].value:.3f}" for name in names)] for i, label in enumerate(labels)]
    if found.outputs.thresholds is not None:
        head.append("threshold#")
        rows = [[*row, f"{record['thresholds'][row[0]]:.3f}"] for row in rows]
        where = "the model's own" if found.outputs.tuned == "model" else "tuned on each half of the rows for the other"
        parts.append(html.paragraph(f"Thresholds for F1 and Hamming loss: {where}."))
    return html.section("Outputs", *parts, html.table(head, rows))


def _scatter(found: OutputEvaluation) -> str:
    o = found.outputs
    at = np.random.default_rng(0).permutation(len(o))[:_DOTS]
    span = (float(min(o.truth.min(), o.values.min())), float(max(o.truth.max(), o.values.max())))
    drawn = [
        html.captioned(
            charts.lines(
                [(label, o.truth[at, i].tolist(), o.values[at, i].tolist())],
                x_name="true", y_name="said", x_range=span, y_range=span, diagonal=True, dots=True, joined=False,
            ),
            f"{label}: {len(at):,} rows; on the dashed line the answer is the truth.",
        )
        for i, label in enumerate(o.labels.labels)
    ]  # fmt: skip
    return html.section("Said and true", html.side_by_side(*drawn))


def _comparison(c: dict[str, Any]) -> str:
    rows = [
        [name.replace("_", " "), f"{d['value']:+.4f}", f"{d['low']:+.4f} to {d['high']:+.4f}"]
        for name, d in c["differences"].items()
        if d["low"] is not None
    ]
    return html.section(
        "Comparison",
        html.paragraph(f"How much higher each figure of {c['other']} is on the same rows, resampled in pairs."),
        html.table(["figure", "difference#", "interval#"], rows),
    )


def _pictures(found: OutputEvaluation) -> str:
    o, names = found.outputs, found.source.columns["image"]
    worst = np.argsort(-o.error, kind="stable")[:SHEET]
    tiles = [
        (imaging.encode(found.pixels[i], "png"), f"{_said(found, int(i))} ({names[found.rows[i]].rsplit('/', 1)[-1]})")
        for i in worst
    ]
    return html.section("Hardest pictures", html.sheet(tiles))


def _said(found: OutputEvaluation, row: int) -> str:
    o = found.outputs
    labels = o.labels.labels
    if o.thresholds is None:
        pairs = zip(labels, o.values[row], o.truth[row], strict=True)
        return ", ".join(f"{label} {said:.2f}, is {true:.2f}" for label, said, true in pairs)
    said = [label for label, v, t in zip(labels, o.values[row], o.thresholds[row], strict=True) if v >= t]
    true = [label for label, t in zip(labels, o.truth[row], strict=True) if t > 0.5]
    return f"{', '.join(said) or 'none'}; is {', '.join(true) or 'none'}"
