"""Faces of which it is known whether the answer is right: clean, spoilt, and things that are no faces.

A row of an evaluation gives a clean copy and copies with a corruption of a random kind and severity. Each copy is read
twice: as a picture that is itself a crop, and as a face that the detector meets in a photo, found, aligned and cut as a
user's would be. What is no face comes from photos: boxes that a detector at a low threshold takes for faces, and
random places beside all faces; whatever is answered there is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.datasets.faces import Photo
from mien.detection import Detector
from mien.errors import ImageError
from mien.evaluation.corruptions import CORRUPTIONS, SEVERITIES, remaining_side
from mien.evaluation.scoring import Evaluation, again
from mien.imaging import boxes
from mien.imaging import image as imaging
from mien.imaging.image import RGB
from mien.recognition import quality
from mien.recognition.expression import ExpressionModel, cut
from mien.results import Detections, Float, Scores

ROWS = 2000
"""Rows of the evaluation that are used; more change little."""
SPOILT = 2
"""Corrupted copies of each."""
ENLARGED = 192
"""Side in pixels of the photo that a crop stands in for."""
BATCH = 64
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sample:
    """Answers and what was measured beside them, n rows.

    Attributes:
        signals: of `recognition.quality.signals` ``(n,)`` each.
        answers: the best label of each.
        right: whether it is right ``(n,)``.
        simple: score of the rule that needs no fitting ``(n,)``.
        kind: 'clean', a corruption's name, or 'no face' ``(n,)``.
        whole: whether the picture was itself the crop ``(n,)``.
        group: rows made from one picture share a number ``(n,)``.
    """

    signals: dict[str, Float]
    answers: list[str]
    right: NDArray[np.bool_]
    simple: Float
    kind: NDArray[np.str_]
    whole: NDArray[np.bool_]
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.right)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Sample:
        at = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Sample(
            {name: values[at] for name, values in self.signals.items()},
            [self.answers[i] for i in at],
            self.right[at], self.simple[at], self.kind[at], self.whole[at], self.group[at],
        )  # fmt: skip


def join(samples: Sequence[Sample]) -> Sample:
    """Put samples after each other."""
    return Sample(
        {name: np.concatenate([s.signals[name] for s in samples]) for name in quality.SIGNALS},
        [answer for s in samples for answer in s.answers],
        *(
            np.concatenate([getattr(s, name) for s in samples])
            for name in ("right", "simple", "kind", "whole", "group")
        ),
    )


def faces(
    found: Evaluation,
    detector: Detector,
    *,
    rows: int = ROWS,
    seed: int = 0,
    progress: Progress = lambda done, all: None,
) -> Sample:
    """Make clean and spoilt copies of an evaluation's rows and read each both ways.

    Args:
        found: of the primary head.
        detector: looks for the face in the enlarged copy; a copy in which it finds none is read as a crop only.
        rows: a random choice of so many; all when there are fewer.
        seed: of the choice and of the corruptions.
        progress: called with steps done and steps in all.
    """
    rng = np.random.default_rng(seed)
    n = len(found.answers)
    chosen = np.sort(rng.permutation(n)[:rows])
    names = list(CORRUPTIONS)
    parts = []
    starts = range(0, len(chosen), BATCH)
    for done, start in enumerate(starts):
        at = chosen[start : start + BATCH]
        pixels, kinds, sides, origin = [], [], [], []
        for row in at:
            own = found.scored.pixels[row]
            for copy in range(1 + SPOILT):
                name, severity = names[rng.integers(len(names))], int(rng.choice(SEVERITIES))
                pixels.append(own if copy == 0 else CORRUPTIONS[name](own, severity, rng))
                kinds.append("clean" if copy == 0 else name)
                sides.append(len(own) if copy == 0 else remaining_side(name, severity, len(own)))
                origin.append(row)
        crops, source = np.stack(pixels), np.array(origin)
        parts.append(_as_crops(found, crops, np.array(kinds), source))
        parts.append(_as_met(found, detector, crops, np.array(kinds), np.array(sides), source))
        progress(done + 1, len(starts))
    return join(parts)


def no_faces(
    model: ExpressionModel,
    detector: Detector,
    photos: Sequence[Photo],
    *,
    seed: int = 0,
    progress: Progress = lambda done, all: None,
) -> Sample | None:
    """Read what is no face in photos; None where there is nothing.

    Args:
        model: that answers.
        detector: with a threshold so low that it errs.
        photos: with every face boxed.
        seed: of the random places.
        progress: called with photos done and photos in all.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for number, photo in enumerate(photos):
        progress(number + 1, len(photos))
        try:
            image = imaging.read(photo.path)
        except ImageError:
            continue
        errors = detector.detect([image])[0]
        errors = errors[~_touches(errors.xyxy, photo.xyxy)]
        if len(errors):
            scores = model.predict(cut(image, errors, model.spec))[model.primary]
            parts.append(_wrong(errors, cut(image, errors, model.spec), scores, number, whole=False))
        place = _beside(image, photo.xyxy, rng)
        if place is not None:
            crops = cut(image, place, model.spec)
            parts.append(_wrong(place, crops, model.predict(crops)[model.primary], number, whole=True))
    return join(parts) if parts else None


