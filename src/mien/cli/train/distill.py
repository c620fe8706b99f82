"""`mien train distill RECIPE --teacher ...`: a run whose network learns from others beside the targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.train import _options, run


def command(
    recipe: _options.RecipeFile,
    teacher: Annotated[list[Path], typer.Option("--teacher", metavar="PATH", help="Checkpoint or model folder.")],
    table: _options.TableOption = None,
    out: _options.Out = None,
    temperature: Annotated[float, typer.Option(metavar="T", min=0.01, help="Softens both sides.")] = 3.0,
    share: Annotated[float, typer.Option(metavar="S", min=0.01, max=1.0, help="Of the teachers in the loss.")] = 0.7,
    once: Annotated[
        bool, typer.Option("--once", help="Ask them once about the plain pictures; costs a step nothing.")
    ] = False,
    unlabelled: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="Crops without labels, of which the teachers alone speak.")
    ] = None,
    epochs: _options.Epochs = None,
    limit: _options.Limit = None,
    set_: _options.Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")] = False,
    tracker: _options.Trackers = None,
) -> None:
    """Train a student on the targets and on its teachers' mean answer to the very same pictures."""
    teaching = [
        f"teaching.teachers={json.dumps([str(path) for path in teacher])}",
        f"teaching.temperature={temperature}",
        f"teaching.share={share}",
        f"teaching.once={str(once).lower()}",
    ]
    if unlabelled:
        teaching.append(f"teaching.unlabelled={json.dumps(str(unlabelled))}")
    changes = [*(set_ or []), *teaching]
    run.command(recipe, table=table, out=out, epochs=epochs, limit=limit, set_=changes, resume=resume, tracker=tracker)
