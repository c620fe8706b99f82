"""`mien react`: which emoji reactions fit a picture."""

from __future__ import annotations

import io
import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    picture: Annotated[Path, typer.Argument(help="A picture.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Policy in TOML in place of the one inside the package.")
    ] = None,
    detector: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="Face detector: mien, yunet, none, a model.")
    ] = "mien",
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Expression model.")] = "expression",
    scene: Annotated[
        str | None, typer.Option(metavar="NAME|FOLDER", help="Whole-picture model; default the first installed.")
    ] = None,
) -> None:
    """Say which emoji reactions fit a picture, and why the others do not."""
    from mien import reactions
    from mien.imaging import image
    from mien.recognition import scene as whole
    from mien.recognition.pipeline import Recognizer

    rules = reactions.load_policy(policy)
    pixels = image.read(picture)
    faces = Recognizer(detector=detector, model=model).read([pixels], [str(picture)])[0]
    looker = whole.load(scene)
    heads = looker.read(pixels) if looker else {}
    decided = reactions.react(faces, looker.emotions(heads) if looker else None, rules)
    conveyed = {
        label: round(float(value), 4)
        for head in heads.values()
        for label, value in zip(head.labels, head.values[0], strict=True)
    }
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # a terminal set to ASCII would refuse the emoji
    if json:
        record = {"image": str(picture), "faces": len(faces), "scene": conveyed or None, **decided.to_dict()}
        typer.echo(jsonlib.dumps(record, ensure_ascii=False))
        return
    seen = ", ".join(f"{name} {decided.emotion_scores[name]:.2f}" for name in decided.predicted_emotions)
    typer.echo(f"emotions  {seen or 'none'} ({decided.note})")
    if conveyed:
        typer.echo(f"picture   {', '.join(f'{label} {value:.2f}' for label, value in conveyed.items())}")
    typer.echo(f"allowed   {' '.join(decided.allowed_emojis)}")
    typer.echo(f"blocked   {' '.join(decided.blocked_emojis) or 'none'}")
    for decision in decided.decisions:
        if decision.status == "blocked":
            typer.echo(f"  {decision.reason}")
