"""`mien train ensemble MODELS...`: several models that answer together, as one model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output
from mien.cli.train import _options


def command(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODELS...", help="Model folders or checkpoints, two or more.")
    ],
    table: Annotated[Path, typer.Option("--table", "-t", metavar="PATH", help="Its 'val' split is fitted on.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Model folder to write.")],
    how: Annotated[str, typer.Option("--how", help="mean, weighted, vote or stacking.")] = "mean",
    name: Annotated[str, typer.Option("--name", help="Of the ensemble.")] = "ensemble",
    version: Annotated[str, typer.Option("--version", help="Of the ensemble.")] = "1",
) -> None:
    """Put several models into one folder that runs like any other: mien predict --model DIR.

    Weights and stacking are learnt on the table's 'val' split; so are the temperatures and thresholds of what comes
    out. The snapshots of a run with schedule.cycles above one are members like any others.
    """
    _options.require()
    from mien.curation.table import open_table
    from mien.export import ensemble

    made = ensemble.export(models, open_table(table), out, how=how, name=name, version=version, say=output.stdout.print)
    heads = list(made.worth)
    names = [*map(str, models), f"all, {how}"]
    rows = [[name, *(f"{made.worth[head][at]:.4f}" for head in heads)] for at, name in enumerate(names)]
    title = "main figure of each head on 'val' (accuracy; mean average precision; concordance)"
    output.stdout.print(output.table(title, ["model", *(f"{head}#" for head in heads)], rows))
    output.stdout.print(f"next: mien evaluate {out} {table}", soft_wrap=True, highlight=False, markup=False)
