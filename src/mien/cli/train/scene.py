"""`mien train scene`: photos with valence and arousal in; a model folder for whole pictures out."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output


def command(
    table: Annotated[Path, typer.Argument(help="Table with valence and arousal ('mien data import oasis').")],
    start: Annotated[Path, typer.Option(metavar="NPZ", help="Keras weights of MobileNetV1 0.75 to start from.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Model folder to write.")],
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the cross-validation's figures.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds, each of whole themes.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 0,
) -> None:
    """Fit valence and arousal of whole pictures on the features of a network of others, and export the model.

    The figures are of a cross-validation that never parts photos of one theme; the model that is written was fitted on
    all of them.
    """
    from mien.curation.table import open_table
    from mien.export import scene as exporting
    from mien.training import scene

    source = open_table(table)
    net = scene.network(start)
    photos = scene.read(source, net, say=_say)
    found = scene.crossval(photos, folds=folds, seed=seed)
    measured = scene.figures(photos.target, found)
    probe = scene.fit(photos, folds=folds, seed=seed)
    made = exporting.export(net, probe, source, measured, out, say=_say)
    rows = [
        [value, name, f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}"]
        for value, named in measured.items()
        for name, figure in named.items()
    ]
    output.stdout.print(output.table(f"{len(photos)} photos, {folds} folds", ["value", "figure", "is#", "95 %#"], rows))
    for key, graph in made.graphs.items():
        default = " (default)" if key == made.default else ""
        output.stdout.print(f"{out / graph.file}: {graph.size / 1e6:.2f} MB{default}", highlight=False, markup=False)
    if json is not None:
        clear, right = scene.same_sign(photos.target, found)
        record = {
            "scene": made.name,
            "dataset": made.data[0].name,
            "digest": made.data[0].digest,
            "n": len(photos),
            "themes": len(set(photos.group)),
            "folds": folds,
            "seed": seed,
            "says": exporting.PROTOCOL,
            "figures": {v: {name: figure.to_dict() for name, figure in named.items()} for v, named in measured.items()},
            "valence beyond 0.3": {"photos": clear, "on the same side as raters": right},
            "recipe": made.recipe,
        }
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_text(json_module.dumps(record, indent=2) + "\n", encoding="utf-8")


def _say(line: str) -> None:
    output.stderr.print(line, highlight=False, markup=False)
