"""`mien data dedupe`: find pictures that are there more than once, within a split and across splits."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli import output
from mien.cli.data import _options


def command(
    table: _options.TableArgument,
    method: Annotated[str, typer.Option(metavar="HOW", help="exact, perceptual, neighbours or embedding.")] = "exact",
    distance: Annotated[int, typer.Option(metavar="BITS", help="Of perceptual hashes.")] = 4,
    similarity: Annotated[
        float | None,
        typer.Option(metavar="COS", min=0, max=1, help="Of neighbours (default 0.985) and of embeddings (0.8)."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="Whose features are compared, for embedding.")
    ] = "expression",
    action: Annotated[
        str | None, typer.Option(metavar="WHAT", help="group: keep copies in one split; drop: keep one of them.")
    ] = None,
    drop_conflicts: Annotated[
        bool, typer.Option("--drop-conflicts", help="Drop all copies where labels differ.")
    ] = False,
    out: _options.NewTable = None,
    json: _options.Json = None,
    dry_run: _options.DryRun = False,
    on: _options.On = "threads",
    workers: _options.Workers = 2,
) -> None:
    """Find pictures that are there more than once; with --action, write a table in which they do no harm."""
    from mien.curation import duplicates, rewrite
    from mien.curation.table import open_table

    opened, engine = open_table(table), _options.engine(on, workers)
    with _options.progress(
        "looking for duplicates", len(opened) if method in duplicates.SIMILARITY else None
    ) as progress:
        found = duplicates.find(
            opened,
            method,
            distance=distance,
            similarity=similarity,
            model=model,
            engine=engine,
            progress=progress,
        )
    figures = found.figures()
    output.stdout.print(
        output.table(None, ["what", "count#"], [[k.replace("_", " "), str(v)] for k, v in figures.items()])
    )
    if json and not dry_run:
        names = opened.read(["image"])["image"].to_pylist()
        groups = [[names[row] for row in group] for group in found.groups]
        _options.write_json({"figures": figures, "groups": groups}, json)
    if action and not dry_run:
        path = rewrite.target(out, opened, "dedupe")
        _options.wrote(duplicates.resolve(opened, found, path, action=action, drop_conflicts=drop_conflicts))
