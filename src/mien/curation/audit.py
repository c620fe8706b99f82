"""Audit: what is wrong with a table, looked up in the table and in every picture; nothing is changed.

Leaks: one picture, subject or group in several splits. Pictures: missing, damaged, changed since the import, tiny,
blurred, dark, bright. Labels: copies with different labels, labels that do not fit (see `label_errors`), imbalance.
Licences: what each source allows.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mien.curation import descriptor, duplicates, label_errors
from mien.curation.duplicates import Duplicates
from mien.curation.label_errors import Suspects
from mien.curation.shards import Engine
from mien.curation.table import Table
from mien.errors import DataError, ImageError
from mien.imaging import image as imaging
from mien.parallel import map_batches


@dataclass(frozen=True)
class Limits:
    """What counts as a bad picture.

    Attributes:
        side: a shorter side in pixels below this is tiny.
        sharpness: below this a picture is blurred; see `recognition.quality.sharpness`.
        dark: mean grey value in 0..1 below which a picture is dark.
        bright: and above which it is bright.
        label_rows: at most so many rows are judged for label errors; a random part of larger tables.
    """

    side: int = 32
    sharpness: float = 0.08
    dark: float = 0.1
    bright: float = 0.92
    label_rows: int = 40_000


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        rows: of the table.
        exact: pictures that are there more than once, byte for byte.
        near: the same by perceptual hash.
        torn: subjects and groups that lie in several splits, by column.
        pictures: for each kind of trouble the images.
        labels: rows by (split, label).
        licences: rows by (source, licence).
        suspects: labels that do not fit; None when they were not looked for.
    """

    rows: int
    exact: Duplicates
    near: Duplicates
    torn: dict[str, list[str]]
    pictures: dict[str, list[str]]
    labels: dict[tuple[str, str], int]
    licences: dict[tuple[str, str], int]
    suspects: Suspects | None
    limits: Limits = field(default_factory=Limits)

    @property
    def leaks(self) -> dict[str, int]:
        """Return the kinds of leak between splits with their number; empty when there is none."""
        found = {"pictures in several splits": len(self.exact.across())}
        found |= {f"{column}s in several splits": len(values) for column, values in self.torn.items()}
        return {what: count for what, count in found.items() if count}

    @property
    def imbalance(self) -> float | None:
        """Return how often the commonest label of the training split (or the table) comes for one of the rarest."""
        train = Counter[str]()
        every = Counter[str]()
        for (split, label), count in self.labels.items():
            every[label] += count
            train[label] += count if split == "train" else 0
        counts = [n for label, n in (train if train.total() else every).items() if label != "no label" and n]
        return max(counts) / min(counts) if counts else None

    def to_dict(self, images: Sequence[str]) -> dict[str, Any]:
        """Return plain JSON types; `images` are the image names of the table's rows."""
        suspects = self.suspects
        return {
            "rows": self.rows,
            "leaks": self.leaks,
            "duplicates": {"exact": self.exact.figures(), "perceptual": self.near.figures()},
            "torn": self.torn,
            "pictures": self.pictures,
            "labels": [{"split": s, "label": n, "rows": c} for (s, n), c in sorted(self.labels.items())],
            "imbalance": self.imbalance,
            "licences": [{"source": s, "licence": t, "rows": c} for (s, t), c in sorted(self.licences.items())],
            "label_errors": None
            if suspects is None
            else {
                "judged": suspects.judged,
                "classifier_accuracy": round(suspects.accuracy, 4),
                "count": len(suspects.rows),
                "rows": [{"image": images[s.row], **asdict(s)} for s in suspects.rows],
            },
            "limits": asdict(self.limits),
        }


