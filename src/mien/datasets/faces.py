"""Photos with every face boxed, one JSON line a photo: what the face detector is trained and measured on.

A line is ``{"image", "width", "height", "source", "faces": [{"box": [x, y, w, h], "ignore", "by", "points"}]}``.
``points`` are five (x, y) pairs or null, the picture's left eye first. The held-out tenth is fixed by a hash of the
image name, so that it never changes when photos are added or reordered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from mien.datasets import Info, Sample, Split
from mien.errors import DataError

INFO = Info(
    title="Photos with boxed faces",
    licence="as each photo's source says: WIDER FACE for research, Face Mask Detection CC0, OASIS open access",
    citation="Yang et al., WIDER FACE, CVPR 2016; Kurdi, Lozano and Banaji, Introducing the "
    "Open Affective Standardized Image Set, Behavior Research Methods 2017",
    label_set=None,
    home="http://shuoyang1213.me/WIDERFACE/",
)
Float = NDArray[np.float32]
Number = Annotated[float, Field(allow_inf_nan=False)]
Side = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Face(BaseModel):
    """One face as a line of the file writes it."""

    box: tuple[Number, Number, Side, Side]
    ignore: bool
    by: str
    points: Annotated[list[tuple[Number, Number]], Field(min_length=5, max_length=5)] | None


class _Line(BaseModel):
    """One photo as the file writes it; further fields are left alone."""

    image: str
    width: int
    height: int
    source: str
    faces: list[_Face]


@dataclass(frozen=True)
class Photo:
    """One photo and all its faces.

    Attributes:
        name: the image name as the annotation file writes it; the hold-out hash is taken of it.
        path: where the picture lies.
        width: in pixels.
        height: in pixels.
        source: which collection it comes from.
        xyxy: ``float32 (n, 4)`` boxes in pixels of the photo.
        points: ``float32 (n, 5, 2)`` left eye, right eye, nose, left and right mouth corner as seen in the picture;
            NaN where nobody marked them.
        ignore: ``bool (n,)`` boxes that count neither as a hit nor as a miss.
        human: ``bool (n,)`` boxes drawn by people; the others come from a detector.
    """

    name: str
    path: Path
    width: int
    height: int
    source: str
    xyxy: Float
    points: Float
    ignore: NDArray[np.bool_]
    human: NDArray[np.bool_]

    @property
    def faceless(self) -> bool:
        """Whether the photo has no face and no region to ignore."""
        return len(self.xyxy) == 0


def held_out(name: str) -> bool:
    """Decide whether a photo belongs to the held-out tenth: SHA-256 of its name modulo 10 is zero."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10 == 0


def read_photos(source: Path) -> Iterator[Photo]:
    """Read an annotation file, or the file ``faces.jsonl`` of a folder; picture paths are relative to the file.

    Raises:
        DataError: no such file, or a line that does not fit the format (its number and the field are named).
    """
    path = source / "faces.jsonl" if source.is_dir() else source
    if not path.is_file():
        raise DataError(f"no face annotations at {path}: expected a .jsonl file or a folder with faces.jsonl in it")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = _Line.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(str(part) for part in first["loc"])
                what = f"'{place}': {first['msg'].lower()}" if place else first["msg"].lower()
                raise DataError(f"{path.name}, line {number} is not a photo with faces: {what}") from error
            yield _photo(row, path.parent)


def read(source: Path) -> Iterator[Sample]:
    """Yield a sample a face (one without a box for a photo without faces); the held-out tenth is `val`.

    Raises:
        DataError: see `read_photos`.
    """
    for photo in read_photos(Path(source)):
        share: Split = "val" if held_out(photo.name) else "train"
        if photo.faceless:
            yield Sample(photo.name, path=photo.path, split=share)
        for box, points, ignore in zip(photo.xyxy, photo.points, photo.ignore, strict=True):
            known = None if np.isnan(points).any() else points
            yield Sample(photo.name, path=photo.path, split=share, box=box, points=known, ignore=bool(ignore))


def split(photos: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
    """Part photos into the ones to train on and the held-out tenth."""
    train = [photo for photo in photos if not held_out(photo.name)]
    return train, [photo for photo in photos if held_out(photo.name)]


def _photo(row: _Line, root: Path) -> Photo:
    count = len(row.faces)
    xywh = np.array([face.box for face in row.faces], np.float32).reshape(count, 4)
    unknown = ((np.nan, np.nan),) * 5
    return Photo(
        name=row.image,
        path=root / row.image,
        width=row.width,
        height=row.height,
        source=row.source,
        xyxy=np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1),
        points=np.array([face.points or unknown for face in row.faces], np.float32).reshape(count, 5, 2),
        ignore=np.array([face.ignore for face in row.faces], bool),
        human=np.array([face.by == "dataset" for face in row.faces], bool),
    )
