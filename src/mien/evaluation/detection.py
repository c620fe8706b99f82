"""Measures a face detector on annotated photos: average precision, recall, point error, false alarms.

Protocol. Detections are matched by score, best first, to the free face that they overlap most, if IoU >= 0.5. Faces
lower than the minimum height (pixels of the photo) and regions marked `ignore` count neither as hit nor as miss:
detections that match them, that lie mostly in an ignored region, or that match nothing and are themselves lower than
the minimum, are left out. AP is the area under the precision envelope at every recall step (all points, as in VOC
2010). The photos come from the held-out tenth (`datasets.faces.held_out`), which is also what the model's epoch and
threshold were chosen on: there is no second held-out set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.datasets.faces import INFO, Photo
from mien.detection import Detector
from mien.evaluation import bootstrap
from mien.evaluation.bootstrap import Array
from mien.imaging import boxes
from mien.imaging import image as imaging
from mien.manifest import Metric
from mien.results import Detections

Float = NDArray[np.float32]
MATCH = 0.5
HEIGHTS = (16.0, 32.0)
POINT_HEIGHT = 32.0


@dataclass(frozen=True)
class Curve:
    """Ranked detections of a set of photos.

    Attributes:
        scores: ``(d,)`` best first, of all detections that count.
        hits: ``bool (d,)`` whether each matched a face.
        photo: ``int (d,)`` which photo each lies in.
        faces: ``int (photos,)`` faces that count, in each photo.
    """

    scores: Float
    hits: NDArray[np.bool_]
    photo: NDArray[np.int64]
    faces: NDArray[np.int64]

    def average_precision(self, weights: Array) -> Array:
        """Return the area under the precision envelope ``(draws,)`` for weights of photos ``(draws, photos)``."""
        weight = weights[:, self.photo]
        true = np.cumsum(weight * self.hits, axis=1)
        precision = bootstrap.ratio(true, np.cumsum(weight, axis=1), otherwise=0.0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return bootstrap.ratio((envelope * weight * self.hits).sum(axis=1), weights @ self.faces)

    def of(self, photos: NDArray[np.bool_]) -> Curve:
        """Return the detections of some of the photos, ``bool (photos,)``, which are numbered anew."""
        kept = photos[self.photo]
        place = np.cumsum(photos) - 1
        return Curve(self.scores[kept], self.hits[kept], place[self.photo[kept]], self.faces[photos])

    def recall(self, threshold: float) -> float:
        """Return the share of faces found with at least this score; NaN without faces."""
        total = int(self.faces.sum())
        return float(self.hits[self.scores >= threshold].sum() / total) if total else float("nan")

    def threshold_at(self, alarms: float) -> float:
        """Return the lowest score at which false alarms a photo stay at or below a mean number."""
        allowed = np.cumsum(~self.hits) <= alarms * len(self.faces)
        return float(self.scores[allowed].min()) if allowed.any() else float("inf")


@dataclass(frozen=True)
class SizeReport:
    """Figures for faces from one height up.

    Attributes:
        min_height: in pixels of the photo.
        faces: that count.
        ap: average precision at IoU 0.5, with its interval over photos.
        recall: at the threshold.
        recall_one_alarm: at a mean of one false alarm a photo.
    """

    min_height: float
    faces: int
    ap: bootstrap.Figure
    recall: float
    recall_one_alarm: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; a figure that is not defined is null."""
        return _defined(vars(self)) | {"ap": self.ap.to_dict()}


