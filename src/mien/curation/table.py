"""The table: one parquet schema for every data set, the hand-over from curation to training and evaluation.

A row is one picture, or one face in a picture. Image names are relative to the table's folder, with forward slashes.
Everything that a data set does not say is null. The file's metadata say where the rows come from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from mien import storage
from mien.errors import DataError

VERSION = "1"
SPLITS = ("train", "val", "test")
FLOATS = pa.list_(pa.float32())

#: Columns of a table. `votes` are votes or strengths over `votes_set`; `votes_outside` are votes for none of them.
#: `other_labels` and `other_votes` hold what a data set says in further label sets, by the set's name.
#: Rows of one `group` (or `subject`) stay in one split; a box to `ignore` is neither hit nor miss; `weight` is a row's
#: share in the loss. `labelled_by` is JSON that says who gave a label that the data set did not bring; `synthetic` rows
#: show nobody who lives.
SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("label_set", pa.string()),
        pa.field("votes", FLOATS),
        pa.field("votes_set", pa.string()),
        pa.field("votes_outside", FLOATS),
        pa.field("other_labels", pa.map_(pa.string(), pa.string())),
        pa.field("other_votes", pa.map_(pa.string(), FLOATS)),
        pa.field("split", pa.string()),
        pa.field("subject", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("licence", pa.string()),
        pa.field("box", FLOATS),
        pa.field("points", FLOATS),
        pa.field("valence", pa.float32()),
        pa.field("arousal", pa.float32()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("sha256", pa.string()),
        pa.field("phash", pa.string()),
        pa.field("brightness", pa.float32()),
        pa.field("sharpness", pa.float32()),
        pa.field("quality", pa.float32()),
        pa.field("group", pa.string()),
        pa.field("ignore", pa.bool_()),
        pa.field("weight", pa.float32()),
        pa.field("labelled_by", pa.string()),
        pa.field("synthetic", pa.bool_()),
    ]
)
#: Columns that tables of this version may lack, because they came later; they read as null, and where they are null
#: they do not count in the digest.
LATER = ("labelled_by", "synthetic")


@dataclass(frozen=True)
class Origin:
    """Says where a table's rows come from; kept in the file's metadata.

    Attributes:
        title: name of the data set or of what was done.
        licence: terms in one line.
        citation: whom to cite.
        note: anything that a reader of the table must know.
    """

    title: str = ""
    licence: str = ""
    citation: str = ""
    note: str = ""


@dataclass
class TableWriter:
    """Writes rows in a stream: memory stays at one row group, and the file appears only when it is complete.

    Attributes:
        path: the parquet file to write.
        origin: goes into the file's metadata.
        group: rows a row group.
    """

    path: Path
    origin: Origin = field(default_factory=Origin)
    group: int = 4096

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self.path.with_name(self.path.name + ".partial")
        metadata = {
            "mien.version": VERSION,
            "mien.origin": json.dumps(self.origin.__dict__, ensure_ascii=False, sort_keys=True),
        }
        system, name = storage.arrow(self._partial)
        schema = SCHEMA.with_metadata(metadata)
        self._writer = pq.ParquetWriter(name, schema, compression="zstd", filesystem=system)
        self._rows: list[dict[str, Any]] = []
        self.count = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Add one row; columns that it lacks become null.

        Raises:
            DataError: an unknown column, a bad split or an image name that leaves the folder.
        """
        unknown = set(row) - set(SCHEMA.names)
        if unknown:
            known = ", ".join(SCHEMA.names)
            raise DataError(f"no column named {', '.join(sorted(unknown))} in a table; known: {known}")
        _check(row.get("image"), row.get("split"), f"row {self.count}")
        self._rows.append(dict(row))
        self.count += 1
        if len(self._rows) >= self.group:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            try:
                self._writer.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA))
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise DataError(f"a row before row {self.count} does not fit the table: {error}") from error
            self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()
            if kind is not None:
                self._partial.unlink(missing_ok=True)
        if kind is None:
            storage.move(self._partial, self.path)


def _check(image: object, split: object, where: str) -> None:
    if not isinstance(image, str) or not image:
        raise DataError(f"{where}: a row needs an image name")
    if image.startswith("/") or ".." in image.split("/"):
        raise DataError(f"{where}: image '{image}' leaves the table's folder; names must be relative to it")
    if split is not None and split not in SPLITS:
        raise DataError(f"{where}: split '{split}' is none of {', '.join(SPLITS)}")


