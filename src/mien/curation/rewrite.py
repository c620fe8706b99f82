"""Makes a new table out of another one's rows, with the pictures where the new table expects them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien import storage
from mien.curation.table import Origin, Table, TableWriter, open_table
from mien.errors import DataError


def target(out: Path | None, table: Table, verb: str) -> Path:
    """Return the file that a command writes.

    Args:
        out: a file that ends in .parquet, a folder for ``table.parquet``, or None for ``VERB.parquet`` beside it.
        table: where the rows come from.
        verb: what is done, for the default name.

    Raises:
        DataError: it is the very table that is read.
    """
    path = storage.locate(out) if out else table.root / f"{verb}.parquet"
    path = path if path.suffix == ".parquet" else path / "table.parquet"
    if path.resolve() == table.path.resolve():
        raise DataError(f"'{path}' is the table that is read; give another file with -o")
    return path


def rewrite(table: Table, path: Path, rows: Iterable[Mapping[str, Any]], note: str) -> Table:
    """Write rows of a table to another one, in a stream.

    Pictures are hard-linked (or copied) when the new table lies in another folder.

    Args:
        table: where the rows come from.
        path: the file to write.
        rows: rows with the table's image names.
        note: what was done; it is added to the new table's origin.
    """
    done: set[str] = set()
    elsewhere = path.parent.resolve() != table.root.resolve()
    with TableWriter(path, extended(table.origin, note)) as writer:
        for row in rows:
            if elsewhere and row["image"] not in done:
                carry(table.root / row["image"], path.parent / row["image"])
                done.add(row["image"])
            writer.add(row)
    return open_table(path)


def extended(origin: Origin, note: str) -> Origin:
    """Add a step to what an origin tells."""
    return replace(origin, note="; ".join(part for part in (origin.note, note) if part))


def carry(source: Path, to: Path) -> None:
    """Put a picture into another folder: a hard link where the file system allows it, else a copy.

    Raises:
        DataError: the picture is not there.
    """
    try:
        storage.place(source, to, link=True)
    except FileNotFoundError as error:
        raise DataError(f"the table names a picture that is not there: '{source}'") from error
