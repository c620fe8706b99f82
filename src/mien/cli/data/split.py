"""`mien data split`: rows to train, val and test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import output
from mien.cli.data import _options

if TYPE_CHECKING:
    from mien.curation.split import Assignment


def command(
    table: _options.TableArgument,
    out: _options.NewTable = None,
    val: Annotated[float, typer.Option(metavar="PART", min=0, max=1, help="Part for validation.")] = 0.1,
    test: Annotated[float, typer.Option(metavar="PART", min=0, max=1, help="Part for testing; 0 for two ways.")] = 0.1,
    keep: Annotated[list[str] | None, typer.Option(metavar="SPLIT", help="Leave this split as it is.")] = None,
    seed: _options.Seed = 0,
    dry_run: _options.DryRun = False,
) -> None:
    """Split rows two or three ways, stratified by label; a subject, group, photo or file is never torn apart."""
    from mien.curation import rewrite, split
    from mien.curation.table import open_table

    kept = keep or []
    parts = {"val": val, "test": test}
    shares = {name: part for name, part in parts.items() if part > 0 and name not in kept}
    opened = open_table(table)
    made = split.assign(opened, {"train": 1.0 - sum(shares.values()), **shares}, seed=seed, keep=kept)
    _show(made)
    if dry_run:
        return
    path = rewrite.target(out, opened, "split")
    rows = (row | {"split": name} for row, name in zip(opened.rows(), made.splits, strict=True))
    note = f"split {', '.join(f'{k} {v:g}' for k, v in shares.items())}, seed {seed}"
    _options.wrote(rewrite.rewrite(opened, path, rows, note))


def _show(made: Assignment) -> None:
    splits = [name for name in ("train", "val", "test") if any(key[0] == name for key in made.counts)]
    labels = sorted({label for _, label in made.counts})
    rows = [[label, *(f"{made.counts.get((name, label), 0):,}" for name in splits)] for label in labels]
    totals = [f"{sum(n for (s, _), n in made.counts.items() if s == name):,}" for name in splits]
    columns = ["label", *(f"{name}#" for name in splits)]
    output.stdout.print(output.table(None, columns, [*rows, ["all", *totals]]))
    output.stdout.print(f"{made.units:,} units of rows that belong together", highlight=False)
    if made.torn:
        output.warn(f"{made.torn:,} units lie in several kept splits: a leak; see mien data audit")
