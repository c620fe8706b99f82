"""How fit a face is for reading an expression, how likely the answer to it is right, and when to give none.

Size, sharpness, light, contrast and turn are measured from the picture. A model folder may say how they, the detector's
confidence and the answer itself go together into the chance that the answer is right (`chance`, fitted by
`evaluation.quality`); without that, the score is a product of size, sharpness and turn.

`turn` is read from the five points: for a face seen from the front the nose lies midway between the eyes and the eyes
are about as far apart as they are above the mouth. `sharpness` compares the crop with a blurred copy of itself, in
parts of its contrast, so that it does not depend on light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import ModelError
from mien.imaging.image import RGB
from mien.manifest import Chance, Gate
from mien.results import Detections, Float, Scores

SIGNALS = ("certainty", "entropy", "sharpness", "contrast", "light", "size", "turn", "found")
"""What a chance may be computed from; see `signals`."""


@dataclass(frozen=True)
class Quality:
    """What was measured of n faces.

    Attributes:
        size: shorter box side in pixels ``(n,)``.
        sharpness: share of the crop's contrast that lies in fine detail ``(n,)``, about 0.05 (blurred) to 0.5.
        turn: 0 from the front, about 1 in profile ``(n,)``; NaN without points.
        light: mean grey of the crop, 0..255 ``(n,)``.
        contrast: standard deviation of the crop's grey ``(n,)``.
        score: ``float32 (n,)`` in 0..1: the chance that the answer is right where the model says how to compute it,
            otherwise the product of size, sharpness and turn, each mapped to 0..1.
    """

    size: Float
    sharpness: Float
    turn: Float
    light: Float
    contrast: Float
    score: Float


def measure(detections: Detections, crops: NDArray[np.uint8]) -> Quality:
    """Measure the faces of one picture.

    Args:
        detections: n faces.
        crops: the faces' crops ``uint8 (n, size, size, 3)``.
    """
    n = len(detections)
    sides = detections.xyxy[:, 2:4] - detections.xyxy[:, 0:2]
    size = np.asarray(sides.min(axis=1), np.float32) if n else np.zeros(0, np.float32)
    sharp, light, contrast = np.array([_texture(crop) for crop in crops], np.float32).reshape(n, 3).T
    turned = turn(detections.points)
    front = np.where(np.isnan(turned), 0.5, np.clip(1.0 - turned, 0.0, 1.0))
    score = np.clip(size / 48.0, 0, 1) * np.clip(sharp / 0.25, 0, 1) * front
    return Quality(size, sharp, turned, light, contrast, np.asarray(score, np.float32))


def sharpness(crop: RGB) -> float:
    """Return the share of a crop's contrast that a Gaussian blur (sigma 1.5 px) removes; 0 for an even crop."""
    return _texture(crop)[0]


def _texture(crop: RGB) -> tuple[float, float, float]:
    """Return sharpness, mean and standard deviation of a crop's grey."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    light, contrast = float(grey.mean()), float(grey.std())
    if contrast < 1.0:
        return 0.0, light, contrast
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 1.5)
    return float(detail.std()) / contrast, light, contrast


def signals(quality: Quality, detections: Detections, scores: Scores, *, whole: bool = False) -> dict[str, Float]:
    """Return what a chance is computed from, each ``(n,)``.

    Args:
        quality: of n faces.
        detections: the same faces.
        scores: of the primary head.
        whole: the picture is itself the crop of one face: its size, turn and detection say nothing (NaN).

    Returns:
        `certainty` (log-odds of the best label, within ±7), `entropy` (nats), `sharpness`, `contrast`, `light`, `size`
        (binary logarithm of pixels), `turn`, and `found` (log-odds of the detector's confidence, within ±7).
    """
    unknown = np.full(len(detections), np.nan)
    found = {
        "certainty": _log_odds(scores.confidence.astype(np.float64)),
        "entropy": scores.entropy,
        "sharpness": quality.sharpness,
        "contrast": quality.contrast,
        "light": quality.light,
        "size": unknown if whole else np.log2(np.maximum(quality.size, 1.0)),
        "turn": unknown if whole else quality.turn,
        "found": unknown if whole else _log_odds(detections.confidence.astype(np.float64)),
    }
    return {name: np.asarray(found[name], np.float32) for name in SIGNALS}


def chance(model: Chance, measured: Mapping[str, Float], answers: list[str]) -> Float:
    """Return how likely each answer is right ``(n,)``; a signal that is NaN adds nothing.

    Args:
        model: of the manifest.
        measured: signals by name.
        answers: the best label of each face.

    Raises:
        ModelError: the model uses a signal that this version does not measure.
    """
    total = np.array([model.bias + model.labels.get(label, 0.0) for label in answers])
    for name, curve in model.curves.items():
        if name not in measured:
            raise ModelError(f"the model's quality uses '{name}', which this mien does not measure; update mien")
        # A curve of one knot would answer NaN with its value.
        total += np.where(np.isnan(measured[name]), 0.0, np.interp(measured[name], curve.knots, curve.values))
    return np.asarray(1.0 / (1.0 + np.exp(-total)), np.float32)


def with_chance(
    quality: Quality, model: Chance | None, detections: Detections, scores: Scores, *, whole: bool = False
) -> Quality:
    """Return the quality with the chance as its score, where there is a model for it; arguments as in `signals`."""
    if model is None or not len(detections):
        return quality
    return replace(quality, score=chance(model, signals(quality, detections, scores, whole=whole), scores.label))


def _log_odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(p, 1e-9, 1.0 - 1e-9)
    return np.clip(np.log(inside / (1.0 - inside)), -7.0, 7.0)


def turn(points: Float) -> Float:
    """Return how far faces are turned ``(n,)``: the nose's offset from the eyes' middle, or the eyes' narrowing."""
    left, right, nose = points[:, 0], points[:, 1], points[:, 2]
    mouth = (points[:, 3] + points[:, 4]) / 2
    across = right - left
    distance = np.maximum(np.linalg.norm(across, axis=1), 1e-3)
    middle = (left + right) / 2
    down = np.maximum(np.linalg.norm(mouth - middle, axis=1), 1e-3)
    offset = np.abs(((nose - middle) * across).sum(axis=1)) / distance**2
    narrow = 1.0 - np.clip(distance / down, 0.0, 1.0)
    return np.asarray(np.clip(np.maximum(offset * 2.0, narrow), 0.0, 1.0), np.float32)


def reasons(quality: Quality, entropy: Float, confidence: Float, gate: Gate) -> tuple[str | None, ...]:
    """Say for each face why it should not be answered, or None.

    Reasons, in the order in which they are tried: 'too small', 'blurred', 'turned away', 'uncertain', 'low quality'.
    """
    return tuple(_reason(i, quality, float(entropy[i]), float(confidence[i]), gate) for i in range(len(quality.score)))


def _reason(i: int, quality: Quality, entropy: float, confidence: float, gate: Gate) -> str | None:
    if gate.min_face is not None and quality.size[i] < gate.min_face:
        return "too small"
    if gate.min_sharpness is not None and quality.sharpness[i] < gate.min_sharpness:
        return "blurred"
    if gate.max_turn is not None and quality.turn[i] > gate.max_turn:
        return "turned away"
    if gate.max_entropy is not None and entropy > gate.max_entropy:
        return "uncertain"
    if gate.min_confidence is not None and confidence < gate.min_confidence:
        return "uncertain"
    if gate.min_quality is not None and quality.score[i] < gate.min_quality:
        return "low quality"
    return None
