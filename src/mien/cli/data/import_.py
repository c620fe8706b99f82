"""`mien data import`: a data set in its native layout becomes a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien import storage
from mien.cli import _options as shared
from mien.cli import output
from mien.cli.data import _options


def command(
    reader: Annotated[str, typer.Argument(metavar="READER", help="Which data set; 'list' shows all readers.")],
    source: Annotated[
        Path | None, typer.Argument(metavar="SOURCE", help="Its file or folder.", parser=storage.locate)
    ] = None,
    out: _options.NewTable = None,
    votes: Annotated[Path | None, typer.Option(metavar="CSV", help="FER+ votes (fer2013).")] = None,
    option: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Option of the reader.")] = None,
    link: Annotated[bool, typer.Option("--link", help="Hard links instead of copies where possible.")] = False,
    dry_run: _options.DryRun = False,
    on: _options.On = "processes",
    workers: _options.Workers = 2,
) -> None:
    """Read a data set and write table.parquet with the pictures beside it.

    `mien data import list` shows the readers with their options. Exit code 1: some pictures could not be read and were
    left out.
    """
    from mien.curation import importing
    from mien.errors import MienError

    if reader == "list" and source is None:
        _list()
        return
    if source is None:
        raise MienError("what is to be read? mien data import READER SOURCE -o DIR")
    if out is None and not dry_run:
        raise MienError("where is the table to go? give -o DIR, or --dry-run to only look")
    given = shared.pairs(option or [], "--option") | ({"votes": str(votes)} if votes else {})
    with _options.progress(f"importing {reader}") as progress:
        done = importing.import_dataset(
            reader,
            source,
            out or Path(),
            engine=_options.engine(on, workers),
            link=link,
            dry_run=dry_run,
            progress=progress,
            **importing.reader_options(reader, given),
        )
    if done.table is None:
        output.stdout.print(f"{done.count:,} rows would be written", highlight=False)
    else:
        _options.wrote(done.table)
    _options.failed(done.failures)


def _list() -> None:
    import inspect

    from mien.datasets import READERS

    rows = []
    for name in READERS:
        module = READERS.module(name)
        options = list(inspect.signature(module.read).parameters.values())[1:]
        shown = ", ".join(f"{p.name}{' (required)' if p.default is p.empty else ''}" for p in options)
        rows.append([name, module.INFO.title, module.INFO.label_set or "", shown])
    output.stdout.print(output.table(None, ["reader", "data set", "labels", "options"], rows))
