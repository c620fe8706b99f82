"""A checkpoint of the task 'detection' becomes a model folder: decoding in the graph, 32 and 8 bits, measured.

The score threshold and the default graph are chosen on the held-out tenth of the photos, which also chose the epoch:
there is no second held-out set. Ranges for 8 bits come from training photos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

import mien
from mien import manifest
from mien.datasets.faces import INFO, Photo, read_photos, split
from mien.detection.mien import FaceModel
from mien.errors import DataError, ModelError
from mien.evaluation import detection as scoring
from mien.evaluation.detection import DetectionReport
from mien.export import card, environment, licence, onnx, quantize
from mien.imaging import image as imaging
from mien.imaging.letterbox import Found, Letterbox
from mien.manifest import Data, Detector, Graph, Manifest, Metric
from mien.models.face import FaceNet
from mien.models.face_decode import FaceDetector
from mien.results import Detections
from mien.runtime.session import open_graph
from mien.training.checkpoint import Checkpoint
from mien.training.tasks.detection import DetectionRecipe

OUTPUTS = ("boxes", "scores", "points")
SIDES = (320, 640)
LARGEST_LOSS = 0.003
"""Average precision that the 8-bit graph may lose and still be the default."""
LEAST_SCORE = 0.02
"""Boxes below do not enter average precision."""
CLEAN = 0.98
"""Share of faceless photos that must stay without a box at the default threshold."""
CALIBRATION_PHOTOS = 200
"""Photos that the ranges for 8 bits are measured on; of 64 a single odd one moved average precision by 0.4 points."""
EQUAL_F1 = 0.002
"""Scores whose F1 is that close to the best count as equal: the highest of them has the fewest false alarms."""
PIXEL_TOLERANCE = 0.05
Precision = Literal["fp32", "int8"]
PRECISIONS: tuple[Precision, Precision] = ("fp32", "int8")


def export(
    checkpoint: Checkpoint,
    photos: Path,
    out: Path,
    *,
    version: str = "1",
    say: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Write the model folder of a face detector's checkpoint.

    Args:
        checkpoint: of the task 'detection'.
        photos: annotated photos (`datasets.faces`).
        out: folder to write.
        version: of the model.
        say: called with a line a step.

    Raises:
        ModelError: the graph answers otherwise than the network.
        DataError: no photos to calibrate or measure on.
    """
    recipe, network = checkpoint.recipe, checkpoint.network
    if not isinstance(recipe, DetectionRecipe) or not isinstance(network, FaceNet):
        raise ModelError(f"'{checkpoint.path}' is a checkpoint of the task '{recipe.task}', not of 'detection'")
    train, held = split(list(read_photos(photos)))
    if not train or not held:
        raise DataError(f"'{photos}' has {len(train)} training and {len(held)} held-out photos; both are needed")
    detector = FaceDetector(network)
    graph, small = out / "model.onnx", out / "model.int8.onnx"
    batches = _batches(train)
    _convert(detector, graph)
    say(f"32-bit graph: differs from the network by {_check(detector, graph, batches):.1e} at most")
    quantize.quantize(graph, small, batches, ends=False)
    graphs: dict[Precision, Graph] = {
        "fp32": manifest.describe(graph, "fp32"),
        "int8": manifest.describe(small, "int8"),
    }
    made = _save(_facts(checkpoint, recipe, train, held, version, graphs), out)

    full, fast = (_measure(out, held, key, recipe.judge.side).sizes[0].ap.value for key in PRECISIONS)
    lost = full - fast
    default: Precision = "int8" if lost <= LARGEST_LOSS else "fp32"
    say(f"8-bit graph loses {100 * lost:.2f} points of average precision: default {default}")
    threshold = _threshold(out, held, default, recipe.judge.deployed)
    say(f"score threshold {threshold:.2f}")
    made = _save(made, out, default=default, detector=Detector(score=threshold, side=recipe.judge.deployed))
    metrics: list[Metric] = []
    for side in SIDES:
        for key in PRECISIONS:
            metrics += _measure(out, held, key, side, threshold).metrics(key)
    made = _save(made, out, metrics=tuple(metrics))
    licence.write(out)
    card.write(made, out)
    return made


def _batches(train: Sequence[Photo]) -> list[NDArray[np.uint8]]:
    """Read training photos, spread evenly, at the sides that the detector is used at, through its own letterbox."""
    chosen = [train[i] for i in np.linspace(0, len(train) - 1, min(len(train), CALIBRATION_PHOTOS)).astype(int)]
    kept: list[NDArray[np.uint8]] = []

    def keep(batch: NDArray[np.uint8]) -> list[Found]:
        kept.append(batch)
        nothing = Detections.empty()
        return [(nothing.xyxy, nothing.confidence, nothing.points)] * len(batch)

    for number, photo in enumerate(chosen):
        Letterbox(SIDES[number % len(SIDES)]).detect([imaging.read(photo.path)], keep)
    return kept