@dataclass(frozen=True)
class DetectionReport:
    """Figures of one detector.

    Attributes:
        photos: measured.
        side: longest side that photos were resized to.
        threshold: score from which a box counts for `recall`, `clean` and `alarms`.
        sizes: average precision and recall by minimum height.
        point_error: mean distance of the five points in parts of the face's side (square root of its box area), over
            matched faces at least 32 pixels high whose points are known.
        point_error_median: over the same faces.
        point_faces: how many those are.
        faceless: photos without any face or ignored region.
        clean: share of them without a box.
        alarms: mean number of false boxes a photo; faces count from 16 pixels up.
    """

    photos: int
    side: int
    threshold: float
    sizes: tuple[SizeReport, ...]
    point_error: float
    point_error_median: float
    point_faces: int
    faceless: int
    clean: float
    alarms: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; a figure that is not defined is null."""
        return _defined(vars(self)) | {"sizes": [size.to_dict() for size in self.sizes]}

    def metrics(self, precision: Literal["fp32", "int8"]) -> list[Metric]:
        """Return the main figures of a graph on the held-out photos as a manifest records them."""
        common: dict[str, Any] = {
            "dataset": f"{INFO.title}, held-out tenth",
            "split": "val",
            "protocol": f"longest side {self.side}, IoU {MATCH}",
            "precision": precision,
        }
        made = []
        for size in self.sizes:
            name, ap = f"ap{size.min_height:.0f}", size.ap
            made.append(Metric(name=name, value=ap.value, low=ap.low, high=ap.high, n=size.faces, **common))
        for size in self.sizes:
            made.append(Metric(name=f"recall{size.min_height:.0f}", value=size.recall, n=size.faces, **common))
        if self.point_faces:  # where no face was found there is no error, and a manifest holds numbers
            made.append(Metric(name="point_error", value=self.point_error, n=self.point_faces, **common))
        if self.faceless:
            made.append(Metric(name="clean", value=self.clean, n=self.faceless, **common))
        return made


def evaluate_detector(
    detector: Detector, photos: Sequence[Photo], side: int, *, threshold: float, draws: int = bootstrap.DRAWS
) -> DetectionReport:
    """Measure a detector on photos.

    Args:
        detector: must give boxes of low scores too (made with a score limit of 0.02 or so), or AP is cut short.
        photos: with their faces.
        side: longest side that photos are resized to, up or down.
        threshold: the score at which the detector is used.
        draws: bootstrap draws for the intervals.
    """
    return report(photos, find(detector, photos, side), side, threshold=threshold, draws=draws)


def find(detector: Detector, photos: Sequence[Photo], side: int) -> list[Detections]:
    """Look for faces in every photo, in groups, so that memory stays flat."""
    found: list[Detections] = []
    waiting = iter(photos)
    while group := list(islice(waiting, 32)):
        found.extend(detector.detect([imaging.read(photo.path) for photo in group], side))
    return found


def report(
    photos: Sequence[Photo], found: Sequence[Detections], side: int, *, threshold: float, draws: int = bootstrap.DRAWS
) -> DetectionReport:
    """Compute all figures from the detections of photos, in pixels of the photos; see `evaluate_detector`."""
    curves = [curve(photos, found, height) for height in HEIGHTS]
    sizes = [
        SizeReport(
            min_height=height,
            faces=int(line.faces.sum()),
            ap=_interval(line, draws),
            recall=line.recall(threshold),
            recall_one_alarm=line.recall(line.threshold_at(1.0)),
        )
        for height, line in zip(HEIGHTS, curves, strict=True)
    ]
    errors = point_errors(photos, found, threshold)
    clean = [
        not (detections.confidence >= threshold).any()
        for photo, detections in zip(photos, found, strict=True)
        if photo.faceless
    ]
    alarms = ~curves[0].hits[curves[0].scores >= threshold]
    return DetectionReport(
        photos=len(photos),
        side=side,
        threshold=threshold,
        sizes=tuple(sizes),
        point_error=float(errors.mean()) if len(errors) else float("nan"),
        point_error_median=float(np.median(errors)) if len(errors) else float("nan"),
        point_faces=len(errors),
        faceless=len(clean),
        clean=float(np.mean(clean)) if clean else float("nan"),
        alarms=float(alarms.sum() / max(len(photos), 1)),
    )


def _defined(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(x, float) and np.isnan(x) else x for key, x in fields.items()}


def _interval(line: Curve, draws: int) -> bootstrap.Figure:
    figures = bootstrap.measure(lambda weights: {"ap": line.average_precision(weights)}, len(line.faces), draws=draws)
    figure: bootstrap.Figure = figures["ap"]
    return figure


def curve(photos: Sequence[Photo], found: Sequence[Detections], min_height: float) -> Curve:
    """Match the detections of all photos and rank them."""
    scores, hits, owners, faces = [], [], [], []
    for at, (photo, detections) in enumerate(zip(photos, found, strict=True)):
        counted, hit, total = match(photo, detections, min_height)
        scores.append(detections.confidence[counted])
        hits.append(hit[counted])
        owners.append(np.full(int(counted.sum()), at, np.int64))
        faces.append(total)
    score = np.concatenate(scores) if scores else np.zeros(0, np.float32)
    order = np.argsort(-score, kind="stable")
    hit_all = np.concatenate(hits) if hits else np.zeros(0, bool)
    owner = np.concatenate(owners) if owners else np.zeros(0, np.int64)
    return Curve(score[order], hit_all[order], owner[order], np.array(faces, np.int64))


def match(photo: Photo, detections: Detections, min_height: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_], int]:
    """Match the detections of one photo to its faces.

    Returns:
        Which detections count ``bool (d,)``, which of them are hits ``bool (d,)``, and how many faces count.
    """
    low = photo.xyxy[:, 3] - photo.xyxy[:, 1] < min_height
    real, beside = ~(photo.ignore | low), photo.ignore | low
    overlap = boxes.iou(detections.xyxy, photo.xyxy)
    inside = boxes.intersection(detections.xyxy, photo.xyxy) / np.maximum(boxes.area(detections.xyxy), 1e-6)[:, None]
    excused = (overlap[:, beside] >= MATCH).any(1) | (inside[:, photo.ignore] >= MATCH).any(1)
    excused |= detections.xyxy[:, 3] - detections.xyxy[:, 1] < min_height
    free = real.copy()
    hit = np.zeros(len(detections), bool)
    for at in np.argsort(-detections.confidence, kind="stable"):
        best = np.where(free, overlap[at], 0.0)
        if best.size and best.max() >= MATCH:
            free[int(best.argmax())] = False
            hit[at] = True
    return hit | ~excused, hit, int(real.sum())


def point_errors(photos: Sequence[Photo], found: Sequence[Detections], threshold: float) -> Float:
    """Return the mean point distance of each matched face in parts of its side ``(m,)``; see `DetectionReport`."""
    errors = []
    for photo, detections in zip(photos, found, strict=True):
        used = detections[detections.confidence >= threshold]
        wanted = ~photo.ignore & (photo.xyxy[:, 3] - photo.xyxy[:, 1] >= POINT_HEIGHT)
        wanted &= ~np.isnan(photo.points).any((1, 2))
        overlap = boxes.iou(used.xyxy, photo.xyxy[wanted])
        if overlap.size == 0:
            continue
        side = np.sqrt(boxes.area(photo.xyxy[wanted]))
        best = overlap.argmax(axis=0)
        matched = overlap.max(axis=0) >= MATCH
        distance = np.linalg.norm(used.points[best] - photo.points[wanted], axis=-1).mean(axis=1) / side
        errors.append(distance[matched])
    return np.concatenate(errors) if errors else np.zeros(0, np.float32)
