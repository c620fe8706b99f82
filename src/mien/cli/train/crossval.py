"""`mien train crossval RECIPE`: the recipe on every fold of the training split, with mean and spread."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output
from mien.cli.train import _options


def command(
    recipe: _options.RecipeFile,
    table: _options.TableOption = None,
    out: _options.Out = None,
    folds: Annotated[int, typer.Option("--folds", metavar="K", min=2, help="Parts of the training split.")] = 5,
    epochs: _options.Epochs = None,
    limit: _options.Limit = None,
    set_: _options.Overrides = None,
) -> None:
    """Train once a fold; folds are stratified, and a subject stays in one. An interrupted command goes on."""
    chosen = _options.recipe(recipe, set_, epochs)
    from mien.training.crossval import crossval
    from mien.training.job import Inputs

    folder = out or Path("runs") / f"{chosen.name}-crossval"
    found = crossval(chosen, Inputs(table, limit), folder, folds)
    rows = [[key.removeprefix("val/"), f"{found.mean[key]:.4f}", f"{found.sd[key]:.4f}"] for key in sorted(found.mean)]
    output.stdout.print(output.table(f"{folds} folds, {folder}/crossval.json", ["figure", "mean#", "sd#"], rows))
    for head, labels in found.classes.items():
        rows = [
            [label, *(f"{one.mean:.3f} ± {one.sd:.3f}" for one in figures.values())]
            for label, figures in labels.items()
        ]
        output.stdout.print(output.table(head, ["label", "precision#", "recall#", "F1#"], rows))
