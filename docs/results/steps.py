"""Writes the page of the steps towards the shipped models from the records beside this script.

``python docs/results/steps.py`` writes steps.md from steps.json (``benchmarks/steps.py``) and other-faces.json
(``benchmarks/other_faces.py``); ``--check`` only says whether it is fresh.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE / "steps.md"
PROTOCOLS = {"hard": "7 classes", "ferplus-majority": "FER+ majority"}


def main() -> int:
    """Write the page, or check it."""
    fresh = render()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == fresh else 1
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


def render() -> str:
    """Return the page as Markdown."""
    record = json.loads((HERE / "steps.json").read_text(encoding="utf-8"))
    courses = [row for row in record["steps"] if (row["views"], row["precision"]) == ("flip", "int8")]
    ways = [row for row in record["steps"] if row not in courses]
    rows = record["steps"][0]["protocols"]
    counts = ", ".join(f"{PROTOCOLS[name]} {found['n']:,} rows" for name, found in rows.items())
    parts = [
        "# What each step gave",
        "",
        "The expression model grew in courses, each a recipe in `recipes/`. Measured by `benchmarks/steps.py` on "
        f"{record['dataset']}, split `{record['split']}` ({counts}), on which the models were also chosen. In percent, "
        "with 95 % bootstrap intervals; changes are in points, over the same rows in pairs. One seed each: what a step "
        "is worth over seeds, in a short run, stands on [the page of short runs](flagship.md).",
        "",
        "## Courses: 8-bit graph, one pass + flip",
        "",
        _table(courses, "against the row before"),
        "## The last course, asked in other ways",
        "",
        _table(ways, "against one pass + flip, 8 bits"),
        _others(),
    ]
    return "\n".join(parts)


def _table(rows: list[dict[str, Any]], against: str) -> str:
    head = ["step"]
    for name in PROTOCOLS.values():
        head += [f"{name}: accuracy", against, "balanced", "ECE"]
    lines = [head, ["---"] + ["--:"] * (len(head) - 1)]
    for row in rows:
        line = [row["name"]]
        for protocol in PROTOCOLS:
            found = row["protocols"][protocol]
            change = found.get("against")
            line += [
                _percent(found["accuracy"]),
                _change(change["difference"]) if change else "",
                f"{100 * found['balanced_accuracy']['value']:.1f}",
                f"{found['ece']['value']:.3f}",
            ]
        lines.append(line)
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _others() -> str:
    record = json.loads((HERE / "other-faces.json").read_text(encoding="utf-8"))
    lines = [["model", "correlation", "against the first"], ["---", "--:", "--:"]]
    for name, found in record["models"].items():
        change = found.get("against the first")
        said = f"{change['value']:+.3f} ({change['low']:+.3f} to {change['high']:+.3f})" if change else ""
        pcc = found["pcc"]
        lines.append([Path(name).name, f"{pcc['value']:.3f} ({pcc['low']:.3f} to {pcc['high']:.3f})", said])
    table = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    return (
        "## Faces that are not FER-2013's\n\n"
        "No labels of them were seen in training: the largest face of every OASIS photo that shows people "
        f"({record['faces']} faces, found by the package's detector). The scores become an expected valence and are "
        "correlated with the valence that a hundred people gave the photo. A photo says more than its face, so what "
        "counts is the difference between models (`benchmarks/other_faces.py`).\n\n" + table
    )


def _percent(figure: dict[str, float]) -> str:
    return f"{100 * figure['value']:.1f} ({100 * figure['low']:.1f}-{100 * figure['high']:.1f})"


def _change(figure: dict[str, float]) -> str:
    return f"{100 * figure['value']:+.1f} ({100 * figure['low']:+.1f} to {100 * figure['high']:+.1f})"


if __name__ == "__main__":
    sys.exit(main())
