"""Crop: the faces of pictures, cut out by THE crop function, as a table of their own.

Every crop keeps what the table says of its face. A picture's rows with boxes are matched to the faces that the
detector finds; a row without a box speaks of the largest face. Crops of one picture form a group, so that no split
tears them apart.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien import detection
from mien.curation import measure, shards
from mien.curation.rewrite import extended
from mien.curation.shards import Engine
from mien.curation.table import SCHEMA, Table, TableWriter, open_table
from mien.errors import DataError, ImageError, UnknownNameError
from mien.imaging import align, boxes
from mien.imaging import image as imaging
from mien.imaging.image import RGB
from mien.recognition import quality
from mien.results import Detections

FACES = ("largest", "all", "boxes")
KINDS = ("aligned", "box")
FORMATS = ("png", "jpg", "webp")
#: A found face belongs to a table's box from this overlap (IoU) on.
OVERLAP = 0.3


@dataclass(frozen=True)
class Spec:
    """Says how faces are cut out.

    Attributes:
        faces: 'largest' or 'all' faces that the detector finds, or the table's own 'boxes' without looking.
        kind: 'aligned' by the five points where there are any, or 'box'.
        size: side of a crop in pixels.
        margin: room around the template or the box, in parts of its side.
        grey: write one channel.
        format: 'png', 'jpg' or 'webp'.
        template: name of the five-point template.
        detector: name of the face detector.
        model: model file or folder of the detector; None takes its own.
        side: longest side at which faces are looked for; None leaves it to the detector.
        min_face: smaller faces (shorter box side, pixels) are left out.
    """

    faces: str = "largest"
    kind: str = "aligned"
    size: int = 112
    margin: float = 0.0
    grey: bool = False
    format: str = "png"
    template: str = "fer"
    detector: str = "mien"
    model: str | None = None
    side: int | None = None
    min_face: float = 0.0

    def __post_init__(self) -> None:
        for what, value, known in (
            ("choice of faces", self.faces, FACES),
            ("kind of crop", self.kind, KINDS),
            ("format", self.format, FORMATS),
            ("template", self.template, tuple(align.TEMPLATES)),
        ):
            if value not in known:
                raise UnknownNameError(what, value, known)
        if self.size < 8 or self.margin < 0:
            raise DataError(f"a crop has 8 pixels or more and a margin of 0 or more, not {self.size}, {self.margin}")


@dataclass(frozen=True)
class Cropped:
    """Says what a crop did; `statistics` is also written to ``crop.json``."""

    table: Table | None
    statistics: dict[str, Any]
    failures: tuple[str, ...]


def crop(
    table: Table,
    spec: Spec,
    out: Path,
    *,
    engine: Engine | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Cropped:
    """Cut the faces of a table's pictures out and write ``out/table.parquet`` with the crops beside it.

    Also written: ``crop.json`` (what was found and what was left out) and ``labels.json`` (the labels in order).

    Args:
        table: the pictures.
        spec: how.
        out: folder to write; another one than the table's.
        engine: where the work runs; 16 pictures are in memory for each batch under way.
        dry_run: look for faces and count, but write nothing.
        progress: called with the number of pictures done so far.

    Raises:
        DataError: `out` is the table's own folder, or no face was found at all.
    """
    if out.resolve() == table.root.resolve():
        raise DataError(f"crops cannot go into the table's own folder '{out}'; give another one")
    engine = engine or Engine(batch=16)
    work = _Crop(spec, table.root, out, dry_run)
    tally = _Tally(spec)
    if dry_run:
        for _ in tally.crops((row for item in _pictures(table) for row in work([item])), progress):
            pass
        return Cropped(None, tally.statistics(), tuple(tally.failures))
    parts = out / ".crop"
    made = shards.run(_pictures(table), work, parts, asdict(spec), engine, lost=_lost)
    note = f"faces ({spec.faces}) cropped {spec.kind} at {spec.size} px with {spec.detector}"
    with TableWriter(out / "table.parquet", extended(table.origin, note)) as writer:
        for row in tally.crops(made, progress):
            writer.add(row)
        if writer.count == 0:
            raise DataError(f"no face was found in {tally.pictures:,} pictures of '{table.path}'")
    shards.quarantine(out, tally.failures)
    shards.finish(parts)
    cropped = open_table(writer.path)
    _write_json(out / "crop.json", tally.statistics())
    _write_json(out / "labels.json", label_map(cropped))
    return Cropped(cropped, tally.statistics(), tuple(tally.failures))


def label_map(table: Table) -> dict[str, list[str]]:
    """Return each label set of a table with its labels in the order of a model's output."""
    from mien import labels

    sets = {row["label_set"] for row in table.rows(["label_set"])} - {None}
    own: dict[str, list[str]] = {}
    for name in sorted(sets):
        if name in labels.names():
            own[name] = list(labels.get(name))
        else:
            own[name] = sorted({r["label"] for r in table.rows(["label", "label_set"]) if r["label_set"] == name})
    return own


