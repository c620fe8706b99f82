"""`mien train sweep RECIPE`: many runs whose settings are chosen by how the earlier ones went."""

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
    trials: Annotated[int, typer.Option("--trials", metavar="N", min=1, help="Over all processes.")] = 20,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Database that processes share, such as postgresql://...; a file in DIR."),
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="ENGINE", help="Run workers: processes, ray or ray://HOST:PORT.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Of --on.")] = 2,
    epochs: _options.Epochs = None,
    limit: _options.Limit = None,
    set_: _options.Overrides = None,
) -> None:
    """Search the values of the recipe's [sweep.space] and write the best recipe.

    The same command again goes on where the sweep was, with more --trials for a longer one; started several times, on
    any machines that reach the database, it shares the trials. Trials that fall behind are stopped early.
    """
    chosen = _options.recipe(recipe, set_, epochs)
    from mien import parallel
    from mien.errors import DataError
    from mien.training import sweep, sweep_report
    from mien.training.job import Inputs
    from mien.training.recipe import read_overrides

    folder = out or Path("runs") / f"{chosen.name}-sweep"
    plan = sweep.Plan(chosen, Inputs(table, limit), folder, trials, storage)
    study = sweep.open_study(plan)
    if on is None:
        sweep.work(plan)
    else:
        plans = [sweep.absolute(plan)] * workers
        list(parallel.map_batches(sweep.work_all, plans, on=on, workers=workers))
    done = sum(trial.state.name == "COMPLETE" for trial in study.get_trials(deepcopy=False))
    if not done:
        raise DataError(f"no trial of the sweep came to its end yet; see {folder}")
    found = sweep_report.read(plan, study)
    changes = read_overrides([*(set_ or []), *([f"run.epochs={epochs}"] if epochs else [])])
    sweep_report.write(found, recipe.read_text(encoding="utf-8"), changes, folder)
    rows = [
        [
            key,
            f"{value:.4g}" if isinstance(value, float) else str(value),
            f"{found.importance[key]:.0%}" if key in found.importance else "",
        ]
        for key, value in found.settings.items()
    ]
    title = f"trial {found.best} of {len(found.trials)}: {found.monitor} {found.value:.4f}"
    output.stdout.print(output.table(title, ["key", "best", "importance#"], rows))
    said = f"report: {folder / 'sweep.html'}\nnext: mien train {folder / 'best.toml'}"
    output.stdout.print(said + (f" --table {table}" if table else ""), soft_wrap=True, highlight=False, markup=False)
