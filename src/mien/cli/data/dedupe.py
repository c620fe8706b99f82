"""`mien data dedupe`: find pictures that are there more than once, within a split and across splits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output
from mien.cli.data import _options


def command(
    table: _options.TableArgument,
    method: Annotated[str, typer.Option(metavar="HOW", help="exact, perceptual or neighbours.")] = "exact",
    distance: Annotated[int, typer.Option(metavar="BITS", help="Of perceptual hashes.")] = 4,
    similarity: Annotated[float, typer.Option(metavar="COS", min=0, max=1, help="Of neighbours.")] = 0.985,
    action: Annotated[
        str | None, typer.Option(metavar="WHAT", help="group: keep copies in one split; drop: keep one of them.")
    ] = None,
    drop_conflicts: Annotated[
        bool, typer.Option("--drop-conflicts", help="Drop all copies where labels differ.")
    ] = False,
    out: _options.NewTable = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write figures and groups as JSON.")] = None,
    dry_run: _options.DryRun = False,
    on: _options.On = "threads",
    workers: _options.Workers = 2,
) -> None:
    """Find pictures that are there more than once; with --action, write a table in which they do no harm."""
    from mien.curation import duplicates, rewrite
    from mien.curation.table import open_table

    opened, engine = open_table(table), _options.engine(on, workers)
    with _options.progress("looking for duplicates", len(opened) if method == "neighbours" else None) as progress:
        found = duplicates.find(
            opened, method, distance=distance, similarity=similarity, engine=engine, progress=progress
        )
    figures = found.figures()
    output.stdout.print(
        output.table(None, ["what", "count#"], [[k.replace("_", " "), str(v)] for k, v in figures.items()])
    )
    if json and not dry_run:
        import json as json_module

        names = opened.read(["image"])["image"].to_pylist()
        groups = [[names[row] for row in group] for group in found.groups]
        json.write_text(json_module.dumps({"figures": figures, "groups": groups}, indent=1), encoding="utf-8")
    if action and not dry_run:
        path = rewrite.target(out, opened, "dedupe")
        _options.wrote(duplicates.resolve(opened, found, path, action=action, drop_conflicts=drop_conflicts))
