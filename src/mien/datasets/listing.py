"""A csv or parquet file of one's own with a column of picture paths.

The other columns are found by their usual names. Where several labels of a set may hold at once (`social8`, action
units), the label column names all of them, or each label has a column of 0 and 1 (or of a strength) of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien import labels as label_sets
from mien.datasets import Info, Sample, _splits
from mien.datasets._annotation import Row, label, number, renamed, rows
from mien.datasets._root import Root
from mien.errors import DataError
from mien.labels import LabelSet

INFO = Info(
    title="a list of pictures",
    licence="as the owner of the pictures says",
    citation="",
    label_set=None,
    home="",
)
PATHS = ("image", "path", "image_path", "file", "filename", "file_name", "img", "img_path", "name", "filepath")
LABELS = ("label", "emotion", "expression", "class", "category", "target", "labels", "emotions", "tags")
OPTIONAL = {
    "split": ("split", "usage", "set", "partition", "subset"),
    "subject": ("subject", "subject_id", "person", "identity"),
    "valence": ("valence",),
    "arousal": ("arousal",),
    "x1": ("x1", "xmin", "left"),
    "y1": ("y1", "ymin", "top"),
    "x2": ("x2", "xmax", "right"),
    "y2": ("y2", "ymax", "bottom"),
}


def read(
    source: Path,
    *,
    label_set: str,
    root: Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
) -> Iterator[Sample]:
    """Yield a sample a row, in the order of the file.

    Args:
        source: the csv (comma, semicolon or tab) or parquet file.
        label_set: the set that the labels belong to; a label is a word of it or its index. Of a set whose labels hold
            independently, a field may have several, with ``|``, ``;``, ``,`` or ``+`` between them.
        root: the folder that paths are relative to; default the file's own folder.
        path_column: the column of paths, when it has an unusual name.
        label_column: the column of labels, when it has an unusual name; an empty field is no label.

    Raises:
        DataError: no path column, a label that is not in the set, a path that leaves the folder; the line is named.
    """
    source = Path(source)
    base = Root(root or source.parent, INFO.title, "the pictures that the file lists")
    required: dict[str, tuple[str, ...]] = {"image": (path_column,) if path_column else PATHS}
    optional: dict[str, tuple[str, ...]] = dict(OPTIONAL)
    (required if label_column else optional)["label"] = (label_column,) if label_column else LABELS
    several = label_sets.get(label_set) if label_sets.get(label_set).multi else None
    if several is not None:
        optional |= {_column(name): (name, *_synonyms(several, name)) for name in several}
    table = _parquet if source.suffix.lower() in {".parquet", ".pq"} else rows
    for row in table(source, required, optional):
        yield _sample(row, base, label_set, several)


def _sample(row: Row, root: Root, label_set: str, several: LabelSet | None) -> Sample:
    values = row.values
    votes = None if several is None else _votes(row, several)
    path = root.inside(values["image"], row.where)
    sides = [values.get(side, "") for side in ("x1", "y1", "x2", "y2")]
    box = None
    if any(sides):
        box = np.array([number(side, f"{row.where}, box") for side in sides], np.float32)
        if box[2] <= box[0] or box[3] <= box[1]:
            raise DataError(f"{row.where}: the box {box.tolist()} has no area; expected x1 < x2 and y1 < y2")
    return Sample(
        root.name(path),
        path=path,
        label=label(values["label"], label_set, row.where) if values.get("label") and several is None else None,
        votes={} if votes is None else {label_set: votes},
        label_set=label_set,
        split=_splits.of(values.get("split", ""), row.where),
        subject=values.get("subject") or None,
        box=box,
        numbers={name: row.number(name, -1.0, 1.0) for name in ("valence", "arousal") if values.get(name)},
    )


def _votes(row: Row, several: LabelSet) -> NDArray[np.float32] | None:
    """Return which labels a row has, or how strongly; None where it says nothing."""
    columns = [row.values.get(_column(name), "") for name in several]
    if any(columns):
        found = [number(text, f"{row.where}, column '{name}'", 0.0) if text else 0.0
                 for name, text in zip(several, columns, strict=True)]  # fmt: skip
        return np.array(found, np.float32)
    words = [word for word in re.split(r"[|;,+]", row.values.get("label", "")) if word.strip()]
    if not words:
        return None
    votes = np.zeros(len(several), np.float32)
    for word in words:
        votes[several.index(label(word.strip(), several.name, row.where))] = 1.0
    return votes


def _column(name: str) -> str:
    """Return our name of a label's own column, which no column of a file has."""
    return f"label {name}"


def _synonyms(several: LabelSet, name: str) -> list[str]:
    return [word for word, meant in several.synonyms if meant == name]


def _parquet(path: Path, required: dict[str, tuple[str, ...]], optional: dict[str, tuple[str, ...]]) -> Iterator[Row]:
    """Read a parquet file as `rows` reads a csv."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError(f"cannot read '{path}': no such file") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"'{path}' is not a parquet file: {error}") from error
    names = renamed(file.schema_arrow.names, required, optional, path)
    number_of_row = 0
    for batch in file.iter_batches():
        for values in batch.to_pylist():
            number_of_row += 1
            fields = ("" if value is None else str(value) for value in values.values())
            yield Row(dict(zip(names, fields, strict=True)), f"row {number_of_row} of '{path}'")
