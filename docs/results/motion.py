"""Writes the tables of video.md and scenes.md in docs/how-to from video.json and scene.json beside this script.

``python docs/results/motion.py`` rewrites the blocks between the markers; ``--check`` only says whether they are fresh.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGES = HERE.parent / "how-to"
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"


def main() -> int:
    """Rewrite the blocks, or check them."""
    fresh = True
    for name, render in (("video", video), ("scene", scene)):
        page = PAGES / ("scenes.md" if name == "scene" else "video.md")
        text = page.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        record = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
        made = f"{before}{BEGIN}\n{render(record)}{END}{after}"
        fresh &= made == text
        if "--check" not in sys.argv[1:]:
            page.write_text(made, encoding="utf-8")
    return 0 if fresh or "--check" not in sys.argv[1:] else 1


def video(record: dict[str, Any]) -> str:
    """Return the table of videos as Markdown."""
    v = record["video"]
    rows = []
    for name, bar in (
        ("decoded frames, every auto", "200/s"),
        ("decoded frames, every 1", ""),
        ("with decoding, every auto", "150/s"),
    ):
        s = v[name]
        searched = f"{s['processor_ms_a_frame']:.1f} ms of processor a frame, {100 * s['searched']:.0f} % searched"
        rows.append([name, f"{s['fps']:.0f} frames/s ({searched})", bar])
    f = v["label changes on still faces"]
    rows += [
        [
            f"label changes a minute, {f['faces']} still faces that the model hesitates over, noise of "
            f"{f['noise_grey_levels']:.0f} grey levels",
            f"{f['raw_a_minute']:.0f} raw, {f['shown_a_minute']:.0f} shown: {100 * f['fall']:.0f} % fewer",
            "70 % fewer",
        ],
        ["until a sudden change of expression is shown", f"{f['lag_ms']:.0f} ms", "200 ms"],
    ]
    c = v["crossing people"]
    met = f"{c['number_changes']} in {c['faces_compared']} comparisons"
    rows.append([f"number changes of people who cross, {c['clips']} clips", met, "0"])
    rows.append(["faces in which 478 landmarks are found", f"{v['landmarks']['faces_a_second']:.0f}/s", "20/s"])
    if "memory" in v:
        m = v["memory"]
        slope = f"{m['slope_mib_per_100000_frames']:+.1f} MiB over 100,000 frames"
        grown = f"{slope} ({m['first_mib']:.0f} MiB at a tenth, {m['last_mib']:.0f} at the end)"
        rows.append([f"memory over {m['frames']:,} frames", grown, "flat"])
    return _table(["what", "measured", "bar"], rows)


def scene(record: dict[str, Any]) -> str:
    """Return the table of whole pictures as Markdown."""
    names = {"ccc": "concordance (CCC)", "pcc": "correlation", "rmse": "RMSE"}
    rows = [
        [text, *(_interval(record["figures"][value][key]) for value in ("valence", "arousal"))]
        for key, text in names.items()
    ]
    side = record["valence beyond 0.3"]
    right = side["on the same side as raters"]
    said = f"{100 * right / max(side['photos'], 1):.0f} % of {side['photos']}"
    rows.append(["called clearly pleasant or unpleasant (beyond 0.3), and on that side for raters", said, ""])
    about = f"{record['n']} photos of {record['dataset']} ({record['themes']} themes): {record['says']}.\n\n"
    return about + _table(["figure, 95 % interval", "valence", "arousal"], rows)


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
