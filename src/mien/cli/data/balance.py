"""`mien data balance`: even out the labels of the training split."""

from __future__ import annotations

from typing import Annotated

import typer

from mien.cli import output
from mien.cli.data import _options


def command(
    table: _options.TableArgument,
    method: Annotated[
        str, typer.Option(metavar="HOW", help="weights, effective, oversample, undersample or cap.")
    ] = "weights",
    out: _options.NewTable = None,
    cap: Annotated[int | None, typer.Option(metavar="N", help="Rows a label.")] = None,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="Only train is allowed.")] = "train",
    seed: _options.Seed = 0,
    dry_run: _options.DryRun = False,
) -> None:
    """Weight, repeat or leave out training rows; validation and test rows are never touched."""
    from mien.curation import balance, rewrite
    from mien.curation.table import open_table

    opened = open_table(table)
    wanted = balance.plan(opened, method, split=split, cap=cap)
    rows = [
        [label, f"{count:,}", f"{wanted.after[label]:,}", f"{wanted.weights[label]:.3f}"]
        for label, count in wanted.before.items()
    ]
    output.stdout.print(output.table("training split", ["label", "before#", "after#", "weight#"], rows))
    if not dry_run:
        _options.wrote(balance.balance(opened, wanted, rewrite.target(out, opened, "balance"), seed=seed))
