"""Import: a reader's samples become a table with pictures beside it.

Samples that come as pixels are written as PNG files (lossless, and nothing in them but the pixels); samples that come
as files are copied, or linked where that is asked for. A picture that cannot be read is left out and reported. The
work runs in batches that survive a kill (see `shards`).
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, get_type_hints

import cv2
import numpy as np

from mien import storage
from mien.curation import measure, shards
from mien.curation.shards import Engine
from mien.curation.table import Origin, Table, TableWriter, open_table
from mien.datasets import READERS, Info, Sample
from mien.errors import DataError, ImageError, UnknownNameError

IMAGES = "images"


@dataclass(frozen=True)
class Imported:
    """Says what an import did.

    Attributes:
        table: the table that was written; None in a dry run.
        count: rows.
        failures: pictures that were left out, each with the reason.
    """

    table: Table | None
    count: int
    failures: tuple[str, ...]


def reader_options(name: str, given: dict[str, str]) -> dict[str, Any]:
    """Turn options given as text into what a reader takes.

    Raises:
        UnknownNameError: no such reader, or it has no such option.
        DataError: a required option is missing, or a yes-or-no option says neither.
    """
    read = READERS.module(name).read
    parameters = dict(list(inspect.signature(read).parameters.items())[1:])
    hints = get_type_hints(read)
    for key in given:
        if key not in parameters:
            raise UnknownNameError(f"option of the reader '{name}'", key, parameters)
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in given:
            raise DataError(f"the reader '{name}' needs the option '{key}': --option {key}=...")
    return {key: _typed(key, value, hints[key]) for key, value in given.items()}


def _typed(key: str, value: str, hint: Any) -> Any:
    if hint is bool:
        if value.lower() not in {"yes", "no", "true", "false"}:
            raise DataError(f"option '{key}' is yes or no, not '{value}'")
        return value.lower() in {"yes", "true"}
    return Path(value) if "Path" in str(hint) else value


def import_dataset(
    name: str,
    source: Path,
    out: Path,
    *,
    engine: Engine | None = None,
    link: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda done: None,
    **options: Any,
) -> Imported:
    """Read a data set with its reader and write ``out/table.parquet`` and ``out/images/``.

    Args:
        name: key of the reader.
        source: the data set's file or folder.
        out: folder to write.
        engine: where pictures are read and written.
        link: make hard links instead of copies where the file system allows it.
        dry_run: read everything and write nothing.
        progress: called with the number of rows done so far.
        **options: passed to the reader.

    Raises:
        DataError: from the reader, or when nothing was read.
        UnknownNameError: no reader of that name.
    """
    module = READERS.module(name)
    info: Info = module.INFO
    source, out = storage.locate(source), storage.locate(out)
    same = storage.is_remote(source) == storage.is_remote(out)
    if same and source.is_dir() and out.resolve().is_relative_to(source.resolve()) and not dry_run:
        raise DataError(f"the table cannot go into '{out}', inside the data set itself; give a folder beside it")
    samples = module.read(source, **{key: value for key, value in options.items() if value is not None})
    store = _Store(name, info, out, link, dry_run)
    items: Iterator[dict[str, Any]] = ({"sample": sample} for sample in samples)
    if dry_run:
        rows = (row for item in items for row in store([item]))
        return _collect(rows, None, progress, source)
    first = next(items, None)  # a data set that is refused leaves no folder behind
    if first is None:
        raise _nothing(source)
    items = chain([first], items)
    (out / IMAGES).mkdir(parents=True, exist_ok=True)
    parts = out / ".import"
    made = shards.run(items, store, parts, {"reader": name, "link": link}, engine or Engine(), lost=_lost)
    with TableWriter(out / "table.parquet", Origin(info.title, info.licence, info.citation)) as writer:
        done = _collect(made, writer, progress, source)
    shards.quarantine(out, done.failures)
    shards.finish(parts)
    return Imported(open_table(writer.path), done.count, done.failures)


def _collect(
    rows: Iterator[dict[str, Any]], writer: TableWriter | None, progress: Callable[[int], None], source: Path
) -> Imported:
    count, failures = 0, []
    for row in rows:
        if "failure" in row:
            failures.append(row["failure"])
            continue
        if writer is not None:
            writer.add(row)
        count += 1
        progress(count)
    if count == 0:
        raise _nothing(source, failures)
    return Imported(None, count, tuple(failures))


def _nothing(source: Path, failures: Sequence[str] = ()) -> DataError:
    why = f"; the first of {len(failures)} pictures that failed: {failures[0]}" if failures else ""
    return DataError(f"'{source}' holds no samples{why}")


def _lost(item: dict[str, Any], reason: str) -> list[dict[str, Any]]:
    return [{"failure": f"{item['sample'].name}: {reason}"}]


@dataclass(frozen=True)
class _Store:
    """Writes the pictures of a batch of samples and returns their rows."""

    name: str
    info: Info
    out: Path
    link: bool
    dry_run: bool

    def __call__(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # The faces of one picture come one after the other: it is read and written once.
        last: tuple[str, dict[str, Any]] = ("", {})
        rows: list[dict[str, Any]] = []
        for item in items:
            sample: Sample = item["sample"]
            try:
                facts = last[1] if sample.pixels is None and sample.name == last[0] else self._facts(sample)
            except ImageError as error:
                rows.append({"failure": f"{sample.name}: {error}"})
                continue
            last = (sample.name, facts)
            rows.append({**_said(sample, self.name, self.info), **facts})
        return rows

    def _facts(self, sample: Sample) -> dict[str, Any]:
        """Write a sample's picture and return what is measured of it."""
        image = f"{IMAGES}/{sample.name}"
        target = self.out / image
        if sample.name.startswith("/") or ".." in sample.name.split("/"):
            raise DataError(f"sample name '{sample.name}' leaves the folder of the table")
        try:
            sample.name.encode()
        except UnicodeEncodeError as error:
            raise ImageError("the file name is not UTF-8; rename the file") from error
        if not self.dry_run and "/" in sample.name:
            target.parent.mkdir(parents=True, exist_ok=True)
        if sample.pixels is not None:
            return {"image": image, **self._encode(sample.pixels, target)}
        if sample.path is None:
            raise DataError(f"sample '{sample.name}' has no picture; import the data set that holds its pictures")
        facts = measure.of_file(sample.path)
        if not self.dry_run:
            storage.place(sample.path, target, link=self.link)
        return {"image": image, **facts}

    def _encode(self, pixels: np.ndarray[Any, np.dtype[np.uint8]], target: Path) -> dict[str, Any]:
        grey = pixels.ndim == 2
        rgb = np.repeat(pixels[..., None], 3, axis=2) if grey else pixels
        done, buffer = cv2.imencode(".png", pixels if grey else np.ascontiguousarray(pixels[..., ::-1]))
        if not done:
            raise ImageError(f"pixels of shape {pixels.shape} cannot be written as PNG")
        data = buffer.tobytes()
        if not self.dry_run:
            target.write_bytes(data)
        return {"sha256": hashlib.sha256(data).hexdigest(), **measure.of_pixels(rgb)}


def _said(sample: Sample, name: str, info: Info) -> dict[str, Any]:
    """Return the columns that the data set itself says."""
    votes = dict(sample.votes)
    votes_set = next(iter(votes), None)
    return {
        "label": sample.label,
        "label_set": (sample.label_set or info.label_set) if sample.label is not None else None,
        "votes": None if votes_set is None else votes.pop(votes_set).tolist(),
        "votes_set": votes_set,
        "votes_outside": None if sample.votes_outside is None else sample.votes_outside.tolist(),
        "other_labels": dict(sample.other_labels) or None,
        "other_votes": {key: value.tolist() for key, value in votes.items()} or None,
        "split": sample.split,
        "subject": sample.subject,
        "source": name,
        "licence": info.licence,
        "box": None if sample.box is None else sample.box.ravel().tolist(),
        "points": None if sample.points is None else sample.points.ravel().tolist(),
        "group": sample.group,
        "ignore": sample.ignore,
        **sample.numbers,
    }
