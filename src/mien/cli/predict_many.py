"""Reads pictures for `mien predict` by the million: from folders, tables and stores, on other processes or Ray."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from mien import storage
from mien.cli import output
from mien.errors import MienError

if TYPE_CHECKING:
    from mien.recognition.bulk import Picture, Reading
    from mien.results import Faces


def shards(paths: list[str], reading: Reading, out: str, size: int, on: str, workers: int | None) -> tuple[int, int]:
    """Read into shards, with a bar, and return the number of pictures that were read and that failed."""
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from mien.recognition import bulk

    read = failed = faces = 0
    columns = (SpinnerColumn(), TextColumn("reading"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=output.stderr, transient=True) as progress:
        bar = progress.add_task("reading", total=None)
        found = bulk.into_shards(
            _any(pictures(paths)), reading, storage.locate(out), size=size, on=on, workers=_workers(workers)
        )
        for shard in found:
            failed += len(shard.failed)
            read, faces = read + shard.pictures - len(shard.failed), faces + shard.faces
            progress.update(bar, completed=read + failed)
    said = f"{out}: {faces:,} faces of {read:,} pictures"
    output.stderr.print(said, highlight=False, markup=False, soft_wrap=True)
    if failed:
        output.warn(f"{failed:,} pictures could not be read: {out.rstrip('/')}/{bulk.QUARANTINE} says why")
    return read, failed


def stream(paths: list[str], reading: Reading, on: str, workers: int | None) -> Iterator[Faces]:
    """Read elsewhere and yield the results here, in order."""
    from mien.parallel import map_batches

    for results in map_batches(reading, _any(pictures(paths)), size=32, on=on, workers=_workers(workers)):
        yield from results


def pictures(paths: list[str]) -> Iterator[Picture]:
    """List the pictures of files, folders and tables (.parquet) one by one, however many there are.

    Raises:
        MienError: a folder cannot be listed.
    """
    from mien.imaging import image
    from mien.recognition.bulk import Picture

    for text in paths:
        path = storage.locate(text)
        if path.suffix == ".parquet":
            yield from _of_table(path)
        elif _is_folder(path):
            yield from (Picture(str(found), str(found)) for found in image.find(path))
        else:
            yield Picture(text, text)


def _is_folder(path: Path) -> bool:
    with storage.problems(str(path)):
        return path.is_dir()


def _of_table(path: Path) -> Iterator[Picture]:
    from mien.curation.table import open_table
    from mien.recognition.bulk import Picture

    table = open_table(path)
    for name, _ in groupby(table.rows(["image"]), key=itemgetter("image")):
        yield Picture(name, str(table.root / name))


def _any(found: Iterator[Picture]) -> Iterator[Picture]:
    """Refuse an empty listing before any worker starts."""
    first = next(found, None)
    if first is None:
        raise MienError("nothing to read: give pictures, tables, or folders that hold some")
    return chain([first], found)


def _workers(given: int | None) -> int:
    return given or os.cpu_count() or 1
