"""OASIS: 900 photos with mean valence and arousal of a hundred people each, on a scale from 1 to 7.

The table holds both from -1 to 1, ``(mean - 4) / 3``; standard deviations and counts are kept as text. Photos of one
theme are a group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mien.datasets import Info, Sample
from mien.datasets._annotation import Row, rows
from mien.datasets._root import Root
from mien.errors import DataError

INFO = Info(
    title="OASIS",
    licence="open access, research; each photo under the terms of its source",
    citation="Kurdi, Lozano and Banaji, Introducing the Open Affective Standardized Image Set (OASIS), Behavior "
    "Research Methods 2017",
    label_set=None,
    home="https://osf.io/6pnd7/",
)
COLUMNS = {"theme": ("theme",), "valence": ("valence_mean",), "arousal": ("arousal_mean",)}
OPTIONAL = {"image": ("image", "file")}
KEPT = ("category", "source", "Valence_SD", "Valence_N", "Arousal_SD", "Arousal_N")


def read(source: Path, *, images: Path | None = None) -> Iterator[Sample]:
    """Yield the photos in the order of the csv.

    Args:
        source: ``OASIS.csv``, or the folder with it.
        images: the folder of the photos; default ``images`` beside the csv, or the csv's folder.

    Raises:
        DataError: no csv, a missing column, a rating outside 1 to 7; the line is named.
    """
    source = Path(source)
    table = source if source.is_file() else Root(source, INFO.title, "OASIS.csv and images/").file("OASIS.csv", "*.csv")
    beside = Root(table.parent, INFO.title, "OASIS.csv and images/")
    root = Root(images, INFO.title, "the photos") if images else Root(beside.child("images"), INFO.title, "the photos")
    seen: set[str] = set()
    for row in rows(table, COLUMNS, OPTIONAL):
        name = row.values.get("image") or f"{row.values['theme']}.jpg"
        if name in seen:
            raise DataError(f"{row.where}: '{name}' comes a second time")
        seen.add(name)
        yield _sample(row, root.inside(name, row.where), name)


def _sample(row: Row, path: Path, name: str) -> Sample:
    numbers = {column: (row.number(column, 1, 7) - 4.0) / 3.0 for column in ("valence", "arousal")}
    lower = {column.lower(): value for column, value in row.values.items()}
    kept = {f"oasis_{column.lower()}": lower[column.lower()] for column in KEPT if lower.get(column.lower())}
    # "Acorns 1" to "Acorns 3" show the same thing.
    group = re.sub(r"\s*\d+$", "", row.values["theme"])
    return Sample(name, path=path, numbers=numbers, other_labels=kept, group=group)
