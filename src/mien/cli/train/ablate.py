"""`mien train ablate FILE`: a base recipe and named variants of it, several seeds each, in one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output
from mien.cli.train import _options


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML: a recipe in [base], changes in [variants].")],
    table: _options.TableOption = None,
    out: _options.Out = None,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="Runs a variant.")] = 2,
    epochs: _options.Epochs = None,
    limit: _options.Limit = None,
    set_: _options.Overrides = None,
) -> None:
    """Train a base recipe and every variant of it; write ablation.json, ablation.md and ablation.svg.

    The same command goes on after a stop: runs that are done are kept.
    """
    _options.require()
    from mien.training import ablation, ablation_report
    from mien.training.job import Inputs

    plan = ablation.read(file)
    folder = out or Path("runs") / f"{file.stem}-ablation"
    overrides = [*(set_ or []), *([f"run.epochs={epochs}"] if epochs else [])]
    for record in ablation.ablate(plan, Inputs(table, limit), folder, seeds, overrides=overrides):
        output.write_text(folder / "ablation.json", json.dumps(record, indent=1) + "\n")
    output.write_text(folder / "ablation.md", ablation_report.markdown(record))
    output.write_text(folder / "ablation.svg", ablation_report.picture(record))
    columns, rows = ablation_report.table(record)
    output.stdout.print(output.table(f"{plan.title}, {folder}/ablation.md", columns, rows))
