"""Writes the results in the README from the JSON files beside this script, so that no figure is copied by hand.

``python docs/results/table.py`` rewrites the block between the markers; ``--check`` only says whether it is fresh.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
README = HERE.parents[1] / "README.md"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def main() -> int:
    """Rewrite the block, or check it."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    fresh = f"{before}{BEGIN}\n{render()}{END}{after}"
    if "--check" in sys.argv[1:]:
        return 0 if fresh == text else 1
    README.write_text(fresh, encoding="utf-8")
    return 0


def render() -> str:
    """Return the tables as Markdown, ending in a line break."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("*.json"))]
    parts = [
        _expression([r for r in records if "protocol" in r and "quality" not in r]),
        _detection([r for r in records if "sizes" in r]),
        _pairs([r for r in records if "sizes" in r and "comparison" in r]),
        _speed([r for r in records if "stages" in r and "against" not in r]),
        _ratios([r for r in records if "stages" in r and "against" in r]),
    ]
    return "\n".join(part for part in parts if part)


def _expression(records: list[dict[str, Any]]) -> str:
    if not records:
        return ""
    head = [
        "model", "data", "protocol", "rows", "accuracy", "on pictures not in train", "balanced", "macro F1", "ECE",
        "90 % sets: coverage, size",
    ]  # fmt: skip
    rows = []
    for r in records:
        m = r["metrics"]
        coverage = f"{100 * m['coverage']['value']:.1f} %, {m['set_size']['value']:.2f}" if "coverage" in m else ""
        views = {"one": "", "ten": ", ten crops", "five": ", five crops"}.get(r["views"], f", {r['views']}")
        graph = r["precision"] + views
        rows.append(
            [
                f"{r['model']} ({graph})", f"{r['dataset']} {r['split']}", f"`{r['protocol']}`", f"{r['n']:,}",
                _percent(m["accuracy"]), _percent(r["leakage"].get("accuracy_without", m["accuracy"])),
                _percent(m["balanced_accuracy"]), _percent(m["macro_f1"]),
                f"{m['ece']['value']:.3f}", coverage,
            ]
        )  # fmt: skip
    return _table(head, rows)


def _detection(records: list[dict[str, Any]]) -> str:
    if not records:
        return ""
    head = [
        "detector",
        "photos",
        "side",
        "AP, faces from 16 px",
        "AP, faces from 32 px",
        "point error",
        "faceless photos clean",
    ]
    rows = []
    for r in sorted(records, key=lambda r: (r["side"], r["model"])):
        ap = {
            s["min_height"]: f"{s['ap']['value']:.3f} ({s['ap']['low']:.3f}-{s['ap']['high']:.3f})" for s in r["sizes"]
        }
        rows.append(
            [
                r["model"], str(r["photos"]), str(r["side"]), ap.get(16.0, ""), ap.get(32.0, ""),
                f"{100 * r['point_error']:.1f} %", f"{100 * r['clean']:.0f} % of {r['faceless']}",
            ]
        )  # fmt: skip
    return _table(head, rows)


def _pairs(records: list[dict[str, Any]]) -> str:
    """Write what one detector is better or worse by than another on the same photos, by their source."""
    if not records:
        return ""
    chosen = {r["side"]: [d for d in r["comparison"]["differences"] if d["min_height"] == 16.0] for r in records}
    rows = []
    for r in sorted(records, key=lambda r: r["side"]):
        name = f"AP of {r['comparison']['other']} minus AP of {r['model']}, faces from 16 px, side {r['side']}"
        rows.append([name, *(_signed(d["difference"]) for d in chosen[r["side"]])])
    parts = chosen[records[0]["side"]]
    head = [f"{d['source'] or 'all'} ({d['photos']} photos, {d['faces']} faces)" for d in parts]
    return _table(["in pairs", *head], rows)


def _speed(records: list[dict[str, Any]]) -> str:
    if not records:
        return ""
    rows = []
    for r in records:
        s = r["setting"]
        name = f"{s['width']}x{s['height']}, {s['faces']} faces, side {s['side']}, {s['workers']} workers"
        stages = {t["name"]: t for t in r["stages"]}
        alone, stream = stages["bytes to result"], stages["bytes to result, stream"]
        crops = stages["classify, 64 crops"]
        rows.append(
            [
                name, f"{alone['p50_ms']:.1f} ms, {alone['p95_ms']:.1f} ms", f"{stream['per_second']:.0f}",
                f"{crops['per_second']:.0f}", f"{r['memory_mb']:.0f} MB",
                f"{r['machine']['load'][0]:.0f}",
            ]
        )  # fmt: skip
    head = [
        "picture",
        "bytes to result: p50, p95",
        "pictures/s, streamed",
        "crops/s, one thread",
        "peak memory",
        "load average",
    ]
    return _table(head, rows)


def _ratios(records: list[dict[str, Any]]) -> str:
    """Write what one setting takes against another that ran in turn with it."""
    if not records:
        return ""
    stages = ("detect", "bytes to result", "bytes to result, stream")
    rows = []
    for r in sorted(records, key=lambda r: str(r["setting"]["side"])):
        s, other = r["setting"], r["against"]["setting"]
        ratios = {one["name"]: one for one in r["against"]["ratios"]}
        name = (
            f"{s['width']}x{s['height']}, {s['faces']} faces, side {s['side']}: {other['detector']} / {s['detector']}"
        )
        rows.append(
            [
                name,
                *(f"{one['value']:.2f} ({one['low']:.2f}-{one['high']:.2f})" for one in map(ratios.get, stages) if one),
            ]
        )
    return _table(["time, run in turn", *stages], rows)


def _number(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"


def _signed(figure: dict[str, float]) -> str:
    return f"{figure['value']:+.3f} ({figure['low']:+.3f} to {figure['high']:+.3f})"


def _percent(figure: dict[str, float]) -> str:
    return f"{100 * figure['value']:.1f} ({100 * figure['low']:.1f}-{100 * figure['high']:.1f}) %"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
