"""Entry point of the command line.

A file of this folder that has `app` (a Typer group) becomes `mien NAME ...`, one that has `command` (a function)
becomes `mien NAME`. `--help` lists all of them from their summaries alone; only the command that is run is imported.
Failures from outside end as one line and exit code 2.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from mien import __version__
from mien.errors import MienError, UnknownNameError

# Name of each command (its file), and the line that `--help` shows for it.
COMMANDS: dict[str, str] = {
    "predict": "Read the expressions of faces in pictures, folders and videos.",
    "models": "List, show and verify models.",
    "info": "Show versions, providers and models.",
    "bench": "Measure latency and throughput on this machine.",
    "data": "Import, clean, split, audit and report data sets.",
    "train": "Train a model from a recipe.",
    "export": "Turn a checkpoint into a model folder.",
    "evaluate": "Score a model on a table.",
    "reproduce": "Measure a model's figures again and compare.",
    "explain": "Show which parts of a face a model used.",
    "landmarks": "Write 478 landmarks, blendshapes and head pose to a table.",
    "watch": "Watch a camera or a clip in the terminal.",
    "react": "Say which emoji reactions fit a picture.",
    "serve": "Serve predictions over HTTP and WebSocket.",
    "label": "Get labels where they matter: queue, annotate, review, apply, loop.",
    "synth": "Fill gaps with balanced synthetic faces.",
}


class _LazyGroup(TyperGroup):
    """Imports a command's module when the command is run or its own help is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name in COMMANDS if importlib.util.find_spec(f"mien.cli.{name}")]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        if not ctx.meta.get("mien.running"):
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name], rich_markup_mode=None)
        return _load(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        ctx.meta["mien.running"] = True
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            raise UnknownNameError("command", args[0], known)
        return super().resolve_command(ctx, args)


def _load(name: str) -> Any:
    module = importlib.import_module(f"mien.cli.{name}")
    if hasattr(module, "app"):
        return typer.main.get_command(module.app)
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    single.command(name=name)(module.command)
    return typer.main.get_command(single)


app = typer.Typer(
    name="mien",
    cls=_LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Read perceived emotion from pictures: offline, calibrated, measured.",
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 done in part, 2 wrong usage or nothing readable, 130 interrupted."""
    try:
        code = app(arguments, standalone_mode=False)
    except typer.Abort:
        code = 130
    except typer.Exit as error:
        code = error.exit_code
    except typer.TyperException as error:
        message = error.format_message()
        print(message if message.startswith("Usage:") else f"mien: {message}", file=sys.stderr)
        code = 2
    except MienError as error:
        print(f"mien: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        from mien import storage

        if not storage.refused(error):
            raise
        print(f"mien: an object store refuses: {str(error).strip() or type(error).__name__}", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        # The reader of our output has gone (`mien ... | head`); what is left in the buffer has no place to go.
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
