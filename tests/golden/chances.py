"""What a made model of an answer's chance says of made faces, for every client that computes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mien import labels
from mien.manifest import Chance, Curve
from mien.recognition import quality
from mien.results import Detections, Scores

CHANCE = Chance(
    bias=0.4,
    curves={
        "certainty": Curve(knots=(-1.0, 1.0, 5.0), values=(-1.5, 0.1, 1.2)),
        "size": Curve(knots=(3.0, 5.5), values=(-0.8, 0.3)),
        "found": Curve(knots=(0.5,), values=(0.2,)),
        "light": Curve(knots=(40.0, 120.0, 220.0), values=(-0.4, 0.2, -0.3)),
    },
    labels={"fear": -0.7},
)


def chances() -> dict[str, Any]:
    """Return a made model of an answer's chance, and what it says of faces and of crops that are whole pictures."""
    crops = np.stack([np.full((48, 48, 3), grey, np.uint8) for grey in (10, 90, 240)])
    crops[:, ::2] //= 2
    boxes = np.array([[0, 0, side, side + 3] for side in (7, 30, 200)], np.float32)
    face = Detections(boxes, np.array([0.3, 0.8, 1.0], np.float32), np.full((3, 5, 2), np.nan, np.float32))
    values = np.array([[0.9, 0.06, 0.04], [0.4, 0.35, 0.25], [0.0, 0.0, 1.0]], np.float32)
    scores = Scores(labels.of("three", ["neutral", "happy", "fear"]), values)
    measured = quality.measure(face, crops)
    cases = []
    for whole in (False, True):
        known = quality.signals(measured, face, scores, whole=whole)
        said = quality.chance(CHANCE, known, scores.label)
        for i in range(len(face)):
            cases.append(
                {
                    "whole": whole,
                    "size": float(measured.size[i]),
                    "light": float(measured.light[i]),
                    "confidence": float(face.confidence[i]),
                    "best": float(scores.confidence[i]),
                    "label": scores.label[i],
                    "chance": float(said[i]),
                }
            )
    return {"model": CHANCE.model_dump(mode="json"), "cases": cases}
