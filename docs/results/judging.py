"""Writes the tables of docs/how-to/evaluate.md and quality.svg from judging.json and quality.json beside this script.

``python docs/results/judging.py`` rewrites the block between the markers; ``--check`` only says whether it is fresh.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mien import html
from mien.evaluation import report_quality

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "how-to" / "evaluate.md"
BEGIN, END = "<!-- judging:begin -->", "<!-- judging:end -->"
BARS = {"grad_cam": 0.3, "rise": 8.0}
SECONDS, ECE = 15.0, 0.03


def main() -> int:
    """Rewrite the block and the picture, or check them."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    judging, quality = (
        json.loads((HERE / f"{name}.json").read_text(encoding="utf-8")) for name in ("judging", "quality")
    )
    made = {
        PAGE: f"{before}{BEGIN}\n{render(judging, quality)}{END}{after}",
        HERE / "quality.svg": html.picture(report_quality.curve(quality["quality"], "mixed")),
    }
    if "--check" in sys.argv[1:]:
        return 0 if all(path.read_text(encoding="utf-8") == fresh for path, fresh in made.items()) else 1
    for path, fresh in made.items():
        path.write_text(fresh, encoding="utf-8")
    return 0


def render(judging: dict[str, Any], quality: dict[str, Any]) -> str:
    """Return the tables as Markdown, ending in a line break."""
    machine = judging["machine"]
    parts = [
        f"Measured with `{judging['model']}` on {machine['processor']}, {machine['cores']} cores.\n",
        _table(["what", "measured", "bar"], _bars(judging)),
        _table(report_quality.HEAD, report_quality.rows(quality["quality"])),
        _table(["limit", "fitted"], [[f"`{k}`", f"{v:.4g}"] for k, v in quality["quality"]["gate"].items()]),
    ]
    if "wild" in judging:
        rows = [
            [g["name"], str(g["n"]), f"{g['quality']:.2f}", f"{100 * g['abstained']:.0f} %"]
            for g in judging["wild"]["groups"]
            if g["n"]
        ]
        parts.append(_table(["faces of held-out photos", "n", "median quality", "abstained"], rows))
    return "\n".join(parts)


def _bars(judging: dict[str, Any]) -> list[list[str]]:
    e = judging["evaluate"]
    rows = [[f"`mien evaluate` on {e['rows']:,} crops", f"{e['seconds']:.1f} s", f"{SECONDS:.0f} s"]]
    for row in judging["explain"]:
        bar = BARS.get(row["method"])
        rows.append([f"a map by `{row['method']}`", f"{row['seconds']:.2f} s", "" if bar is None else f"{bar:g} s"])
    for protocol, methods in judging["halves"].items():
        f = methods["temperature"]
        rows.append([f"ECE across halves, `{protocol}`", f"{f['ece']['value']:.4f}", f"{ECE}"])
        covered = f"{100 * f['coverage']['value']:.1f} %, {f['set_size']['value']:.2f} labels"
        rows.append([f"coverage of 90 % sets across halves, `{protocol}`", covered, "90 ± 2 %"])
    return rows


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