def audit(
    table: Table,
    *,
    limits: Limits | None = None,
    label_errors_too: bool = True,
    engine: Engine | None = None,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Audit:
    """Look through a table and all its pictures.

    Args:
        table: what to look through.
        limits: what counts as bad.
        label_errors_too: also look for labels that do not fit, if there are labels enough.
        engine: where pictures are read.
        seed: fixes the folds and the part of a large table that is judged.
        progress: called with the number of pictures read.
    """
    limits = limits or Limits()
    columns = table.read(["image", "label", "split", "sha256", "subject", "group", "source", "licence"])
    images, labels, splits = (columns[name].to_pylist() for name in ("image", "label", "split"))
    chosen = _judged(labels, limits.label_rows, seed) if label_errors_too else np.zeros(0, np.int64)
    trouble, described = _look(table, images, columns["sha256"], chosen, engine or Engine(), progress)
    # Before the copies are looked for: what either needs most memory for is then not there at the same time.
    suspects = _suspects(described, labels, columns["sha256"], seed) if len(chosen) else None
    del described
    for kind, found in _measured(table, limits).items():
        trouble[kind] = found
    return Audit(
        rows=len(images),
        exact=duplicates.find(table, "exact"),
        near=duplicates.find(table, "perceptual"),
        torn={name: _torn(columns[name].to_pylist(), splits) for name in ("subject", "group")},
        pictures={kind: found for kind, found in trouble.items() if found},
        labels=dict(Counter((s or "no split", n or "no label") for s, n in zip(splits, labels, strict=True))),
        licences=dict(Counter((s, t or "not stated") for s, t in _pairs(columns, "source", "licence"))),
        suspects=suspects,
        limits=limits,
    )


def _pairs(columns: Any, one: str, other: str) -> zip[tuple[Any, Any]]:
    return zip(columns[one].to_pylist(), columns[other].to_pylist(), strict=True)


def _judged(labels: Sequence[str | None], most: int, seed: int) -> NDArray[np.int64]:
    """Choose the labelled rows that are judged."""
    known = np.array([i for i, label in enumerate(labels) if label is not None], np.int64)
    if len(known) > most:
        known = np.sort(np.random.default_rng(seed).choice(known, most, replace=False))
    return known


@dataclass(frozen=True)
class _Described:
    """The rows whose labels are judged, and the descriptions of their pictures.

    Attributes:
        rows: numbers in the table ``(n,)``.
        values: descriptions ``(n, 288)``.
        found: which of them could be described ``(n,)``.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float16]
    found: NDArray[np.bool_]


def _look(
    table: Table,
    images: Sequence[str],
    digests: pa.ChunkedArray,
    chosen: NDArray[np.int64],
    engine: Engine,
    progress: Callable[[int], None],
) -> tuple[dict[str, list[str]], _Described]:
    """Read every picture once: what is wrong with it, and the description of the chosen rows."""
    wanted = {images[row]: place for place, row in enumerate(chosen.tolist())}
    described = _Described(
        chosen, np.empty((len(chosen), descriptor.LENGTH), np.float16), np.zeros(len(chosen), np.bool_)
    )
    items = ((image, digest, image in wanted) for image, digest in _distinct(images, digests))
    trouble: dict[str, list[str]] = defaultdict(list)
    work = _Look(table.root)
    done = 0
    for batch in map_batches(work, items, size=engine.batch, on=engine.on, workers=engine.workers):
        for image, kind, description in batch:
            if kind:
                trouble[kind].append(image)
            if description is not None:
                place = wanted[image]
                described.values[place], described.found[place] = description, True
        done += len(batch)
        progress(done)
    return trouble, described


def _distinct(images: Sequence[str], digests: pa.ChunkedArray) -> Iterator[tuple[str, str | None]]:
    """Yield each picture once, with its digest; few digests are in memory as Python's at a time."""
    seen: set[str] = set()
    for at in range(0, len(images), 4096):
        for image, digest in zip(images[at : at + 4096], digests.slice(at, 4096).to_pylist(), strict=True):
            if image not in seen:
                seen.add(image)
                yield image, digest


@dataclass(frozen=True)
class _Look:
    """Reads a batch of pictures; picklable."""

    root: Path

    def __call__(
        self, items: Sequence[tuple[str, str | None, bool]]
    ) -> list[tuple[str, str | None, NDArray[np.float16] | None]]:
        return [(image, *self._one(image, digest, wanted)) for image, digest, wanted in items]

    def _one(self, image: str, digest: str | None, wanted: bool) -> tuple[str | None, NDArray[np.float16] | None]:
        path = self.root / image
        try:
            data = path.read_bytes()
        except OSError:
            return "missing", None
        changed = digest is not None and hashlib.sha256(data).hexdigest() != digest
        try:
            pixels = imaging.read(data)
        except ImageError:
            return "damaged", None
        return "changed" if changed else None, descriptor.describe(pixels) if wanted else None


def _measured(table: Table, limits: Limits) -> dict[str, list[str]]:
    """Sort out pictures by what the table says of them."""
    found: dict[str, list[str]] = {"tiny": [], "blurred": [], "dark": [], "bright": []}
    last = ""
    for row in table.rows(["image", "width", "height", "brightness", "sharpness"]):
        if row["image"] == last:
            continue
        last = row["image"]
        if row["width"] and min(row["width"], row["height"]) < limits.side:
            found["tiny"].append(last)
        if row["sharpness"] is not None and row["sharpness"] < limits.sharpness:
            found["blurred"].append(last)
        if row["brightness"] is not None and row["brightness"] < limits.dark:
            found["dark"].append(last)
        if row["brightness"] is not None and row["brightness"] > limits.bright:
            found["bright"].append(last)
    return found


def _torn(values: Sequence[str | None], splits: Sequence[str | None]) -> list[str]:
    """Return the values whose rows lie in several splits."""
    where: dict[str, set[str]] = defaultdict(set)
    for value, split in zip(values, splits, strict=True):
        if value is not None and split is not None:
            where[value].add(split)
    return sorted(value for value, found in where.items() if len(found) > 1)


def _suspects(
    described: _Described, labels: Sequence[str | None], digests: pa.ChunkedArray, seed: int
) -> Suspects | None:
    rows = described.rows[described.found]
    values = described.values if described.found.all() else described.values[described.found]
    copies = digests.take(pa.array(rows)).to_pylist()
    try:
        return label_errors.find(values, [labels[row] or "" for row in rows], rows.tolist(), copies=copies, seed=seed)
    except DataError:
        # Too few rows to judge: the audit goes on without this part and says so by leaving it out.
        return None
