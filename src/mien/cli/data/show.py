"""`mien data show`: a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien import storage
from mien.cli import output
from mien.cli.data import _options


def command(
    table: _options.TableArgument,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The picture.", parser=storage.locate)
    ] = Path("sheet.png"),
    label: Annotated[list[str] | None, typer.Option(metavar="LABEL", help="Only these labels.")] = None,
    split: Annotated[str | None, typer.Option(metavar="SPLIT", help="Only from this split.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", help="Pictures of each label.")] = 24,
    side: Annotated[int, typer.Option(metavar="PX", help="Side of a thumbnail.")] = 72,
    across: Annotated[int, typer.Option(metavar="N", min=1, help="Thumbnails a line.")] = 12,
    mean: Annotated[bool, typer.Option("--mean", help="Begin each label with its mean picture.")] = False,
    seed: _options.Seed = 0,
) -> None:
    """Write a contact sheet: pictures of each label, chosen at random, the same for the same seed."""
    from mien.curation import sample, sheets
    from mien.curation.table import open_table
    from mien.imaging import image

    opened = open_table(table)
    wanted = set(label or [])
    numbers = sample.choose(
        opened,
        count,
        each=True,
        seed=seed,
        where=lambda row: (split is None or row["split"] == split) and (not wanted or row["label"] in wanted),
    )
    rows = opened.read(["image", "label", "box"]).take(numbers).to_pylist()
    of: dict[str, list[image.RGB]] = {}
    for row in rows:
        thumbnail = sheets.thumbnail(opened.root, row["image"], side, row["box"])
        of.setdefault(row["label"] or "no label", []).append(thumbnail)
    if mean:
        of = {name: [sheets.mean(found), *found] for name, found in of.items()}
    image.write(sheets.sheet(sorted(of.items()), side, across=across), out)
    output.stdout.print(f"{out}: {len(rows):,} pictures of {len(of)} labels", highlight=False, soft_wrap=True)