def _convert(detector: FaceDetector, graph: Path) -> None:
    example = torch.zeros((2, 256, 320, 3), dtype=torch.uint8)
    auto = torch.export.Dim.DYNAMIC
    onnx.convert(detector, example, OUTPUTS, graph, dynamic={0: auto, 1: auto, 2: auto})


def _check(detector: FaceDetector, graph: Path, batches: Sequence[NDArray[np.uint8]]) -> float:
    """Compare boxes that count; return the largest distance of their scores.

    Raises:
        ModelError: scores differ by more than 1e-4, or places by more than a twentieth of a pixel.
    """
    session = open_graph(graph)
    worst, far = 0.0, list[float]()
    for batch in batches[:16]:
        with torch.inference_mode():
            ours = dict(zip(OUTPUTS, (x.numpy() for x in detector(torch.from_numpy(batch))), strict=True))
        theirs = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {onnx.INPUT: batch}), strict=True))
        worst = max(worst, float(np.abs(ours["scores"] - theirs["scores"]).max()))
        for pair in zip(_rows(ours), _rows(theirs), strict=True):
            far += _moved(*pair)
    # Of two neighbours with the very same score either may be the one that is suppressed: the last percent is let off.
    moved = float(np.quantile(far, 0.99, method="lower")) if far else 0.0
    if worst > onnx.TOLERANCE or moved > PIXEL_TOLERANCE:
        raise ModelError(
            f"{graph} answers otherwise than the network: scores differ by {worst:.2g} (at most {onnx.TOLERANCE:g}), "
            f"places by {moved:.2g} pixels (at most {PIXEL_TOLERANCE:g})"
        )
    return worst


def _rows(out: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Put score, box and points of each picture's answers side by side: ``(k, 15)`` each."""
    n, k = out["scores"].shape
    return list(np.concatenate([out["scores"][:, :, None], out["boxes"], out["points"].reshape(n, k, 10)], axis=2))


def _moved(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> list[float]:
    """Return how far each answer that counts lies from its like, in pixels.

    Answers of equal score may come in another order, so each is held against all of about its score.
    """
    far: list[float] = []
    for row in ours[ours[:, 0] >= LEAST_SCORE]:
        alike = theirs[np.abs(theirs[:, 0] - row[0]) <= onnx.TOLERANCE]
        far.append(float(np.abs(alike[:, 1:] - row[1:]).max(axis=1).min()) if len(alike) else float("inf"))
    return far


def _facts(
    checkpoint: Checkpoint,
    recipe: DetectionRecipe,
    train: Sequence[Photo],
    held: Sequence[Photo],
    version: str,
    graphs: dict[Precision, Graph],
) -> Manifest:
    uses: tuple[tuple[Literal["train", "val"], Sequence[Photo]], ...] = (("train", train), ("val", held))
    return Manifest(
        name=recipe.name,
        version=version,
        task="detection",
        description="Finds faces in a picture with five points each: the picture's left eye, right eye, nose, left and "
        "right mouth corner.",
        created=date.today(),
        licence="Apache-2.0",
        graphs=graphs,
        detector=Detector(score=LEAST_SCORE, side=recipe.judge.deployed),
        recipe=recipe.model_dump(mode="json"),
        data=tuple(
            Data(name=INFO.title, use=use, digest=checkpoint.data_digest, licence=INFO.licence, n=len(part))
            for use, part in uses
        ),
        parameters=sum(p.numel() for p in checkpoint.network.parameters()),
        mien=mien.__version__,
        environment=environment.describe(),
    )


def _save(made: Manifest, out: Path, **changes: object) -> Manifest:
    """Change a manifest, check it as a whole and write it."""
    checked = Manifest.model_validate(made.model_copy(update=changes).model_dump())
    manifest.write(checked, out)
    return checked


def _measure(
    out: Path, held: Sequence[Photo], precision: Precision, side: int, threshold: float = 0.5
) -> DetectionReport:
    model = FaceModel(out, score=LEAST_SCORE, precision=precision)
    return scoring.evaluate_detector(model, held, side, threshold=threshold)


def _threshold(out: Path, held: Sequence[Photo], precision: Precision, side: int) -> float:
    """Choose the highest score with about the best F1 over faces from 16 pixels up that leaves faceless photos clean.

    Raises:
        DataError: no photo has a face, so that there is nothing to choose by.
    """
    model = FaceModel(out, score=LEAST_SCORE, precision=precision)
    found = [found for photo in held for found in model.detect([imaging.read(photo.path)], side)]
    curve = scoring.curve(held, found, scoring.HEIGHTS[0])
    total = int(curve.faces.sum())
    if not total or not len(curve.scores):
        raise DataError("the held-out photos have no face, or the detector finds none: no threshold can be chosen")
    hits = np.cumsum(curve.hits)
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + total)
    alarms = [max(d.confidence, default=0.0) for photo, d in zip(held, found, strict=True) if photo.faceless]
    least = float(np.quantile(alarms, CLEAN, method="higher")) if alarms else 0.0
    allowed = np.where(curve.scores > least, f1, -1.0)
    equal = allowed >= allowed.max() - EQUAL_F1
    return min(0.99, round(float(curve.scores[int(equal.argmax())]) + 0.005, 2))
