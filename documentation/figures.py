"""Writes the benchmark pages from the JSON files in docs/results, so that no figure is copied by hand."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np

from mien import charts

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
#: A list with more entries than this is drawn instead of written.
LONG = 24


def pages() -> dict[str, str]:
    """Return the pages by their path below docs/generated."""
    paths = sorted(RESULTS.glob("*.json"))
    # Some records have a page of their own beside them, which follows from them too.
    own = [path.stem for path in paths if path.with_suffix(".md").exists()]
    records = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths if path.stem not in own}
    made = {f"results/{name}.md": page(name, record) for name, record in records.items()}
    links = "".join(f"- [{name}]({name}.md)\n" for name in records)
    links += "".join(f"- [{name}](../../results/{name}.md)\n" for name in own)
    made["results/index.md"] = (
        "# Figures\n\nWritten by `mien evaluate`, `mien bench` and the scripts in `benchmarks/`, and taken from their "
        "JSON files when this page was made. Intervals are 95 % bootstrap intervals.\n\n"
        f"{readme_tables()}\n## Each measurement in full\n\n{links}"
    )
    return made


def readme_tables() -> str:
    """Return the tables that the README shows."""
    spec = importlib.util.spec_from_file_location("results_table", RESULTS / "table.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.render())


def page(name: str, record: dict[str, Any]) -> str:
    """Return the page of one measurement: drawn where its kind is known, in tables for what is left."""
    drawn, rest = (judged(record), {}) if "confusion" in record else ("", record)
    facts = {key: record[key] for key in ("model", "dataset", "split", "protocol", "says", "n") if record.get(key)}
    head = tabled(facts) if drawn else ""
    return f"# {name}\n\n{head}{drawn}{''.join(part(key, value) for key, value in rest.items())}\n" + _scalars(rest)


def judged(record: dict[str, Any]) -> str:
    """Return the figures and plots of an expression model on a table."""
    labels, metrics = record["labels"], record["metrics"]
    names = [name for name in ("accuracy", "balanced_accuracy", "macro_f1", "ece", "coverage") if name in metrics]
    found = [metrics[name] for name in names]
    recall = [record["per_class"][label]["recall"] for label in labels]
    confusion = np.array(record["confusion"], float)
    share = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    texts = [[f"{100 * value:.0f}" for value in row] for row in share]
    out = [
        _figure(_bars(names, found), "Figures with their intervals."),
        _figure(_bars(labels, recall), "Share of each label's faces that are read as it (recall)."),
        _figure(charts.heatmap(share, labels, labels, texts), "Confusion: a row is what people said, in percent."),
    ]
    sure = [
        (c, a) for c, a in zip(record["reliability"]["confidence"], record["reliability"]["accuracy"], strict=True) if c
    ]
    out.append(
        _figure(
            charts.lines(
                [("measured", [c for c, _ in sure], [a for _, a in sure])],
                x_name="confidence", y_name="share right", diagonal=True, dots=True,
            ),
            "Reliability: on the diagonal a confidence of 0.8 is right eight times in ten.",
        )
    )  # fmt: skip
    risk = record["risk_coverage"]["risk_at"]
    kept, wrong = [float(key) for key in risk], list(risk.values())
    curve = charts.lines(
        [("risk", kept, wrong)], x_name="share answered", y_name="share wrong", y_range=(0, max(wrong) or 1)
    )
    out.append(_figure(curve, "Risk against coverage: what is wrong when only the surest answers are given."))
    for group in record.get("slices", []):
        inside = [g for g in group["groups"] if g.get("accuracy")]
        chart = _bars([g["name"] for g in inside], [g["accuracy"] for g in inside])
        out.append(_figure(chart, f"Accuracy by {group['name']}."))
    if "robustness" in record:
        found_at = record["robustness"]["corruptions"].items()
        curves = [(name, range(1, len(at) + 1), [step["value"] for step in at]) for name, at in found_at]
        for i in range(0, len(curves), 5):
            chart = charts.lines(curves[i : i + 5], x_name="severity", y_name="accuracy", x_range=(0, 5))
            out.append(_figure(chart, "Accuracy on pictures that were corrupted more and more."))
    return "".join(out)


def part(key: str, value: Any) -> str:
    """Return one nested entry of a record as a table or a chart; plain values are left to the last table."""
    title = f"## {key.replace('_', ' ')}\n\n"
    if isinstance(value, dict):
        nested = {name: v for name, v in value.items() if isinstance(v, dict)}
        if nested and len(nested) == len(value):
            return title + rows([{"": name, **_flat(v)} for name, v in nested.items()])
        return title + tabled(_flat(value))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return title + (curves(value) if len(value) > LONG else rows([_flat(v) for v in value]))
    return ""


def curves(points: list[dict[str, Any]]) -> str:
    """Draw a long list of points: the first column is the axis, each other column a line of its own."""
    axis, *others = [key for key, value in points[0].items() if isinstance(value, int | float)]
    x = [p[axis] for p in points]
    out = []
    for name in others:
        y = [p[name] for p in points]
        chart = charts.lines(
            [(name, x, y)], x_name=axis, y_name=name, x_range=(min(x), max(x)), y_range=(0, max(y) * 1.1 or 1)
        )
        out.append(_figure(chart, f"{name.replace('_', ' ')} over {axis}"))
    return "".join(out)


def rows(records: list[dict[str, Any]]) -> str:
    """Return records with about the same keys as one Markdown table."""
    keys = list(dict.fromkeys(key for record in records for key in record))
    lines = [keys, ["---"] * len(keys), *([_text(record.get(key, "")) for key in keys] for record in records)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines) + "\n"


def tabled(facts: dict[str, Any]) -> str:
    """Return facts as a Markdown table of two columns."""
    return rows([{"what": name.replace("_", " "), "value": value} for name, value in facts.items()])


def _scalars(record: dict[str, Any]) -> str:
    plain = {key: value for key, value in record.items() if not isinstance(value, dict | list)}
    return f"## Other\n\n{tabled(plain)}" if plain else ""


def _flat(record: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{above}{key} ")
        else:
            found[above + key] = value
    return found


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(map(_text, value[:8])) + (" ..." if len(value) > 8 else "")
    return str(value).replace("|", "\\|").replace("\n", " ")


def _bars(names: list[str], found: list[dict[str, float]]) -> str:
    values, low, high = ([figure[key] for figure in found] for key in ("value", "low", "high"))
    return charts.bars(names, values, low=low, high=high)


def _figure(chart: str, caption: str) -> str:
    return f'<figure class="chart" markdown="0">{chart}<figcaption>{caption}</figcaption></figure>\n\n'
