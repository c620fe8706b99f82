"""Options and endings that the data commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien import storage
from mien.cli import output

if TYPE_CHECKING:
    from mien.curation.shards import Engine
    from mien.curation.table import Table

# A path of these may also lie in a store: s3://BUCKET/FOLDER.
TableArgument = Annotated[
    Path,
    typer.Argument(metavar="TABLE", help="A table, or the folder with table.parquet.", parser=storage.locate),
]
Out = Annotated[
    Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the new table.", parser=storage.locate)
]
NewTable = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="DIR|FILE", help="The new table.", parser=storage.locate)
]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write what was found as JSON.", parser=storage.locate)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and write nothing.")]
On = Annotated[
    str, typer.Option("--on", metavar="KIND", help="Where work runs: threads, processes, ray or ray://HOST:PORT.")
]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Batches under way at once.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Fixes every random choice.")]


def engine(on: str, workers: int) -> Engine:
    """Make an engine of the options `--on` and `--workers`.

    Raises:
        UnknownNameError: no engine of that name.
    """
    from mien.curation.shards import Engine
    from mien.parallel import check

    return Engine(check(on), workers)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error; what it gives is called with the number of rows done so far."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=output.stderr, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def write_json(content: Any, path: Path) -> None:
    """Write plain JSON types to a file, here or in a store.

    Raises:
        DataError: it cannot be written.
    """
    storage.write(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def wrote(table: Table, note: str = "") -> None:
    """Say where a table was written and what it holds."""
    counts: dict[str, int] = {}
    for row in table.rows(["split"]):
        key = row["split"] or "no split"
        counts[key] = counts.get(key, 0) + 1
    parts = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    text = f"{table.path}: {len(table):,} rows ({parts}){'; ' + note if note else ''}"
    output.stdout.print(text, soft_wrap=True, highlight=False, markup=False)


def failed(failures: Sequence[str]) -> None:
    """Report pictures that failed and end with exit code 1, if there are any."""
    for text in failures[:10]:
        output.warn(text)
    if failures:
        more = f", of which the first {10} are shown" if len(failures) > 10 else ""
        output.warn(f"{len(failures):,} pictures were left out{more}")
        raise typer.Exit(1)
