"""`mien data crop`: cut the faces out of a table's pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli import output
from mien.cli.data import _options


def command(
    table: _options.TableArgument,
    out: _options.Out,
    faces: Annotated[str, typer.Option(metavar="WHICH", help="largest, all, or boxes (the table's own).")] = "largest",
    kind: Annotated[str, typer.Option(metavar="KIND", help="aligned (by five points) or box.")] = "aligned",
    size: Annotated[int, typer.Option(metavar="PX", help="Side of a crop.")] = 112,
    margin: Annotated[float, typer.Option(metavar="PART", help="Room around the face, in parts of its side.")] = 0.0,
    grey: Annotated[bool, typer.Option("--grey", help="Write one channel.")] = False,
    format: Annotated[str, typer.Option(metavar="NAME", help="png, jpg or webp.")] = "png",
    detector: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Face detector.")] = "mien",
    model: Annotated[str | None, typer.Option(metavar="PATH", help="Model file or folder of the detector.")] = None,
    side: Annotated[int | None, typer.Option(metavar="PX", help="Longest side at which faces are looked for.")] = None,
    min_face: Annotated[float, typer.Option(metavar="PX", help="Leave smaller faces out.")] = 0.0,
    dry_run: _options.DryRun = False,
    on: _options.On = "threads",
    workers: _options.Workers = 2,
) -> None:
    """Cut the faces of a table's pictures out into a table of their own, with statistics and the label map beside it.

    Interrupted work is taken up again and gives the same table. Exit code 1: some pictures could not be read.
    """
    from dataclasses import replace
    from itertools import groupby
    from operator import itemgetter

    from mien.curation import crop
    from mien.curation.table import open_table

    spec = crop.Spec(faces, kind, size, margin, grey, format, "fer", detector, model, side, min_face)
    opened = open_table(table)
    total = sum(1 for _ in groupby(opened.rows(["image"]), key=itemgetter("image")))
    with _options.progress("cropping", total) as progress:
        engine = replace(_options.engine(on, workers), batch=16)
        done = crop.crop(opened, spec, out, engine=engine, dry_run=dry_run, progress=progress)
    said = done.statistics
    if done.table:
        _options.wrote(done.table)
    output.stdout.print(
        f"{said['faces']:,} faces of {said['pictures']:,} pictures; {said['pictures_without_face']:,} without a face, "
        f"{said['faces_too_small']:,} faces too small",
        highlight=False,
    )
    _options.failed(done.failures)
