"""`mien train RECIPE`: one run, from a recipe to a checkpoint."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output
from mien.cli.train import _options


def command(
    recipe: _options.RecipeFile,
    table: _options.TableOption = None,
    out: _options.Out = None,
    epochs: _options.Epochs = None,
    limit: _options.Limit = None,
    set_: _options.Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all of it, say what would run, train nothing.")
    ] = False,
    cache: _options.Cache = None,
    tracker: _options.Trackers = None,
    on: Annotated[str | None, typer.Option("--on", metavar="ENGINE", help="ray or ray://HOST:PORT: Ray Train.")] = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Of --on; they share a batch.")] = 2,
) -> None:
    """Train a model from a recipe; ends with the checkpoint, the validation figures and the export command."""
    chosen = _options.recipe(recipe, [*(set_ or []), *_options.trackers(tracker)], epochs)
    from mien.training import placement, run, trackers
    from mien.training.job import Inputs

    inputs = Inputs(table, limit, cache)
    folder = out or Path("runs") / chosen.name
    if dry_run:
        summary = dict(run.prepare(chosen, inputs).summary)
        rows = [
            ["recipe", chosen.name],
            ["task", chosen.task],
            ["folder", str(folder)],
            ["epochs", str(chosen.run.epochs)],
        ]
        rows += [[key, value] for key, value in summary.items()]
        output.stdout.print(output.table(None, ["what", "value"], rows))
        return
    if chosen.run.trackers is None:
        usual = {"run": chosen.run.model_copy(update={"trackers": trackers.usual()})}
        chosen = chosen.model_copy(update=usual)
    if on is None:
        outcome = run.train(chosen, inputs, folder, resume=resume)
    else:
        from mien.training import ray_train

        outcome = ray_train.train(chosen, inputs, folder, on=on, workers=workers, resume=resume)
    if not placement.first():
        return
    rows = [[key.removeprefix("val/"), f"{value:.4f}"] for key, value in sorted(outcome.metrics.items())]
    output.stdout.print(output.table(f"validation figures of {outcome.best}", ["figure", "value"], rows))
    words = [
        "mien",
        "export",
        str(outcome.best),
        *(["--table", str(table)] if table else []),
        "-o",
        str(folder / "model"),
    ]
    output.stdout.print(f"next: {shlex.join(words)}", soft_wrap=True, highlight=False, markup=False)
