"""`mien train find-lr RECIPE`: how high the learning rate may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output
from mien.cli.train import _options


def command(
    recipe: _options.RecipeFile,
    table: _options.TableOption = None,
    out: _options.Out = None,
    low: Annotated[float, typer.Option(metavar="LR", help="First learning rate.")] = 1e-5,
    high: Annotated[float, typer.Option(metavar="LR", help="Last learning rate.")] = 1.0,
    steps: Annotated[int, typer.Option(metavar="N", help="Batches to go from one to the other.")] = 100,
    limit: _options.Limit = None,
    set_: _options.Overrides = None,
) -> None:
    """Raise the learning rate step by step and suggest one; writes find-lr.json and find-lr.svg.

    The suggestion is where the loss falls fastest. It is a place to start from, not the best rate: try a third and
    three times of it.
    """
    chosen = _options.recipe(recipe, set_, None)
    from mien.training import find_lr
    from mien.training.job import Inputs

    curve = find_lr.find(chosen, Inputs(table, limit), low=low, high=high, steps=steps)
    folder = out or Path("runs") / f"{chosen.name}-find-lr"
    record = {
        "suggestion": curve.suggestion, "exploded": curve.exploded, "rates": curve.rates.tolist(),
        "losses": curve.losses.tolist(), "smooth": curve.smooth.tolist(),
    }  # fmt: skip
    output.write_text(folder / "find-lr.json", json.dumps(record, indent=1) + "\n")
    output.write_text(folder / "find-lr.svg", find_lr.picture(curve))
    if curve.exploded:
        output.stdout.print(f"the loss grew out of bounds at a rate of {curve.rates[-1]:.2g}", highlight=False)
    else:
        output.stdout.print(f"the loss stayed in bounds up to a rate of {curve.rates[-1]:.2g}", highlight=False)
    output.stdout.print(
        f"suggestion: --set optim.lr={curve.suggestion:.2g}  (curve: {folder}/find-lr.svg)",
        highlight=False,
        markup=False,
    )
