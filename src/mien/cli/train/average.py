"""`mien train average CHECKPOINTS...`: the mean of several courses' weights as one network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output
from mien.cli.train import _options


def command(
    checkpoints: Annotated[list[Path], typer.Argument(metavar="CHECKPOINTS...", help="Of one network, two or more.")],
    table: Annotated[Path, typer.Option("--table", "-t", metavar="PATH", help="Norms are measured on its pictures.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for best.ckpt.")],
    share: Annotated[
        list[float] | None, typer.Option("--share", metavar="S", help="Of each checkpoint, in order; even by default.")
    ] = None,
) -> None:
    """Average the weights of checkpoints that began at each other's end or at the same start.

    What comes out answers as quickly as one of them.
    """
    _options.require()
    from mien.curation.table import open_table
    from mien.training.average import average

    figures = average(checkpoints, share or [1.0] * len(checkpoints), open_table(table), out)
    rows = [[name.removeprefix("val/"), f"{value:.4f}"] for name, value in sorted(figures.items())]
    output.stdout.print(output.table("on 'val'", ["figure", "value#"], rows))
    output.stdout.print(
        f"next: mien export {out / 'best.ckpt'} --table {table} -o {out / 'model'}",
        soft_wrap=True, highlight=False, markup=False,
    )  # fmt: skip
