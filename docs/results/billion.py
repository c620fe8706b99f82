"""Writes the measured figures and the plan for a billion pictures into docs/how-to/scale.md from ray.json beside this.

``python docs/results/billion.py`` rewrites the block between the markers; ``--check`` only says whether it is fresh.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "how-to" / "scale.md"
BEGIN, END = "<!-- ray:begin -->", "<!-- ray:end -->"
BILLION = 1_000_000_000
PROCESSORS = 1000
# What the plan assumes and nobody measured: prices as large clouds list them for on-demand machines and object stores.
DOLLARS_PROCESSOR_HOUR, DOLLARS_GB_MONTH, DOLLARS_1000_GET, DOLLARS_1000_PUT = 0.04, 0.023, 0.0004, 0.005
#: Pictures a shard of `mien predict --shards`, pictures a table of one crop job, and pictures a task of the benchmark.
SHARD, JOB, TASK = 1024, 10_000_000, 8


def main() -> int:
    """Rewrite the block, or check it."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    figures = json.loads((HERE / "ray.json").read_text(encoding="utf-8"))
    fresh = f"{before}{BEGIN}\n{render(figures)}{END}{after}"
    if "--check" in sys.argv[1:]:
        return 0 if fresh == text else 1
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


def render(figures: dict[str, Any]) -> str:
    """Return the tables as Markdown, ending in a line break."""
    return "\n".join([*_measured(figures), "", *_memory(figures.get("memory")), "", *_plan(figures)]) + "\n"


def _measured(figures: dict[str, Any]) -> list[str]:
    lines = [
        "| work | pictures/s, one worker | two workers | growth | processor time a picture (two workers) |",
        "|---|---|---|---|---|",
    ]
    for name in ("crop", "predict"):
        one, two = figures[name]["workers_1"], figures[name]["workers_2"]
        ms = two["processor_ms_per_picture"]
        spent = f"{ms['workers']:.1f} ms worker, {ms['driver']:.2f} driver, {ms['servers']:.2f} Ray"
        rates = f"{one['pictures_per_second']:.1f} | {two['pictures_per_second']:.1f}"
        lines.append(f"| {name} | {rates} | **{figures[name]['growth']:.2f}** | {spent} |")
    runs = [figures[name][f"workers_{count}"] for name in ("crop", "predict") for count in (1, 2)]
    others = [f"{run['processors_taken_by_others']:.2f}" for run in runs]
    lines += [
        "",
        f"{figures['predict']['pictures']} photos of at most 640 px with all their faces, {figures['predict']['cpu']}, "
        f"one processor a node, {TASK} pictures a task; other programs took {', '.join(others)} of the two processors "
        "meanwhile (crop with one and two workers, predict with one and two).",
    ]
    return lines


def _memory(memory: dict[str, Any] | None) -> list[str]:
    if memory is None:
        return []
    driver, worker, growth = memory["driver_mb"], memory["worker_mb"], memory["growth_mb_per_100k"]
    return [
        f"Memory of `mien predict --on ray` over a table of small pictures, {memory['rows']:,} of {memory['of']:,} "
        f"rows read: the driver held {driver[0]:.0f} MB after a tenth and {driver[2]:.0f} MB at the end, the worker "
        f"{worker[0]:.0f} and {worker[2]:.0f} MB; a line through the samples rises by {growth['driver']:.1f} and "
        f"{growth['worker']:.1f} MB for 100,000 rows.",
    ]


def _plan(figures: dict[str, Any]) -> list[str]:
    crop, predict = _costs(figures["crop"]), _costs(figures["predict"])
    per_task = figures["predict"]["workers_2"]["processor_ms_per_picture"]["driver"] * TASK
    shards = -(-BILLION // SHARD)
    crop_driver = figures["crop"]["workers_2"]["processor_ms_per_picture"]["driver"]
    rows = [
        ("pictures in the store", *(f"{c['terabytes_in']:,.0f} TB" for c in (crop, predict))),
        ("written", *(f"{c['terabytes_out']:,.1f} TB" for c in (crop, predict))),
        ("processor hours", *(f"{c['hours']:,.0f}" for c in (crop, predict))),
        (f"wall clock on {PROCESSORS:,} processors", *(f"{c['hours'] / PROCESSORS:,.1f} h" for c in (crop, predict))),
        ("read from the store meanwhile", *(f"{c['gigabytes_second']:,.1f} GB/s" for c in (crop, predict))),
        ("files written", f"{BILLION:,} crops, {BILLION // JOB} tables", f"{shards:,} shards"),
        (
            "driver",
            f"{crop_driver * JOB / 3.6e6:,.1f} h a job of {JOB:,} pictures, {BILLION // JOB} jobs side by side",
            f"{per_task * shards / 3.6e6:,.1f} h, one job",
        ),
        ("processors, dollars", *(f"{c['hours'] * DOLLARS_PROCESSOR_HOUR:,.0f}" for c in (crop, predict))),
        (
            "requests, dollars",
            f"{BILLION / 1000 * (DOLLARS_1000_GET + DOLLARS_1000_PUT):,.0f}",
            f"{BILLION / 1000 * DOLLARS_1000_GET + shards / 1000 * DOLLARS_1000_PUT:,.0f}",
        ),
        (
            "keeping what is written, dollars a month",
            *(f"{c['terabytes_out'] * 1000 * DOLLARS_GB_MONTH:,.0f}" for c in (crop, predict)),
        ),
    ]
    return [
        "| a billion pictures like these | crop | predict |",
        "|---|---|---|",
        *(f"| {what} | {one} | {two} |" for what, one, two in rows),
        "",
        f"Bytes and processor time are the measured ones times a billion. Prices are assumed: {DOLLARS_PROCESSOR_HOUR} "
        f"dollars a processor hour, {DOLLARS_GB_MONTH} a GB and month, {DOLLARS_1000_GET} for 1,000 reads, "
        f"{DOLLARS_1000_PUT} for 1,000 writes.",
    ]


def _costs(figures: dict[str, Any]) -> dict[str, float]:
    size, ms = figures["bytes_per_picture"], figures["workers_2"]["processor_ms_per_picture"]
    hours = sum(ms.values()) * BILLION / 3.6e6
    terabytes = size["in"] * BILLION / 1e12
    return {
        "terabytes_in": terabytes,
        "terabytes_out": size["out"] * BILLION / 1e12,
        "hours": hours,
        "gigabytes_second": terabytes * 1000 / (hours / PROCESSORS * 3600),
    }


if __name__ == "__main__":
    sys.exit(main())