def _pictures(table: Table) -> Iterator[dict[str, Any]]:
    """Yield a picture at a time, with its rows; rows of one picture come one after the other."""
    number = 0
    for image, rows in groupby(table.rows(), key=lambda row: row["image"]):
        found = list(rows)
        yield {"image": image, "number": number, "rows": found}
        number += len(found)


def _lost(item: dict[str, Any], reason: str) -> list[dict[str, Any]]:
    return [{"kind": "picture", "faces": 0, "small": 0, "failure": f"{item['image']}: {reason}"}]


class _Tally:
    """Counts what comes out, and lets the rows of crops through."""

    def __init__(self, spec: Spec) -> None:
        self._spec, self.pictures, self.failures = spec, 0, list[str]()
        self._without, self._small = 0, 0
        self._sides: list[float] = []
        self._labels: Counter[str] = Counter()

    def crops(self, rows: Iterator[dict[str, Any]], progress: Callable[[int], None]) -> Iterator[dict[str, Any]]:
        """Yield the rows of crops and count all."""
        for row in rows:
            kind = row.pop("kind")
            if kind == "picture":
                self.pictures += 1
                self._without += row["faces"] == 0
                self._small += row["small"]
                if row["failure"]:
                    self.failures.append(row["failure"])
                progress(self.pictures)
                continue
            self._sides.append(row.pop("side"))
            self._labels[row["label"] or "no label"] += 1
            yield row

    def statistics(self) -> dict[str, Any]:
        """Return the counts as plain JSON types."""
        sides = np.array(self._sides or [0.0])
        quantiles = {f"p{q}": round(float(np.percentile(sides, q)), 1) for q in (5, 25, 50, 75, 95)}
        return {
            "pictures": self.pictures,
            "faces": len(self._sides),
            "pictures_without_face": self._without - len(self.failures),
            "faces_too_small": self._small,
            "pictures_unreadable": len(self.failures),
            "face_side_pixels": quantiles if self._sides else {},
            "labels": dict(sorted(self._labels.items())),
            "spec": asdict(self._spec),
        }


@cache
def _detector(name: str, model: str | None) -> detection.Detector:
    """Make a detector once a process."""
    return detection.load(name, **({"model": model} if model else {}))


