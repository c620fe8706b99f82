"""`mien evaluate` of a face detector on photos with every face boxed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.cli import _scores, output
from mien.errors import DataError, MienError, UnknownNameError

if TYPE_CHECKING:
    from mien.detection import Detector

LOWEST = 0.02
"""Boxes with a lower score do not enter average precision."""


def refuse(options: Sequence[str]) -> None:
    """Name options that say nothing about a detector.

    Raises:
        DataError: there are some.
    """
    if options:
        raise DataError(f"photos with boxed faces score a face detector; {', '.join(options)} would do nothing there")


def evaluate(
    model: str,
    photos: Path,
    part: str,
    side: int,
    precision: str | None,
    json: str | None,
    *,
    other: str | None = None,
    groups: bool = False,
    conditions: bool = False,
    draws: int = 1000,
) -> None:
    """Score a detector and show or write its figures.

    Args:
        model: name of a detector, or a model folder.
        photos: a ``faces.jsonl``.
        part: val, the held-out tenth, or train, the other photos.
        side: longest side that photos are resized to.
        precision: of the graph; None takes the model's own.
        json: file to write, or '-'.
        other: a detector to compare with, in pairs; name or model folder.
        groups: also score by source and by height of the face.
        conditions: also score darkened, turned, covered ... versions.
        draws: bootstrap draws.
    """
    from mien.datasets.faces import INFO, read_photos, split
    from mien.evaluation import compare, detection, detection_conditions

    parts = dict(zip(("train", "val"), split(list(read_photos(photos))), strict=True))
    if part not in parts:
        raise UnknownNameError("split of photos", part, parts)
    chosen = parts[part]
    if not chosen:
        raise DataError(f"'{photos}' has no photos in split '{part}'")
    detector, threshold = _open(model, precision)
    second = _open(other, precision)[0] if other else None
    boxes = detection.find(detector, chosen, side)
    found = detection.report(chosen, boxes, side, threshold=threshold, draws=draws)
    title = f"{INFO.title}, {'held-out tenth' if part == 'val' else 'the other nine tenths'}"
    record = {"schema": 1, "model": model, "dataset": title, "split": part} | found.to_dict()
    against = []
    if other and second:
        against = compare.compare_detectors(chosen, boxes, detection.find(second, chosen, side), draws=draws)
        record["comparison"] = {"other": other, "differences": [one.to_dict() for one in against]}
    rows = detection_conditions.groups(chosen, boxes, threshold=threshold) if groups else []
    if conditions:
        with output.progress("worse photos") as advance:
            for row in detection_conditions.conditions(detector, chosen, side, threshold=threshold):
                rows.append(row)
                advance(sum(r.kind == "condition" for r in rows), len(detection_conditions.CONDITIONS))
    if rows:
        record["rows"] = [row.to_dict() for row in rows]
    if json:
        output.write_json(json, record)
    if json == "-":
        return
    _scores.detector(found, threshold)
    if rows:
        _scores.conditions(rows)
    if other and against:
        _scores.detectors(other, against)


def _open(model: str, precision: str | None) -> tuple[Detector, float]:
    """Open a detector that gives boxes of low scores too; with the score at which it is used."""
    from mien import hub, manifest
    from mien.detection import DETECTORS, load
    from mien.detection.mien import FaceModel

    if model in DETECTORS and model != "mien":
        return load(model, score=LOWEST), 0.6
    folder = hub.find("face" if model == "mien" else model)
    settings = manifest.read(folder).detector
    if settings is None:
        raise MienError(f"{folder} is no face detector; give a table for it, not photos")
    return FaceModel(folder, score=LOWEST, precision=precision), settings.score
