"""Where the results of a command go: JSON lines, csv, annotated pictures, a table on the terminal."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mien import storage
from mien.errors import MienError

if TYPE_CHECKING:
    from mien.results import Faces

stdout = Console()
stderr = Console(stderr=True)


def say(text: str) -> None:
    """Print a line as it is, for as wide a terminal as it takes."""
    stdout.print(text, highlight=False, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Say something on standard error, on one line whatever the terminal's width."""
    stderr.print(text, style="yellow", soft_wrap=True, highlight=False, markup=False)


def open_text(target: str, stack: ExitStack) -> IO[str]:
    """Open a file for writing, or standard output for '-'.

    Raises:
        MienError: the file cannot be written.
    """
    if target == "-":
        return sys.stdout
    if storage.is_url(target):
        with storage.problems(target):
            return stack.enter_context(storage.locate(target).open("w", encoding="utf-8", newline=""))
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(open(target, "w", encoding="utf-8", newline="", errors="surrogateescape"))
    except OSError as error:
        raise MienError(f"cannot write {target}: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write a whole text file and the folders above it.

    Raises:
        MienError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MienError(f"cannot write {path}: {error.strerror}") from error


def write_json(target: str, record: dict[str, Any]) -> None:
    """Write a record to a file, or to standard output where the target is '-'."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if target == "-":
        typer.echo(text, nl=False)
    else:
        write_text(Path(target), text)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on the terminal; the block gets a function of steps done and steps in all."""
    with steps() as start:
        yield start(title)


@contextmanager
def steps() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Show a bar a step on the terminal; the block gets a function from a step's title to its progress function."""
    with Progress(console=stderr, transient=True) as bar:

        def start(title: str) -> Callable[[int, int], None]:
            task = bar.add_task(title, total=None)
            return lambda done, total: bar.update(task, completed=done, total=total)

        yield start


class JsonLines:
    """Writes one JSON object a line and flushes it, so that a reader sees results as they come."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, record: dict[str, Any]) -> None:
        """Write one record."""
        # Lone surrogates (file names that are not UTF-8) are escaped by ASCII output; nothing else is.
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        try:
            text.encode()
        except UnicodeEncodeError:
            text = json.dumps(record, allow_nan=False)
        self._stream.write(text + "\n")
        self._stream.flush()


class Csv:
    """Writes one row a face; the first face decides the columns."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._writer = stream, csv.writer(stream)
        self._columns: list[str] = []

    def write(self, faces: Faces) -> None:
        """Write the faces of one picture."""
        self.write_rows(faces.to_table())

    def write_rows(self, rows: list[dict[str, Any]]) -> None:
        """Write flat rows."""
        for row in rows:
            if not self._columns:
                self._columns = list(row)
                self._writer.writerow(self._columns)
            self._writer.writerow([row.get(column) for column in self._columns])
        self._stream.flush()


def table(title: str | None, columns: list[str], rows: list[list[str]]) -> Table:
    """Make a table; columns whose name ends with '#' are numbers, set to the right."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column.rstrip("#"), justify="right" if column.endswith("#") else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made