@dataclass(frozen=True)
class _Crop:
    """Crops a batch of pictures; picklable, so that it runs in other processes."""

    spec: Spec
    root: Path
    out: Path
    dry_run: bool

    def __call__(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        images: list[RGB] = []
        errors: list[str | None] = []
        for item in items:
            try:
                images.append(imaging.read(self.root / item["image"]))
                errors.append(None)
            except ImageError as problem:
                errors.append(f"{item['image']}: {problem}")
        found = iter(self._found(images, [item for item, error in zip(items, errors, strict=True) if error is None]))
        pixels = iter(images)
        rows: list[dict[str, Any]] = []
        for item, error in zip(items, errors, strict=True):
            if error:
                rows.append({"kind": "picture", "faces": 0, "small": 0, "failure": error})
                continue
            rows += self._picture(item, next(pixels), *next(found))
        return rows

    def _found(
        self, images: list[RGB], items: list[dict[str, Any]]
    ) -> Iterator[tuple[Detections, list[dict[str, Any] | None]]]:
        """Yield the faces of each picture, and the table's row of each face or None."""
        if self.spec.faces == "boxes":
            yield from (_own_boxes(item["rows"]) for item in items)
            return
        detector = _detector(self.spec.detector, self.spec.model)
        for image, item in zip(images, items, strict=True):
            # One at a time: photos come in all shapes, and a batch of each shape costs memory and gains no time.
            [faces] = detector.detect([image], self.spec.side)
            area = boxes.area(faces.xyxy)
            faces = faces[np.argsort(-area, kind="stable")]
            yield (faces[:1] if self.spec.faces == "largest" else faces), _matched(faces, item["rows"])

    def _picture(
        self, item: dict[str, Any], image: RGB, faces: Detections, said: list[dict[str, Any] | None]
    ) -> list[dict[str, Any]]:
        kept = []
        for i in range(len(faces)):
            x1, y1, x2, y2 = faces.xyxy[i]
            side = float(min(x2 - x1, y2 - y1))
            if side >= self.spec.min_face:
                name = f"{item['image'].rpartition('.')[0]}.{item['number'] + i}.{self.spec.format}"
                kept.append(self._row(item, image, faces[i], said[i], name, side))
        summary = {"kind": "picture", "faces": len(faces), "small": len(faces) - len(kept), "failure": None}
        return [summary, *kept]

    def _row(
        self, item: dict[str, Any], image: RGB, face: Detections, said: dict[str, Any] | None, name: str, side: float
    ) -> dict[str, Any]:
        matrix = self._matrix(face)
        pixels = align.warp(image, matrix, self.spec.size)
        points = face.points[0] @ matrix[:, :2].T + matrix[:, 2]
        data = encode(pixels, self.spec.format, self.spec.grey)
        if not self.dry_run:
            target = self.out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        template = item["rows"][0]
        row = dict(said) if said else {**dict.fromkeys(SCHEMA.names), **_of_picture(template)}
        return {
            **row,
            "kind": "crop",
            "side": round(side, 2),
            "image": name,
            "box": None,
            "points": None if np.isnan(points).any() else [round(float(v), 3) for v in points.ravel()],
            "sha256": hashlib.sha256(data).hexdigest(),
            "quality": round(float(quality.measure(face, pixels[None]).score[0]), 5),
            "group": template["group"] or item["image"],
            "ignore": None,
            **measure.of_pixels(pixels),
        }

    def _matrix(self, face: Detections) -> NDArray[np.float64]:
        size, room = self.spec.size, 1.0 + 2.0 * self.spec.margin
        points = face.points[0]
        if self.spec.kind == "aligned" and not np.isnan(points).any() and np.ptp(points, axis=0).max() >= 1.0:
            template = (np.asarray(align.TEMPLATES[self.spec.template], np.float64) - 0.5) / room + 0.5
            return align.similarity(points, np.asarray(template * size, np.float32))
        x1, y1, x2, y2 = (float(v) for v in face.xyxy[0])
        scale = size / (max(x2 - x1, y2 - y1, 1.0) * room)
        shift = size / 2 - scale * np.array([(x1 + x2) / 2, (y1 + y2) / 2])
        return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])


def _own_boxes(rows: list[dict[str, Any]]) -> tuple[Detections, list[dict[str, Any] | None]]:
    kept: list[dict[str, Any] | None] = [row for row in rows if row["box"] and not row["ignore"]]
    xyxy = np.array([row["box"] for row in kept if row], np.float32).reshape(-1, 4)
    blank = [np.nan] * 10
    points = np.array([row["points"] or blank for row in kept if row], np.float32).reshape(-1, 5, 2)
    return Detections(xyxy, np.ones(len(kept), np.float32), points), kept


def _matched(faces: Detections, rows: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """Return the row that speaks of each face, largest face first, or None."""
    said: list[dict[str, Any] | None] = [None] * len(faces)
    boxed = [row for row in rows if row["box"]]
    if not boxed:
        return [rows[0], *said[1:]] if said else said
    overlap = boxes.iou(faces.xyxy, np.array([row["box"] for row in boxed], np.float32))
    for face, at in zip(*np.unravel_index(np.argsort(-overlap, axis=None, kind="stable"), overlap.shape), strict=True):
        if overlap[face, at] < OVERLAP:
            break
        if said[face] is None and not any(row is boxed[at] for row in said):
            said[face] = boxed[at]
    return said


def _of_picture(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says of the picture as a whole, and so of every face in it."""
    return {name: row[name] for name in ("split", "source", "licence")}


def encode(pixels: RGB, format: str, grey: bool) -> bytes:
    """Encode RGB pixels, as one channel when `grey`; jpg and webp at quality 95."""
    data = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY if grey else cv2.COLOR_RGB2BGR)
    quality_flag = {"jpg": cv2.IMWRITE_JPEG_QUALITY, "webp": cv2.IMWRITE_WEBP_QUALITY}.get(format)
    done, buffer = cv2.imencode(f".{format}", data, [] if quality_flag is None else [quality_flag, 95])
    if not done:
        raise ValueError(f"cannot encode a picture of shape {pixels.shape} as {format}")
    return buffer.tobytes()


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
