"""Options that the training commands share."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.training.recipe import Recipe

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a TOML file.")]
TableOption = Annotated[
    Path | None, typer.Option("--table", "-t", metavar="PATH", help="Table (or annotations) to train on.")
]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder; runs/NAME if not given.")]
Epochs = Annotated[int | None, typer.Option("--epochs", metavar="N", min=1, help="Same as --set run.epochs=N.")]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most N rows a split.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key.")]
Cache = Annotated[Path | None, typer.Option("--cache", metavar="DIR", help="Keeps decoded pictures between runs.")]


def require() -> None:
    """Check that training is installed.

    Raises:
        MissingExtraError: it is not.
    """
    from mien.errors import MissingExtraError

    try:
        import lightning.pytorch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    # Lightning tells what it found (no GPU, bf16) and advertises; the commands say what matters themselves.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


Trackers = Annotated[
    list[str] | None,
    typer.Option("--tracker", metavar="NAME", help="mlflow, tensorboard, wandb or none; may be given several times."),
]


def trackers(names: list[str] | None) -> list[str]:
    """Return `--tracker` as overrides of the recipe; 'none' keeps the csv logs alone."""
    if not names:
        return []
    return [f"run.trackers={json.dumps([name for name in names if name != 'none'])}"]


def recipe(path: Path, overrides: list[str] | None, epochs: int | None) -> Recipe:
    """Read a recipe with what the command line changes in it.

    Raises:
        MissingExtraError: training is not installed.
        RecipeError: the recipe or an override does not fit.
    """
    require()
    from mien.training.recipe import load

    return load(path, [*(overrides or []), *([f"run.epochs={epochs}"] if epochs else [])])
