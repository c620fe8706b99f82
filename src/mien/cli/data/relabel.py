"""`mien data relabel`: carry labels over to another label set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import output
from mien.cli.data import _options

if TYPE_CHECKING:
    from mien.curation.relabel import Relabelled, Relabelling


def command(
    source: Annotated[Path, typer.Argument(metavar="TABLE|FOLDER", help="A table, or a folder of class folders.")],
    mapping: Annotated[str, typer.Option(metavar="FROM:TO|FILE", help="A known mapping, or a TOML file.")],
    out: _options.NewTable = None,
    dry_run: _options.DryRun = False,
) -> None:
    """Carry labels and votes over to another set, and say what merges and what is lost.

    With a folder instead of a table, its class folders are renamed in place.
    """
    from mien.curation import relabel, rewrite
    from mien.curation.table import open_table

    change = _change(mapping)
    _explain(change)
    if source.is_dir() and not (source / "table.parquet").is_file():
        moves = relabel.rename_folders(source, change, dry_run=dry_run)
        rows = [[str(old), str(new)] for old, new in moves]
        output.stdout.print(output.table(None, ["folder", "would become" if dry_run else "became"], rows))
        return
    table = open_table(source)
    path = rewrite.target(out, table, "relabel")
    with _options.progress("relabelling", len(table)) as progress:
        done = relabel.relabel(table, change, path, dry_run=dry_run, progress=progress)
    _count(done)
    if done.table:
        _options.wrote(done.table)


def _change(mapping: str) -> Relabelling:
    from mien.curation import relabel

    source, colon, target = mapping.partition(":")
    return relabel.named(source, target) if colon else relabel.from_toml(Path(mapping))


def _explain(change: Relabelling) -> None:
    for new, old in change.merges.items():
        output.stdout.print(f"merges: {', '.join(old)} -> {new}", highlight=False)
    if change.dropped:
        output.stdout.print(f"dropped: {', '.join(change.dropped)}", highlight=False)
    output.stdout.print(f"loses: {change.loses}", highlight=False)


def _count(done: Relabelled) -> None:
    rows = [[old, new or "(dropped)", f"{count:,}"] for (old, new), count in sorted(done.moves.items(), key=str)]
    output.stdout.print(output.table(None, ["label", "becomes", "rows#"], rows))
