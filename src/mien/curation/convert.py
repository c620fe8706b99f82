"""Convert: pictures to grey or RGB, to a size, to a format; of a table (boxes and points go along) or a bare folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.curation import measure, shards
from mien.curation.crop import FORMATS, encode
from mien.curation.rewrite import extended
from mien.curation.shards import Engine
from mien.curation.table import Table, TableWriter, open_table
from mien.errors import DataError, ImageError, UnknownNameError
from mien.imaging import align
from mien.imaging import image as imaging
from mien.imaging.image import RGB

FITS = ("inside", "square")


@dataclass(frozen=True)
class Spec:
    """Says what pictures become.

    Attributes:
        format: 'png', 'jpg' or 'webp'.
        grey: one channel.
        size: pixels; None leaves the size alone.
        fit: 'inside' shrinks so that the longest side is at most `size`; 'square' fits the picture into a square of
            that side with black bars.
    """

    format: str = "png"
    grey: bool = False
    size: int | None = None
    fit: str = "inside"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UnknownNameError("format", self.format, FORMATS)
        if self.fit not in FITS:
            raise UnknownNameError("fit", self.fit, FITS)
        if self.size is not None and self.size < 1:
            raise DataError(f"a size is at least 1 pixel, not {self.size}")


@dataclass(frozen=True)
class Converted:
    """Says what a conversion did; `table` is None for a bare folder and in a dry run."""

    table: Table | None
    count: int
    failures: tuple[str, ...]


def convert(
    source: Table | Path,
    spec: Spec,
    out: Path,
    *,
    engine: Engine | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Converted:
    """Convert all pictures of a table, or of a folder with everything below it.

    Args:
        source: a table, or a folder of pictures.
        spec: how.
        out: folder to write; outside the source's. Relative names stay, but for the suffix.
        engine: where the work runs.
        dry_run: read and count, and write nothing.
        progress: called with the number of rows done so far.

    Raises:
        DataError: `out` is the source's folder, or nothing could be converted.
    """
    root = source.root if isinstance(source, Table) else Path(source)
    if out.resolve().is_relative_to(root.resolve()):
        raise DataError(f"converted pictures cannot go into '{out}', where the pictures come from; give another folder")
    work = _Convert(spec, root, out, dry_run)
    items = _distinct(source.rows() if isinstance(source, Table) else _listed(root))
    parts = out / ".convert"
    made = _direct(work, items) if dry_run else _sharded(items, work, parts, engine)
    failures: list[str] = []
    rows = _kept(made, failures, progress)
    if dry_run or not isinstance(source, Table):
        count = sum(1 for _ in rows)
    else:
        with TableWriter(out / "table.parquet", extended(source.origin, f"converted: {asdict(spec)}")) as writer:
            for row in rows:
                writer.add(row)
        count = writer.count
    if not count:
        raise DataError(f"'{root}' has no picture that can be converted{'; ' + failures[0] if failures else ''}")
    if not dry_run:
        shards.finish(parts)
    made_table = open_table(out / "table.parquet") if isinstance(source, Table) and not dry_run else None
    return Converted(made_table, count, tuple(failures))


def _listed(root: Path) -> Iterator[dict[str, Any]]:
    try:
        for path in imaging.find(root):
            yield {"image": path.relative_to(root).as_posix()}
    except ImageError as error:
        raise DataError(str(error)) from error


def _distinct(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Refuse two pictures of one folder whose names differ in the suffix alone: one would overwrite the other."""
    folder, taken = "", dict[str, str]()
    for row in rows:
        stem = row["image"].rpartition(".")[0]
        if stem.rpartition("/")[0] != folder:
            folder, taken = stem.rpartition("/")[0], {}
        if taken.setdefault(stem, row["image"]) != row["image"]:
            raise DataError(f"'{row['image']}' and '{taken[stem]}' would get the same name; rename one of them")
        yield row


def _sharded(
    items: Iterator[dict[str, Any]], work: _Convert, parts: Path, engine: Engine | None
) -> Iterator[dict[str, Any]]:
    def lost(item: dict[str, Any], reason: str) -> list[dict[str, Any]]:
        return [{"failure": f"{item['image']}: {reason}"}]

    return shards.run(items, work, parts, asdict(work.spec), engine or Engine(batch=16), lost=lost)


def _direct(work: _Convert, items: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        yield from work([item])


def _kept(
    rows: Iterator[dict[str, Any]], failures: list[str], progress: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, 1):
        progress(number)
        if "failure" in row:
            failures.append(row["failure"])
        else:
            yield row


@dataclass(frozen=True)
class _Convert:
    """Converts a batch of rows; the faces of one picture share its work."""

    spec: Spec
    root: Path
    out: Path
    dry_run: bool

    def __call__(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        done: dict[str, tuple[dict[str, Any], float, float, float]] = {}
        out: list[dict[str, Any]] = []
        for row in rows:
            if row["image"] not in done:
                try:
                    done = {row["image"]: self._picture(row["image"])}
                except ImageError as error:
                    out.append({"failure": f"{row['image']}: {error}"})
                    continue
            facts, scale, dx, dy = done[row["image"]]
            moved = {name: _move(row[name], scale, dx, dy) for name in ("box", "points") if row.get(name)}
            out.append({**row, **moved, **facts})
        return out

    def _picture(self, name: str) -> tuple[dict[str, Any], float, float, float]:
        """Convert one picture and return its facts, and scale and shift of coordinates."""
        image = imaging.read(self.root / name)
        pixels, scale, dx, dy = self._resized(image)
        data = encode(pixels, self.spec.format, self.spec.grey)
        target = f"{name.rpartition('.')[0] or name}.{self.spec.format}"
        if not self.dry_run:
            (self.out / target).parent.mkdir(parents=True, exist_ok=True)
            (self.out / target).write_bytes(data)
        facts = {"image": target, "sha256": hashlib.sha256(data).hexdigest(), **measure.of_pixels(pixels)}
        return facts, scale, dx, dy

    def _resized(self, image: RGB) -> tuple[RGB, float, float, float]:
        height, width = image.shape[:2]
        size = self.spec.size
        if size is None or (self.spec.fit == "inside" and max(height, width) <= size):
            return image, 1.0, 0.0, 0.0
        scale = size / max(height, width)
        if self.spec.fit == "square":
            return align.whole(image, size), scale, (size - scale * width) / 2, (size - scale * height) / 2
        sides = (max(round(width * scale), 1), max(round(height * scale), 1))
        return np.asarray(cv2.resize(image, sides, interpolation=cv2.INTER_AREA), np.uint8), scale, 0.0, 0.0


def _move(values: list[float], scale: float, dx: float, dy: float) -> list[float]:
    """Carry coordinates ``x, y, x, y, ...`` over."""
    return [round(float(v) * scale + (dy if i % 2 else dx), 3) for i, v in enumerate(values)]
