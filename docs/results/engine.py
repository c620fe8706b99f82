"""Writes the figures of the data engine and of labelling into their pages, from the JSON files beside this script.

``python docs/results/engine.py`` rewrites the blocks between the markers; ``--check`` only says whether they are fresh.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent


def main() -> int:
    """Rewrite the blocks, or check them."""
    stale = 0
    for page, block, render, source in BLOCKS:
        path = HERE / f"{source}.json"
        if not path.exists():
            continue
        text = (DOCS / page).read_text(encoding="utf-8")
        begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
        before, found, rest = text.partition(begin)
        if not found:
            raise SystemExit(f"{page} has no block '{block}'")
        after = rest.partition(end)[2]
        fresh = f"{before}{begin}\n{render(json.loads(path.read_text(encoding='utf-8')))}{end}{after}"
        stale += fresh != text
        if "--check" not in sys.argv[1:]:
            (DOCS / page).write_text(fresh, encoding="utf-8")
    return int(stale > 0) if "--check" in sys.argv[1:] else 0


def copies(found: dict[str, Any]) -> str:
    """Return what an audit of FER-2013 found, as Markdown."""
    audit = found["audit"]
    exact, near, learned = (*(audit["duplicates"][by] for by in ("exact", "perceptual")), found["embedding"]["copies"])
    ways = (exact, near, learned)
    head = ["", "byte for byte", "to the eye (hashes within 4 of 64 bits)", "also to the model (cosine from 0.8)"]
    rows = [
        ["groups of copies", *(f"{d['groups']:,}" for d in ways)],
        ["rows in them", *(f"{d['rows']:,}" for d in ways)],
        ["surplus rows", *(f"{d['surplus_rows']:,}" for d in ways)],
        *(
            [f"groups with two or more rows in `{split}`", *(f"{d['groups_within'][split]:,}" for d in ways)]
            for split in ("train", "val")
        ),
        ["groups across `train` and `val`", *(f"{d['groups_across']['train + val']:,}" for d in ways)],
        [
            "groups with conflicting labels",
            *(f"{d['groups_with_conflicting_labels']:,} ({d['rows_with_conflicting_labels']:,} rows)" for d in ways),
        ],
        [
            "of these, across `train` and `val`",
            *(f"{d['groups_across_with_conflicting_labels']:,}" for d in ways),
        ],
    ]
    pictures = ", ".join(f"{count} {kind}" for kind, count in audit["pictures"].items())
    said = (
        f"\nThe commonest label comes {audit['imbalance']} times for one of the rarest. {pictures} pictures, none "
        f"unreadable. Confident learning with a plain classifier ({100 * audit['classifier_accuracy']:.0f} % right on "
        f"rows that it has not seen) puts {audit['doubtful_labels']:,} rows in doubt. The audit took "
        f"{audit['seconds']:.0f} s.\n"
    )
    return table(head, rows) + said


def costs(found: dict[str, Any]) -> str:
    """Return time and memory of the data commands, as Markdown."""
    crop, near = found["crop"], found["neighbours"]
    rows = [
        ["`import`, FER-2013 with FER+ votes", f"{found['import']['rows']:,} rows", _seconds(found["import"]), "20 s"],
        [
            "`crop --faces all`, photos of 640 px",
            f"{crop['photos']:,} photos, {crop['faces']:,} faces",
            f"{_seconds(crop)}: {crop['photos_per_second']:.0f} photos/s",
            "100 photos/s",
        ],
        ["`audit`, FER-2013, with label errors", f"{found['audit']['rows']:,} rows", _seconds(found["audit"]), "300 s"],
        ["comparing thumbnails (`dedupe --method neighbours`)", f"{near['pictures']:,}", _seconds(near), ""],
        [
            "`dedupe --method embedding`, FER-2013",
            f"{found['import']['rows']:,} pictures",
            _seconds(found["embedding"]),
            "60 s",
        ],
    ]
    memory = [
        [
            f"`{name.replace('_labels', '` with labels`')}`".removesuffix("``"),
            f"{one['few']['peak_mb']:.0f} MB",
            f"{one['many']['peak_mb']:.0f} MB",
            f"{one['grown_mb']:.0f} MB",
            f"{one['bytes_per_picture']:,}",
        ]
        for name, one in sorted(found["memory"].items())
    ]
    return (
        f"By `benchmarks/data.py`, {found['cores']} cores, one of them mostly taken by a training at the time:\n\n"
        + table(["what", "how much", "time (processor)", "bar"], rows)
        + "\nPeak memory of a command and its processes on made sets (bar: 300 MB more for 100,000 rows):\n\n"
        + table(["command", "1,000 pictures", "100,000", "grown by", "bytes a picture"], memory)
    )


def labelling(found: dict[str, Any]) -> str:
    """Return what asking and choosing cost, as Markdown."""
    asked, chosen = found["annotations"], found["queue"]
    rows = [
        [
            f"{asked['count']:,} answers of `{name}`, {1000 * asked['latency_s']:.0f} ms each, "
            f"{asked['concurrency']} at a time",
            f"{one['seconds']:.1f} s ({one['processor_s']:.1f} s)",
            f"{asked['bar_s']:.0f} s",
        ]
        for name, one in asked["annotators"].items()
    ]
    worst = max(chosen["seconds"], key=lambda by: chosen["seconds"][by])
    rows.append(
        [
            f"queue out of {chosen['scores']:,} scored faces, any strategy (`{worst}` takes longest)",
            f"{chosen['seconds'][worst]:.1f} s",
            f"{chosen['bar_s']:.0f} s",
        ]
    )
    return "By `benchmarks/labelling.py`, against services on loopback:\n\n" + table(
        ["what", "time (processor of the client)", "bar"], rows
    )


def curve(found: dict[str, Any]) -> str:
    """Return a learning curve, as Markdown: accuracy and balanced accuracy by labels, and what choosing gains."""
    arms: dict[str, list[dict[str, Any]]] = found["curves"]
    names = list(arms)
    rows = []
    for numbers in zip(*arms.values(), strict=True):
        cells = [f"{numbers[0]['labels']:,}"]
        for figure in ("accuracy", "balanced_accuracy"):
            cells += [f"{100 * one['figures'][figure]['mean']:.1f} %" for one in numbers]
        rows.append(cells)
    head = ["labels", *(f"accuracy, {name}" for name in names), *(f"balanced, {name}" for name in names)]
    gains = [
        [
            name.replace("_", " "),
            f"{100 * gain['mean']:+.1f} ({100 * gain['interval'][0]:+.1f} to {100 * gain['interval'][1]:+.1f})",
            ", ".join(f"{100 * one:+.1f}" for one in gain["seeds"]),
            f"{100 * gain['last']:+.1f}",
        ]
        for name, gain in found.get("gain", {}).items()
        if name != "nll"
    ]
    said = (
        f"\n`{names[0]}` less `{names[-1]}` in points, mean of the rounds after the first, with its 95 % interval over "
        f"{len(found['plan']['seeds'])} seeds:\n\n"
    )
    gained = table(["figure", "gain (interval)", "each seed", "last round"], gains)
    return table(head, rows) + said + gained


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _seconds(one: dict[str, Any]) -> str:
    return f"{one['seconds']:.1f} s ({one['processor_s']:.0f} s)"


BLOCKS: list[tuple[str, str, Callable[[dict[str, Any]], str], str]] = [
    ("data/fer2013.md", "copies", copies, "data"),
    ("how-to/clean-a-folder.md", "costs", costs, "data"),
    ("how-to/label.md", "labelling", labelling, "labelling"),
    ("how-to/label.md", "curve", curve, "active"),
]

if __name__ == "__main__":
    sys.exit(main())
