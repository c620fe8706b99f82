"""Measures what each step towards the shipped expression model gave, on the same rows in pairs.

``python benchmarks/steps.py out/fer2013 "second course=runs/expression-model" "third course=..." ...`` evaluates
exported model folders in the order of the steps on the split `val`: the 8-bit graph with the mirror image under both
protocols, and for the last step also one pass, ten crops and the 32-bit graph. It writes docs/results/steps.json, from
which ``python docs/results/steps.py`` makes the page. Every difference is against the step before, resampled in pairs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mien.curation.table import open_table
from mien.evaluation import bootstrap, classification, scoring
from mien.evaluation.classification import Answers
from mien.evaluation.compare import compare
from mien.evaluation.scoring import Source
from mien.export import fitting
from mien.recognition.expression import ExpressionModel

OUT = Path(__file__).resolve().parents[1] / "docs" / "results" / "steps.json"
PROTOCOLS = ("hard", "ferplus-majority")
FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "ece")
LAST = (("one pass, 8 bits", "one", "int8"), ("ten crops, 8 bits", "ten", "int8"), ("+ flip, 32 bits", "flip", "fp32"))


def main() -> None:
    """Measure the steps and the ways to ask the last one, print and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("steps", nargs="+", help="NAME=FOLDER, in order")
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    given = parser.parse_args()
    source = fitting.source(open_table(given.table), "val")
    rows: list[dict[str, Any]] = []
    before: dict[str, Answers] = {}
    folder = ""
    for step in given.steps:
        name, _, folder = step.partition("=")
        before = _measure(name, folder, source, before, rows, "flip", "int8")
    for name, views, precision in LAST:
        _measure(name, folder, source, before, rows, views, precision)
    record = {"schema": 1, "dataset": source.dataset, "split": source.split, "digest": source.digest, "steps": rows}
    given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _measure(
    name: str,
    folder: str,
    source: Source,
    before: dict[str, Answers],
    rows: list[dict[str, Any]],
    views: str,
    precision: str,
) -> dict[str, Answers]:
    """Append a step's figures to the rows and return its answers a protocol."""
    model = ExpressionModel(folder, views=views, precision=precision)
    answered = scoring.answer(model, source)
    row: dict[str, Any] = {"name": name, "views": views, "precision": precision, "protocols": {}}
    answers = {}
    for protocol in PROTOCOLS:
        own = answers[protocol] = scoring.score(answered, protocol).answers
        measured = bootstrap.measure(lambda w, own=own: dict(classification.metrics(own, w)), len(own))
        found: dict[str, Any] = {"n": len(own)} | {key: measured[key].to_dict() for key in FIGURES}
        if protocol in before:
            against = compare(before[protocol], own)
            found["against"] = {"difference": against.difference.to_dict(), "p": against.p_value}
        row["protocols"][protocol] = found
        print(f"{name}, {protocol}: {measured['accuracy'].percent()}")
    rows.append(row)
    return answers


if __name__ == "__main__":
    main()
