"""`mien landmarks`: pictures or a table in; a table of 478 landmarks, blendshapes and head pose out."""

from __future__ import annotations

import csv as csv_module
import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import output
from mien.errors import ImageError, MienError, MissingExtraError

if TYPE_CHECKING:
    from mien.imaging.image import RGB

# Pictures in one part of the output. A run that was broken off goes on after its last whole part.
PART = 256


@dataclass(frozen=True)
class Item:
    """One picture to read: where it is, how the table calls it, its label."""

    path: Path
    name: str
    label: str | None


@dataclass(frozen=True)
class Reader:
    """What finds the landmarks: the columns of its rows, and the function that makes them (picklable for `--on`)."""

    columns: Sequence[str]
    read: Callable[[RGB, Item], Iterable[dict[str, Any]]]


def command(
    paths: Annotated[
        list[Path], typer.Argument(help="Pictures, folders, or one table (parquet) with an image column.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Table to write: .parquet or .csv.")],
    points: Annotated[
        str, typer.Option(metavar="auto|478|5", help="478 needs the extra 'mediapipe'; 5 come from our detector.")
    ] = "auto",
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="face_landmarker.task.")] = None,
    detector: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Detector for five points.")] = "mien",
    crops: Annotated[bool, typer.Option("--crops", help="Each picture is the crop of one face.")] = False,
    action_units: Annotated[
        bool, typer.Option("--action-units", help="Add action units, derived from the blendshapes.")
    ] = False,
    label_set: Annotated[str, typer.Option(metavar="NAME", help="Labels looked for in file names.")] = "ekman7",
    threads: Annotated[
        int, typer.Option("--threads", "--workers", metavar="N", min=1, help="Pictures read at the same time.")
    ] = 2,
    on: Annotated[
        str, typer.Option("--on", metavar="KIND", help="Where work runs: threads, processes, ray or ray://HOST:PORT.")
    ] = "threads",
) -> None:
    """Write the landmarks of faces to a table.

    The label comes from a table's label column, else from the file's or folder's name. A run that was broken off goes
    on where it was. Exit code: 0 all read, 1 some pictures failed, 2 wrong usage or nothing readable.
    """
    if out.suffix not in {".parquet", ".csv"}:
        raise MienError(f"cannot write '{out.name}': expected a name that ends in .parquet or .csv")
    from mien.parallel import check

    check(on)
    items = list_items(paths, label_set)
    reader = make_reader(points, model, detector, crops=crops, units=action_units)
    found, failed = extract(items, reader, out, threads=threads, on=on)
    output.stderr.print(f"{found} faces in {len(items) - failed} pictures -> {out}", highlight=False, markup=False)
    if failed:
        output.warn(f"{failed} of {len(items)} pictures could not be read")
    raise typer.Exit(2 if failed == len(items) else 1 if failed else 0)


def list_items(paths: list[Path], label_set: str) -> list[Item]:
    """List what is to be read, with labels.

    Raises:
        MienError: nothing to read.
    """
    if len(paths) == 1 and (paths[0].suffix == ".parquet" or (paths[0] / "table.parquet").is_file()):
        from mien.curation.table import open_table

        table = open_table(paths[0])
        return [Item(table.root / row["image"], row["image"], row["label"]) for row in table.rows(["image", "label"])]
    from mien.cli.predict import list_pictures
    from mien.recognition.landmarks import tag

    return [Item(path, str(path), tag(path, label_set)) for path in list_pictures(paths)]


def make_reader(points: str, model: Path | None, detector: str, *, crops: bool, units: bool = False) -> Reader:
    """Choose what finds the landmarks; 'auto' falls back to five points where mediapipe is not installed."""
    from mien.errors import UnknownNameError
    from mien.recognition import landmarks

    if points not in {"auto", "478", "5"}:
        raise UnknownNameError("number of points", points, ["auto", "478", "5"])
    if points != "5":
        try:
            from mien.detection.mediapipe import Landmarker

            Landmarker(model)  # says now, and not in a worker, what is missing
            columns = (*landmarks.COLUMNS, *(landmarks.UNIT_COLUMNS if units else ()))
            return Reader(columns, partial(_all_points, model, crops, units))
        except MissingExtraError as error:
            if points == "478":
                raise
            output.warn(f"{error}; writing five points instead")
    from mien import detection

    detection.load(detector)
    return Reader(landmarks.FIVE_COLUMNS, partial(_five_points, detector))


@cache
def _landmarker(model: Path | None, crops: bool) -> Any:
    """Make a landmarker once a process."""
    from mien.detection.mediapipe import Landmarker

    return Landmarker(model, faces=1 if crops else 10, border=0.5 if crops else 0.0)


