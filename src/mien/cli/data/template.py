"""`mien data template`: where a data set's face crops have their five points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output
from mien.cli.data import _options


def command(
    table: _options.TableArgument,
    detector: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Which detector gives the points.")] = "mien",
    model: Annotated[Path | None, typer.Option(metavar="PATH", help="Its model file or folder.")] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Which rows.")] = "train",
    enlarge: Annotated[int, typer.Option(metavar="N", min=1, help="Crops are enlarged N times first.")] = 4,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Crops at most.")] = None,
) -> None:
    """Measure the template that faces in the wild are aligned to: the median five points over face crops."""
    from mien import detection
    from mien.curation import template
    from mien.curation.table import open_table

    options = {"model": model} if model else {}
    found = template.measure(
        open_table(table), detection.load(detector, **options), split=split, enlarge=enlarge, limit=limit
    )
    names = ["left eye", "right eye", "nose", "left mouth corner", "right mouth corner"]
    rows = [
        [name, *(f"{value:.4f}" for value in (*point, *spread))]
        for name, point, spread in zip(names, found.points, found.spread, strict=True)
    ]
    title = f"{found.found:,} of {found.count:,} crops have a face; parts of the crop's side"
    output.stdout.print(output.table(title, ["point", "x", "y", "spread x", "spread y"], rows))
