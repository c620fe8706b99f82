"""`mien models`: what is installed, what a model is, and whether its files are what they should be."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer

from mien.cli import output

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="List, show and verify models."
)


@app.command("list")
def list_models(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List installed models, and files of others that can be fetched by name."""
    from mien import hub, manifest
    from mien.errors import ModelError

    models: list[dict[str, object]] = []
    for name, folder in hub.folders():
        try:
            made = manifest.read(folder)
        except ModelError as error:
            models.append({"name": name, "folder": str(folder), "error": str(error)})
            continue
        size = made.graphs[made.default].size
        models.append(
            {
                "name": name, "version": made.version, "task": made.task, "default": made.default, "bytes": size,
                "licence": made.licence, "folder": str(folder), "error": None,
            }
        )  # fmt: skip
    others = [entry._asdict() for entry in hub.downloads().values()]
    if json:
        typer.echo(json_module.dumps({"models": models, "downloads": others}, indent=2))
        return
    rows = [
        [str(m["name"]), str(m.get("version", "")), str(m.get("task", "")), _megabytes(m.get("bytes")),
         str(m["error"] or m.get("default", "")), str(m["folder"])]
        for m in models
    ]  # fmt: skip
    output.stdout.print(output.table("installed", ["model", "version", "task", "size#", "graph", "folder"], rows))
    rows = [[entry["name"], entry["file"], entry["licence"], entry["what"]] for entry in others]
    output.stdout.print(output.table("fetched on request", ["name", "file", "licence", "what"], rows))


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="Name or folder of a model.")],
    json: Annotated[bool, typer.Option("--json", help="Print model.json as it is read.")] = False,
) -> None:
    """Show a model's card."""
    from mien import hub, manifest

    folder = hub.find(model)
    made = manifest.read(folder)
    if json:
        typer.echo(made.model_dump_json(indent=2, exclude_none=True))
        return
    path = folder / "card.md"
    if path.is_file():
        from rich.markdown import Markdown

        output.stdout.print(Markdown(path.read_text(encoding="utf-8")))
        return
    output.stdout.print(f"{made.name} {made.version}: {made.description or made.task} ({folder})", highlight=False)


@app.command()
def verify(
    models: Annotated[list[str] | None, typer.Argument(help="Names or folders; default all installed.")] = None,
) -> None:
    """Check digests, that each graph runs, and that its outputs fit the manifest.

    Exit code 2 when a model is damaged; the others are still checked.
    """
    from mien import hub, manifest
    from mien.errors import MienError, ModelError
    from mien.runtime import Session

    names = models or [str(folder) for _, folder in hub.folders()]
    if not names:
        raise ModelError("no model is installed")
    bad = 0
    for name in names:
        try:
            folder = hub.find(name)
            made = manifest.read(folder)
            manifest.verify(folder, made)
            for precision in made.graphs:
                Session(folder, precision=precision)
        except MienError as error:
            bad += 1
            output.stderr.print(f"{name}: {error}", style="red", highlight=False, markup=False)
        else:
            output.stdout.print(f"{name}: good ({', '.join(made.graphs)})", highlight=False, markup=False)
    raise typer.Exit(2 if bad else 0)


@app.command()
def push(
    model: Annotated[str, typer.Argument(help="Name or folder of a model.")],
    to: Annotated[str, typer.Argument(metavar="ADDRESS", help="s3://BUCKET/FOLDER, or models:/NAME of MLflow.")],
) -> None:
    """Copy a model to an object store, or register it in MLflow; --model ADDRESS uses it from there."""
    from mien import hub

    output.stdout.print(hub.publish(model, to), highlight=False, markup=False, soft_wrap=True)


def _megabytes(size: object) -> str:
    return f"{size / 1e6:.1f} MB" if isinstance(size, int) else ""
