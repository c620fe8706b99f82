"""Work over many rows that can be killed at any moment and taken up again.

Rows are handled in fixed batches. The result of a batch is written to a small file whose name holds the digest of
everything that it depends on: the rows, the options, the program that made it. After a kill, a batch whose file is
there is read instead of done again, so the outcome is the same, bit for bit, as that of an unbroken run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mien import __version__, storage
from mien.errors import DataError
from mien.parallel import batches, map_batches, salvage

Row = dict[str, Any]
Numbered = tuple[int, list[Row]]
Lost = Callable[[Row, str], list[Row]]
QUARANTINE = "quarantine.txt"


@dataclass(frozen=True)
class Engine:
    """Says where batches run.

    Attributes:
        on: 'threads', 'processes', 'ray' or 'ray://HOST:PORT'.
        workers: batches under way at once.
        batch: rows a batch; a change of it starts interrupted work anew.
    """

    on: str = "threads"
    workers: int = 2
    batch: int = 128


@dataclass(frozen=True)
class _Work:
    """Does one batch, or reads what was done before; picklable, so that it runs in another process."""

    fn: Callable[[list[Row]], list[Row]]
    folder: Path
    key: str

    def __call__(self, numbered: Sequence[Numbered]) -> list[Row]:
        [(number, rows)] = numbered
        path = self._path(number, rows)
        if path.is_file():
            done: list[Row] = json.loads(path.read_text(encoding="ascii"))
            return done
        return self._keep(path, self.fn(rows))

    def crashed(self, numbered: Sequence[Numbered], reason: str, lost: Lost, on: str) -> list[Row]:
        """Do a batch that killed its worker: the rows that do it give what `lost` says, the others their results."""
        [(number, rows)] = numbered
        return self._keep(self._path(number, rows), salvage(self._fn, rows, reason, lost, on=on))

    def _fn(self, rows: Sequence[Row]) -> list[Row]:
        return self.fn(list(rows))

    def _path(self, number: int, rows: list[Row]) -> Path:
        said = json.dumps([self.key, rows], sort_keys=True, default=_plain).encode()
        return self.folder / f"{number:07d}-{hashlib.sha256(said).hexdigest()[:32]}.json"

    def _keep(self, path: Path, rows: list[Row]) -> list[Row]:
        # Through JSON also the first time, so that both ways give the very same values.
        text = json.dumps(rows)
        storage.write(path, text.encode("ascii"))
        again: list[Row] = json.loads(text)
        return again


def _plain(value: Any) -> Any:
    """Stand in for a value that JSON does not know: an array by its digest, a file by its name, size and date."""
    if isinstance(value, np.ndarray):
        return [list(value.shape), hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if storage.is_path(value):
        state = value.stat() if value.exists() else None
        return [str(value), state.st_size, state.st_mtime_ns] if state else str(value)
    raise TypeError(f"a row cannot hold a {type(value).__name__}")


def run(
    rows: Iterable[Row],
    fn: Callable[[list[Row]], list[Row]],
    folder: Path,
    options: Mapping[str, Any],
    engine: Engine,
    *,
    lost: Lost | None = None,
) -> Iterator[Row]:
    """Apply `fn` to batches of rows and yield the rows that come out, in order.

    Args:
        rows: what to work on.
        fn: takes a batch and returns any number of rows of plain JSON values; for processes and Ray it is picklable.
        folder: where the batches' results are kept until `finish`; made when missing.
        options: everything besides the rows that the result depends on.
        engine: where it runs.
        lost: gives what comes out of a row that killed each worker of a Ray cluster which took it up;
            without it such a row is an error.

    Raises:
        DataError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to '{folder}': {error.strerror}") from error
    work = _Work(fn, folder, json.dumps([__version__, options], sort_keys=True, default=str))
    numbered = enumerate(batches(rows, engine.batch))
    crashed = None if lost is None else partial(work.crashed, lost=lost, on=engine.on)
    for done in map_batches(work, numbered, on=engine.on, workers=engine.workers, crashed=crashed):
        yield from done


def quarantine(folder: Path, failures: Sequence[str]) -> None:
    """List what was left out, a line each, in ``quarantine.txt`` of a folder; without failures that file goes."""
    path = folder / QUARANTINE
    if failures:
        storage.write(path, "".join(f"{line}\n" for line in failures).encode("utf-8", "surrogateescape"))
    else:
        path.unlink(missing_ok=True)


def finish(folder: Path) -> None:
    """Remove what `run` kept, once the table that was made from it is written."""
    storage.remove(folder)