def _as_crops(
    found: Evaluation, crops: NDArray[np.uint8], kinds: NDArray[np.str_], source: NDArray[np.int64]
) -> Sample:
    size = crops.shape[1]
    frame = Detections(
        np.tile(np.array([[0, 0, size, size]], np.float32), (len(crops), 1)),
        np.ones(len(crops), np.float32),
        np.full((len(crops), 5, 2), np.nan, np.float32),
    )
    return _read(found, frame, crops, kinds, source, whole=True)


def _as_met(
    found: Evaluation,
    detector: Detector,
    crops: NDArray[np.uint8],
    kinds: NDArray[np.str_],
    sides: NDArray[np.int64],
    source: NDArray[np.int64],
) -> Sample:
    """Let the detector find the faces, and cut them as it says; those that it does not find are left out."""
    photos = [np.asarray(cv2.resize(crop, (ENLARGED, ENLARGED)), np.uint8) for crop in crops]
    met, cuts, kept = [], [], []
    for i, faces_of in enumerate(_detect(detector, photos)):
        if len(faces_of):
            best = faces_of[0]
            cuts.append(cut(photos[i], best, found.answered.model.spec))
            met.append(_shrunk(best, sides[i] / ENLARGED))
            kept.append(i)
    pixels = np.concatenate(cuts) if cuts else np.zeros((0, *crops.shape[1:]), np.uint8)
    every = Detections(
        np.concatenate([d.xyxy for d in met]) if met else np.zeros((0, 4), np.float32),
        np.concatenate([d.confidence for d in met]) if met else np.zeros(0, np.float32),
        np.concatenate([d.points for d in met]) if met else np.zeros((0, 5, 2), np.float32),
    )
    at = np.array(kept, np.int64)
    return _read(found, every, pixels, kinds[at], source[at], whole=False)


def _detect(detector: Detector, photos: Sequence[RGB]) -> list[Detections]:
    return [
        d for start in range(0, len(photos), BATCH) for d in detector.detect(photos[start : start + BATCH], ENLARGED)
    ]


def _shrunk(face: Detections, scale: float) -> Detections:
    """Return a face as it lay in the picture before that was enlarged."""
    return Detections(
        np.asarray(face.xyxy * scale, np.float32), face.confidence, np.asarray(face.points * scale, np.float32)
    )


def _read(
    found: Evaluation,
    detections: Detections,
    crops: NDArray[np.uint8],
    kinds: NDArray[np.str_],
    source: NDArray[np.int64],
    *,
    whole: bool,
) -> Sample:
    answers = again(found, crops, source) if len(crops) else None
    labels = found.answers.labels
    values = np.zeros((0, len(labels))) if answers is None else answers.probabilities
    scores = Scores(labels, values.astype(np.float32))
    right = np.zeros(0, bool) if answers is None else answers.correct
    return _sample(detections, crops, scores, right, kinds, whole, source)


def _wrong(detections: Detections, crops: NDArray[np.uint8], scores: Scores, photo: int, *, whole: bool) -> Sample:
    n = len(detections)
    # Photos are numbered below zero, so that they are no rows of the evaluation.
    return _sample(detections, crops, scores, np.zeros(n, bool), np.full(n, "no face"), whole, np.full(n, -1 - photo))


def _sample(
    detections: Detections,
    crops: NDArray[np.uint8],
    scores: Scores,
    right: NDArray[np.bool_],
    kinds: NDArray[np.str_],
    whole: bool,
    group: NDArray[np.int64],
) -> Sample:
    measured = quality.measure(detections, crops)
    signals = quality.signals(measured, detections, scores, whole=whole)
    if len(kinds) and kinds[0] == "no face":
        # Boxes around nothing are larger than the faces of a small data set; that must not speak against large faces.
        signals["size"] = np.full(len(right), np.nan, np.float32)
    return Sample(signals, scores.label, right, measured.score, kinds, np.full(len(right), whole), group)


def _touches(some: Float, others: Float) -> NDArray[np.bool_]:
    """Say which boxes share anything with any of the others ``(len(some),)``."""
    if not len(others):
        return np.zeros(len(some), bool)
    return np.asarray(boxes.intersection(some, others).max(axis=1) > 0)


def _beside(image: RGB, taken: Float, rng: np.random.Generator, tries: int = 20) -> Detections | None:
    """Return a random square place that touches no face, or None after so many tries."""
    height, width = image.shape[:2]
    for _ in range(tries):
        side = min(float(np.exp(rng.uniform(np.log(24), np.log(max(min(height, width) / 2, 25))))), height, width)
        x, y = rng.uniform(0, max(width - side, 0)), rng.uniform(0, max(height - side, 0))
        box = np.array([[x, y, x + side, y + side]], np.float32)
        if not _touches(box, taken)[0]:
            return Detections(box, np.ones(1, np.float32), np.full((1, 5, 2), np.nan, np.float32))
    return None
