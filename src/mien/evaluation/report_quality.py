"""What quality and abstention are worth, as a section of the report and as tables and pictures of the documentation."""

from __future__ import annotations

from typing import Any

from mien import charts, html

NAMES = {"entropy": "entropy alone", "rule": "rule without fitting", "quality": "fitted quality"}
SAYS = {
    "clean": "the pictures as they are",
    "mixed": "clean and spoilt pictures, as crops and as faces met in photos; a tenth is no face",
}
"""The populations on which it is measured."""
HEAD = ["pictures", "answers are dropped by", "wrong, all answered", "wrong, 70 % answered", "points gained"]


def section(record: dict[str, Any]) -> str:
    """Return the section of a report; `record` is that of `quality_study.Study`."""
    abstaining = [
        [
            name, _percent(p["abstaining"]["answered"]), _percent(p["abstaining"]["wrong_of_all"]),
            _percent(p["abstaining"]["wrong_of_answered"]), f"{p['ece']:.3f}",
        ]
        for name, p in record["populations"].items()
    ]  # fmt: skip
    return html.section(
        "Quality and abstention",
        html.paragraph(
            "The chance that an answer is right is computed from the answer, the picture and the detection; the most "
            "doubtful answers are dropped first. Fitted on one half of the pictures, measured on the other, both ways."
        ),
        html.side_by_side(*(html.captioned(curve(record, name), f"{name}: {says}") for name, says in SAYS.items())),
        html.table([*HEAD[:2], *(f"{name}#" for name in HEAD[2:])], rows(record)),
        "<h3>Abstaining by all limits</h3>",
        html.table(
            ["pictures", "answered#", "wrong of all#", "wrong of the answered#", "error of the chance#"], abstaining
        ),
        html.table(["limit", "value#"], [[name, f"{value:.4g}"] for name, value in record["gate"].items()]),
    )


def rows(record: dict[str, Any]) -> list[list[str]]:
    """Return the rows of a table under `HEAD`."""
    out = []
    for name, p in record["populations"].items():
        for key, order in p["orders"].items():
            gain, risk = order["gain_at_70"], order["risk_at"]
            low, high = 100 * gain["low"], 100 * gain["high"]
            out.append(
                [
                    name, NAMES[key], _percent(risk["1.00"]), _percent(risk["0.70"]),
                    f"{100 * gain['value']:.1f} ({low:.1f} to {high:.1f})",
                ]
            )  # fmt: skip
    return out


def curve(record: dict[str, Any], population: str) -> str:
    """Return the chart of risk against coverage on one population, a line an order."""
    orders = record["populations"][population]["orders"]
    top = max(max(order["curve"][1]) for order in orders.values())
    return charts.lines(
        [(NAMES[key], *order["curve"]) for key, order in orders.items()],
        x_name="share of answers kept", y_name="share wrong", y_range=(0.0, round(top + 0.05, 1)),
    )  # fmt: skip


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
