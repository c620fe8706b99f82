"""`mien reproduce`: a model folder and its data in; whether its figures come out again."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import output

if TYPE_CHECKING:
    from mien.evaluation.reproduction import Again
    from mien.manifest import Manifest


def command(
    model: Annotated[str, typer.Argument(help="Name, folder or address of a model.")],
    table: Annotated[
        Path, typer.Option("--table", metavar="TABLE", help="Its data: a table; for a face detector the faces' jsonl.")
    ],
    split: Annotated[str, typer.Option(metavar="NAME", help="Rows to score: train, val or test.")] = "val",
    tolerance: Annotated[float, typer.Option(metavar="X", min=0, help="By how much a figure may differ.")] = 0.005,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the comparison as JSON.")] = None,
) -> None:
    """Measure a model's figures again and compare them with those in its model.json.

    Exit code: 0 every figure is within the tolerance, 1 some are not, 2 the model or the data cannot be used.
    """
    from mien import hub, manifest

    folder = hub.find(model)
    made = manifest.read(folder)
    manifest.verify(folder, made)
    found, digest = _measure(folder, made, table, split)
    known = {data.digest for data in made.data}
    if digest is not None and known and digest not in known:
        output.warn(f"'{table}' is not the table that {made.name} was made with: its digest is {digest[:12]}...")
    off = [again for again in found if again.off > tolerance]
    rows = [
        [
            again.metric.name, again.metric.head or "", again.metric.protocol, again.metric.precision,
            f"{again.metric.value:.4f}", f"{again.value:.4f}",
            f"{again.off:.4f}" if again.n == again.metric.n else f"{again.n:,} rows, not {again.metric.n:,}",
            "off" if again in off else "same",
        ]
        for again in found
    ]  # fmt: skip
    columns = ["figure", "head", "protocol", "graph", "said#", "measured#", "off#", ""]
    output.stdout.print(output.table(f"{made.name} {made.version}", columns, rows))
    verdict = f"{len(found) - len(off)} of {len(found)} figures come out again within {tolerance:g}"
    output.stdout.print(verdict, highlight=False)
    if json:
        record = {
            "model": f"{made.name} {made.version}",
            "digest": digest,
            "tolerance": tolerance,
            "figures": [{**again.metric.model_dump(), "again": again.value, "again_n": again.n} for again in found],
            "off": len(off),
        }
        output.write_text(json, json_module.dumps(record, indent=1) + "\n")
    raise typer.Exit(1 if off else 0)


def _measure(folder: Path, made: Manifest, table: Path, split: str) -> tuple[list[Again], str | None]:
    """Return the figures, and the table's digest where it has one."""
    from mien.cli.evaluate import _rows
    from mien.evaluation import reproduction

    def say(line: str) -> None:
        output.stderr.print(line, highlight=False, markup=False)

    if made.task == "detection":
        return reproduction.of_detector(folder, made, table, say), None
    source, _ = _rows(table, split)
    return reproduction.of_answers(folder, made, source, say), source.digest
