"""Reads any number of pictures into shards: parquet files that the workers write themselves.

Nothing but a shard's name and counts comes back to the caller, so neither its memory nor its time grows with the faces
found. A shard appears at once or not at all, under a name that its place in the input gives, with the digest of all
that it depends on inside; a shard that is there is not made again, and one that is made twice is the same twice.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from mien import __version__, hub, storage
from mien.errors import MissingExtraError
from mien.parallel import batches, map_batches, salvage
from mien.recognition.pipeline import Recognizer
from mien.results import Faces

#: Pictures in a shard.
SHARD = 1024
INDEX, QUARANTINE = "shards.jsonl", "quarantine.jsonl"


class Picture(NamedTuple):
    """One picture to read: what the result calls it, and where it is."""

    name: str
    path: str


@dataclass(frozen=True)
class Reading:
    """What a `Recognizer` is made of, so that each worker makes its own; reads a batch of pictures when called.

    Attributes:
        detector: name of the detector.
        model: name or folder of the expression model.
        side: see `Recognizer`.
        flip: see `Recognizer`.
        gate: limits for abstention that differ from the model's own.
        views: see `Recognizer`.
    """

    detector: str = "mien"
    model: str = "expression"
    side: int | None = None
    flip: bool = False
    gate: tuple[tuple[str, float], ...] = ()
    views: str = "one"

    def __call__(self, pictures: Sequence[Picture]) -> list[Faces]:
        """Read pictures with one thread."""
        from dataclasses import replace

        found = _recognizer(self).stream(storage.locate(picture.path) for picture in pictures)
        return [replace(faces, image=picture.name) for faces, picture in zip(found, pictures, strict=True)]

    def recognizer(self) -> Recognizer:
        """Make the recognizer."""
        made = Recognizer(
            detector=self.detector, model=self.model, side=self.side, flip=self.flip, views=self.views, workers=1
        )
        made.gate = made.gate.model_copy(update=dict(self.gate))
        return made

    def digest(self) -> str:
        """Return the sha256 of all that the results depend on besides the pictures: options, graphs, program."""
        used = {"expression": hub.find(self.model)}
        if self.detector == "mien":
            used["detector"] = hub.find("face")
        graphs = {name: (folder / "model.json").read_text(encoding="utf-8") for name, folder in used.items()}
        return hashlib.sha256(json.dumps([__version__, asdict(self), graphs], sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=2)
def _recognizer(reading: Reading) -> Recognizer:
    """Make a recognizer once a process."""
    return reading.recognizer()


@dataclass(frozen=True)
class Shard:
    """One finished shard: its file's name, digest and counts, and the pictures of it that could not be read."""

    file: str
    sha256: str
    pictures: int
    faces: int
    failed: tuple[tuple[str, str], ...]


def into_shards(
    pictures: Iterable[Picture],
    reading: Reading,
    out: Path,
    *,
    size: int = SHARD,
    on: str = "threads",
    workers: int = 2,
) -> Iterator[Shard]:
    """Read pictures into ``out/part-0000000.parquet`` and so on, and yield the shards in order as they are done.

    A row is a face; a picture without faces, or one that could not be read (column `error`), has one row. Beside the
    shards are written, once all are done: ``shards.jsonl`` (a line a shard) and ``quarantine.jsonl`` (a line for each
    picture that could not be read, with the reason).

    Args:
        pictures: in order; read as shards are done.
        reading: how.
        out: folder, also one in a store; all workers must reach it.
        size: pictures a shard.
        on: where the work runs, see `parallel.map_batches`.
        workers: shards under way at once.

    Raises:
        DataError: the folder cannot be written.
        MissingExtraError: pyarrow is not installed.
    """
    columns = _columns(reading)
    work = _Work(reading, reading.digest(), out, columns)
    index, quarantine = _Lines(out / INDEX), _Lines(out / QUARANTINE)
    numbered = ((number, part) for number, part in enumerate(batches(pictures, size)))

    def crashed(task: Sequence[tuple[int, list[Picture]]], reason: str) -> Shard:
        [(number, part)] = task
        return work.write(number, part, salvage(reading, part, reason, _lost, on=on))

    for shard in map_batches(work, numbered, on=on, workers=workers, crashed=crashed):
        index.add({**asdict(shard), "failed": len(shard.failed)})
        for image, error in shard.failed:
            quarantine.add({"image": image, "error": error})
        yield shard
    index.finish()
    quarantine.finish()