def _all_points(model: Path | None, crops: bool, units: bool, image: RGB, item: Item) -> list[dict[str, Any]]:
    from mien.recognition import landmarks

    return list(landmarks.rows(_landmarker(model, crops).read([image])[0], item.name, item.label, units=units))


@cache
def _detector(name: str) -> Any:
    """Make a detector once a process."""
    from mien import detection

    return detection.load(name)


def _five_points(detector: str, image: RGB, item: Item) -> list[dict[str, Any]]:
    from mien.recognition import landmarks

    return list(landmarks.five_rows(_detector(detector).detect([image])[0], item.name, item.label))


def _read(reader: Reader, batch: Sequence[Item]) -> list[tuple[list[dict[str, Any]], str | None]]:
    """Read a batch; each picture gives its rows, or why it could not be read."""
    from mien.imaging import image

    found: list[tuple[list[dict[str, Any]], str | None]] = []
    for item in batch:
        try:
            found.append((list(reader.read(image.read(item.path), item)), None))
        except ImageError as error:
            found.append(([], f"{item.name}: {error}"))
    return found


def _lost(item: Item, reason: str) -> list[tuple[list[dict[str, Any]], str | None]]:
    return [([], f"{item.name}: {reason}")]


def extract(
    items: Sequence[Item], reader: Reader, out: Path, *, threads: int = 2, on: str = "threads"
) -> tuple[int, int]:
    """Read pictures into parts, join the parts, and return the number of faces and of pictures that failed."""
    from rich.progress import Progress

    from mien.parallel import map_batches, salvage

    folder = out.with_name(f"{out.name}.parts-{_digest(items, reader)}")
    folder.mkdir(parents=True, exist_ok=True)
    parts = [(folder / f"{start:09d}{out.suffix}", items[start : start + PART]) for start in range(0, len(items), PART)]
    todo = [item for path, members in parts if not path.exists() for item in members]
    failed = 0
    read = partial(_read, reader)

    def crashed(batch: Sequence[Item], reason: str) -> list[tuple[list[dict[str, Any]], str | None]]:
        return salvage(read, batch, reason, _lost, on=on)

    done = map_batches(read, todo, size=8, on=on, workers=threads, crashed=crashed)
    results = (result for batch in done for result in batch)
    with Progress(console=output.stderr, transient=True, disable=len(todo) < 20) as progress:
        bar = progress.add_task("reading", total=len(items), completed=len(items) - len(todo))
        for path, members in parts:
            if path.exists():
                continue
            rows: list[dict[str, Any]] = []
            for made, error in (next(results) for _ in members):
                rows += made
                if error is not None:
                    failed += 1
                    output.warn(error)
            _write(path, reader.columns, rows)
            progress.update(bar, advance=len(members))
    count = _join([path for path, _ in parts], out)
    shutil.rmtree(folder)
    return count, failed


def _digest(items: Sequence[Item], reader: Reader) -> str:
    """Name a run by what it reads, so that parts of another run are never taken for its own."""
    text = "\n".join([*(f"{item.path}\t{item.label}" for item in items), *reader.columns])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _write(path: Path, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    partial = path.with_name(path.name + ".partial")
    if path.suffix == ".csv":
        with partial.open("w", encoding="utf-8", newline="", errors="surrogateescape") as stream:
            writer = csv_module.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(rows)
    else:
        pa, pq = _arrow()
        pq.write_table(pa.Table.from_pylist(rows, schema=_schema(pa, columns)), partial, compression="zstd")
    partial.replace(path)


def _join(parts: Sequence[Path], out: Path) -> int:
    """Put the parts one after another into one file and return the number of rows."""
    partial = out.with_name(out.name + ".partial")
    count = 0
    if out.suffix == ".csv":
        with partial.open("w", encoding="utf-8", newline="", errors="surrogateescape") as stream:
            for number, part in enumerate(parts):
                lines = part.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
                stream.writelines(lines if number == 0 else lines[1:])
                count += len(lines) - 1
    else:
        _, pq = _arrow()
        with pq.ParquetWriter(partial, pq.read_schema(parts[0]), compression="zstd") as writer:
            for part in parts:
                table = pq.read_table(part)
                writer.write_table(table)
                count += table.num_rows
    partial.replace(out)
    return count


def _schema(pa: Any, columns: Sequence[str]) -> Any:
    kinds: dict[str, Any] = {"image": pa.string(), "face": pa.int32(), "label": pa.string(), "unfit": pa.string()}
    kinds["derived_explanation"] = pa.string()
    return pa.schema([(name, kinds.get(name, pa.float32())) for name in columns])


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing parquet", "data") from error
    return pyarrow, pyarrow.parquet
