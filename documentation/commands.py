"""Writes a page a command group from the Typer app itself, so that the reference says what `--help` says."""

from __future__ import annotations

import importlib

import typer
from typer.cli import get_docs_for_click

from mien.cli.main import COMMANDS


def pages() -> dict[str, str]:
    """Return the pages by their path below docs/generated."""
    made = {f"commands/{name}.md": command(name) for name in COMMANDS}
    rows = "".join(f"| [`mien {name}`]({name}.md) | {line} |\n" for name, line in COMMANDS.items())
    made["commands/index.md"] = (
        "# Commands\n\nWhat each command's `--help` says. Exit codes: 0 done, 1 done in part, 2 wrong usage or nothing "
        f"readable, 130 interrupted.\n\n| command | what it does |\n|---|---|\n{rows}"
    )
    return made


def command(name: str) -> str:
    """Return the page of one command and of all commands below it."""
    module = importlib.import_module(f"mien.cli.{name}")
    if hasattr(module, "app"):
        found = typer.main.get_command(module.app)
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name=name)(module.command)
        found = typer.main.get_command(single)
    context = typer.Context(found, info_name=f"mien {name}")
    text = get_docs_for_click(obj=found, ctx=context, name=f"mien {name}")
    return text.replace("```console", "```text")
