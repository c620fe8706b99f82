"""Which synthetic pictures become rows: one face, good enough, not seen before, and read as what was intended."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mien import labels as label_sets
from mien.curation.measure import perceptual_hash
from mien.curation.table import Origin, Table, write_table
from mien.errors import DataError, ImageError
from mien.imaging import image as imaging
from mien.recognition.pipeline import Recognizer
from mien.results import Faces
from mien.synthesis.grid import Shot
from mien.synthesis.production import IMAGES, read_sidecar

if TYPE_CHECKING:
    from mien.synthesis.signing import Trust

Reason = Literal["missing", "unsigned", "no face", "several faces", "quality", "duplicate", "expression", "cap"]


@dataclass(frozen=True)
class Gates:
    """What a picture must reach.

    Attributes:
        min_face: shorter side of the face's box in pixels.
        min_quality: quality of the face in 0..1.
        min_probability: probability that the recogniser gives to the intended label; with 0 it must only be its best.
        distance: bits by which the perceptual hash of a picture must differ from every other's.
        cap: most pictures of one label that are accepted; None is no cap.
    """

    min_face: float = 64.0
    min_quality: float = 0.3
    min_probability: float = 0.0
    distance: int = 6
    cap: int | None = None


@dataclass(frozen=True)
class Judged:
    """One picture and what was decided about it.

    Attributes:
        shot: what was intended.
        reason: why it was left out; None where it was accepted.
        row: of the table, where it was accepted.
        read: the label that the recogniser read, where there was one face.
    """

    shot: Shot
    reason: Reason | None
    row: dict[str, Any] | None = None
    read: str | None = None


def judge(
    shots: Iterable[Shot],
    folder: Path,
    recognizer: Recognizer,
    gates: Gates | None = None,
    known: Sequence[int] = (),
    trust: Trust | None = None,
) -> list[Judged]:
    """Judge the pictures of a run in the order of the plan.

    Args:
        shots: the plan.
        folder: of the run.
        recognizer: finds the face and reads it.
        gates: see `Gates`.
        known: perceptual hashes of pictures that must not be made again.
        trust: whose signature every sidecar must carry; None asks for none.

    Raises:
        DataError: the recogniser's labels do not map to the plan's.
    """
    gates = gates or Gates()
    seen = [int(value) for value in known]
    taken: Counter[str] = Counter()
    out: list[Judged] = []
    for shot in shots:
        path = folder / IMAGES / shot.name
        said = read_sidecar(path)
        try:
            pixels = imaging.read(path) if said is not None else None
        except ImageError:
            pixels = None
        if said is None or pixels is None:
            out.append(Judged(shot, "missing"))
            continue
        if trust is not None and not trust.holds(said):
            out.append(Judged(shot, "unsigned"))
            continue
        hashed = perceptual_hash(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8))
        faces = recognizer.read([pixels], [str(path)])[0]
        reason, read = _reason(shot, faces, hashed, seen, gates)
        if reason is None and gates.cap is not None and taken[shot.label] >= gates.cap:
            reason = "cap"
        if reason is not None:
            out.append(Judged(shot, reason, read=read))
            continue
        seen.append(hashed)
        taken[shot.label] += 1
        out.append(Judged(shot, None, _row(shot, said, path, pixels.shape[:2], faces, hashed), read))
    return out


def write(path: Path, judged: Iterable[Judged], generator: str) -> Table:
    """Write the accepted pictures as a table; every row is of the train split and marked as synthetic.

    Raises:
        DataError: nothing was accepted.
    """
    rows = [one.row for one in judged if one.row is not None]
    if not rows:
        raise DataError("no picture was accepted; mien synth accept --report FILE shows why")
    return write_table(path, rows, Origin("synthetic faces", "made by a model; see the sidecars", "", generator))


def hashes(table: Table) -> list[int]:
    """Return the perceptual hashes that a table holds."""
    return [int(row["phash"], 16) for row in table.rows(["phash"]) if row["phash"]]


def _reason(
    shot: Shot, faces: Faces, hashed: int, seen: Sequence[int], gates: Gates
) -> tuple[Reason | None, str | None]:
    sides = np.minimum(faces.xyxy[:, 2] - faces.xyxy[:, 0], faces.xyxy[:, 3] - faces.xyxy[:, 1])
    large = np.flatnonzero(sides >= gates.min_face)
    if len(large) == 0:
        return "no face", None
    if len(large) > 1:
        return "several faces", None
    at = int(large[0])
    scores = _scores(shot, faces, at)
    labels = label_sets.get(shot.label_set)
    read = labels.labels[int(scores.argmax())]
    if faces.quality[at] < gates.min_quality:
        return "quality", read
    if any((hashed ^ other).bit_count() <= gates.distance for other in seen):
        return "duplicate", read
    wanted = float(scores[labels.index(shot.label)])
    if read != shot.label or wanted < gates.min_probability:
        return "expression", read
    return None, read


def _scores(shot: Shot, faces: Faces, at: int) -> NDArray[np.float32]:
    """Return the face's distribution over the plan's label set, from a head of that set or one that maps to it."""
    for head in faces.heads.values():
        if head.labels.name == shot.label_set:
            return np.asarray(head.values[at], np.float32)
    mapping = label_sets.mapping(faces.labels.name, shot.label_set)
    return np.asarray(mapping.scores(faces.scores[at : at + 1])[0], np.float32)


def _row(
    shot: Shot, said: dict[str, Any], path: Path, size: tuple[int, ...], faces: Faces, hashed: int
) -> dict[str, Any]:
    at = int((faces.xyxy[:, 2] - faces.xyxy[:, 0]).argmax())
    points = faces.points[at]
    return {
        "image": f"{IMAGES}/{shot.name}",
        "label": shot.label,
        "label_set": shot.label_set,
        "split": "train",
        "source": f"synthetic:{said['mien']['generator']}",
        "licence": "made by a model",
        "box": faces.xyxy[at].tolist(),
        "points": None if np.isnan(points).any() else points.ravel().tolist(),
        "width": size[1],
        "height": size[0],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "phash": f"{hashed:016x}",
        "quality": float(faces.quality[at]),
        "synthetic": True,
    }