@dataclass(frozen=True)
class Table:
    """A table file that was opened and checked.

    Attributes:
        path: the parquet file.
        origin: what its metadata say.
    """

    path: Path
    origin: Origin

    @property
    def root(self) -> Path:
        """Return the folder that image names are relative to."""
        return self.path.parent

    def __len__(self) -> int:
        with self._file() as file:
            return int(file.metadata.num_rows)

    def read(self, columns: Sequence[str] | None = None, *, split: str | None = None) -> pa.Table:
        """Read columns (all by default) of one split (all rows by default), in file order."""
        wanted = SCHEMA.names if columns is None else list(columns)
        system, name = storage.arrow(self.path)
        only = None if split is None else [("split", "=", split)]
        found: pa.Table = pq.read_table(name, columns=self._present(wanted), filters=only, filesystem=system)
        for name in wanted:
            if name not in found.column_names:
                found = found.append_column(SCHEMA.field(name), pa.nulls(len(found), SCHEMA.field(name).type))
        return found.select(wanted)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield rows as plain dicts, a row group in memory at a time."""
        wanted = SCHEMA.names if columns is None else list(columns)
        missing = dict.fromkeys(set(wanted) - set(self._present(wanted)))
        with self._file() as file:
            for batch in file.iter_batches(4096, columns=self._present(wanted)):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    yield {**row, **missing}

    def _present(self, wanted: Sequence[str]) -> list[str]:
        system, name = storage.arrow(self.path)
        names = set(pq.read_schema(name, filesystem=system).names)
        return [name for name in wanted if name in names or name not in LATER]

    def _file(self) -> pq.ParquetFile:
        system, name = storage.arrow(self.path)
        return pq.ParquetFile(name, filesystem=system)

    def digest(self) -> str:
        """Return the sha256 of what the rows say, independent of how the file is packed."""
        out = hashlib.sha256()
        for row in self.rows():
            said = {name: value for name, value in row.items() if value is not None or name not in LATER}
            out.update(json.dumps(said, sort_keys=True, ensure_ascii=False).encode())
            out.update(b"\n")
        return out.hexdigest()


def open_table(path: Path) -> Table:
    """Open a table, or the `table.parquet` of a folder, and check it.

    Raises:
        DataError: not there, not parquet, columns that are missing or of another type, bad splits or image names.
    """
    path = storage.locate(path)
    if path.is_dir():
        path = path / "table.parquet"
    system, name = storage.arrow(path)
    try:
        schema = pq.read_schema(name, filesystem=system)
    except FileNotFoundError as error:
        raise DataError(f"no table at '{path}'; make one with: mien data import") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"'{path}' is not a parquet table: {error}") from error
    for column in SCHEMA:
        if column.name in LATER and column.name not in schema.names:
            continue
        if column.name not in schema.names:
            raise DataError(f"'{path}' is no mien table: column '{column.name}' is missing; try: mien data import")
        found = schema.field(column.name).type
        if not _same(found, column.type):
            raise DataError(f"column '{column.name}' of '{path}' is {found}, expected {column.type}")
    metadata = schema.metadata or {}
    version = metadata.get(b"mien.version", VERSION.encode()).decode()
    if version != VERSION:
        raise DataError(f"'{path}' is a table of version {version}; this mien reads version {VERSION}")
    origin = Origin(**json.loads(metadata.get(b"mien.origin", b"{}")))
    table = Table(path, origin)
    for number, row in enumerate(table.rows(["image", "split"])):
        _check(row["image"], row["split"], f"row {number} of '{path}'")
    return table


def _same(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Compare types without the names that parquet gives to the inside of lists."""
    if pa.types.is_list(wanted):
        return bool(pa.types.is_list(found) and found.value_type == wanted.value_type)
    if pa.types.is_map(wanted):
        return pa.types.is_map(found) and found.key_type == wanted.key_type and _same(found.item_type, wanted.item_type)
    return bool(found == wanted)


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], origin: Origin | None = None) -> Table:
    """Write rows to a table file and open it."""
    with TableWriter(storage.locate(path), origin or Origin()) as writer:
        for row in rows:
            writer.add(row)
    return open_table(path)
