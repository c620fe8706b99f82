"""`mien data sample`: a small part of a table."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli import output
from mien.cli.data import _options


def command(
    table: _options.TableArgument,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", help="Rows in all, or of each label.")] = 100,
    each: Annotated[bool, typer.Option("--each", help="So many of each label.")] = False,
    split: Annotated[str | None, typer.Option(metavar="SPLIT", help="Only from this split.")] = None,
    out: _options.NewTable = None,
    seed: _options.Seed = 0,
    dry_run: _options.DryRun = False,
) -> None:
    """Choose rows at random, the same for the same seed, and write them as a table."""
    from mien.curation import rewrite, sample
    from mien.curation.table import open_table

    opened = open_table(table)
    numbers = sample.choose(
        opened, count, each=each, seed=seed, where=lambda row: split is None or row["split"] == split
    )
    if dry_run:
        output.stdout.print(f"{len(numbers):,} of {len(opened):,} rows would be written", highlight=False)
        return
    chosen = set(numbers.tolist())
    rows = (row for number, row in enumerate(opened.rows()) if number in chosen)
    note = f"{len(numbers)} rows chosen at random, seed {seed}"
    _options.wrote(rewrite.rewrite(opened, rewrite.target(out, opened, "sample"), rows, note))