def _lost(picture: Picture, reason: str) -> list[Faces]:
    return [Faces.failed(reason, image=picture.name)]


@dataclass(frozen=True)
class _Work:
    """Makes one shard, or finds that it is there."""

    reading: Reading
    digest: str
    out: Path
    columns: tuple[tuple[str, str], ...]

    def __call__(self, task: Sequence[tuple[int, list[Picture]]]) -> Shard:
        [(number, part)] = task
        return self.found(number, part) or self.write(number, part, self.reading(part))

    def found(self, number: int, part: Sequence[Picture]) -> Shard | None:
        """Return the shard when it was made before from the very same pictures in the very same way."""
        _, parquet = _arrow()
        path = self.out / _name(number)
        if not path.exists():
            return None
        data = path.read_bytes()
        table = parquet.read_table(io.BytesIO(data))
        said = (table.schema.metadata or {}).get(b"mien.shard", b"").decode()
        return _shard(path, data, table.to_pylist(), len(part)) if said == self.key(part) else None

    def write(self, number: int, part: Sequence[Picture], results: Sequence[Faces]) -> Shard:
        """Write the shard."""
        arrow, parquet = _arrow()
        rows = [row for faces in results for row in _rows(faces)]
        fields = [arrow.field(name, arrow.type_for_alias(kind)) for name, kind in self.columns]
        schema = arrow.schema(fields, metadata={"mien.shard": self.key(part)})
        buffer = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), buffer, compression="zstd")
        path = self.out / _name(number)
        storage.write(path, buffer.getvalue())
        return _shard(path, buffer.getvalue(), rows, len(part))

    def key(self, part: Sequence[Picture]) -> str:
        """Return the digest of what a shard depends on."""
        return hashlib.sha256(json.dumps([self.digest, part]).encode()).hexdigest()


def _name(number: int) -> str:
    return f"part-{number:07d}.parquet"


def _shard(path: Path, data: bytes, rows: Sequence[dict[str, Any]], pictures: int) -> Shard:
    failed = tuple((row["image"], row["error"]) for row in rows if row["error"] is not None)
    faces = sum(row["face"] is not None for row in rows)
    return Shard(path.name, hashlib.sha256(data).hexdigest(), pictures, faces, failed)


def _rows(faces: Faces) -> list[dict[str, Any]]:
    facts = {"width": faces.width, "height": faces.height, "error": faces.error}
    return [row | facts for row in faces.to_table()] or [{"image": faces.image, "face": None, **facts}]


def _columns(reading: Reading) -> tuple[tuple[str, str], ...]:
    """Return the columns of a shard with pyarrow's names of their types."""
    numbers = ["x1", "y1", "x2", "y2", "confidence"]
    judged = ["label_confidence", "entropy", "quality"]
    heads = [f"{head.name}_{label}" for head in reading.recognizer().expression.manifest.heads for label in head.labels]
    return (
        ("image", "string"), ("face", "int32"), *((name, "float") for name in numbers), ("label", "string"),
        *((name, "float") for name in judged), ("abstained", "string"), *((name, "float") for name in heads),
        ("width", "int32"), ("height", "int32"), ("error", "string"),
    )  # fmt: skip


class _Lines:
    """A file of JSON lines that appears when it is complete, and not at all when it would be empty."""

    def __init__(self, path: Path) -> None:
        self._path, self._lines = path, list[str]()

    def add(self, record: dict[str, Any]) -> None:
        """Add a line."""
        self._lines.append(json.dumps(record, ensure_ascii=True) + "\n")

    def finish(self) -> None:
        """Write the file, or remove that of an earlier run."""
        if self._lines:
            storage.write(self._path, "".join(self._lines).encode())
        else:
            self._path.unlink(missing_ok=True)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing shards", "data") from error
    return pyarrow, pyarrow.parquet
