"""Write the golden files: `python -m tests.golden.write`. Pictures are raw RGB bytes, so that no decoder differs.

What is written: the crops of every case with their quality, letterboxed pictures, the scores of a small random model
and those of the models inside the package (with their digests, so that a stale file is noticed), a track, a map of
occlusion, and what the reaction policy decides.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mien import hub, reactions
from mien import labels as label_sets
from mien.detection.mien import FaceModel
from mien.explain import Subject, explain
from mien.explain.regions import regions, sentence, shares
from mien.imaging import letterbox
from mien.imaging.image import RGB
from mien.manifest import Head, Manifest
from mien.recognition import circumplex, quality, scene
from mien.recognition.expression import ExpressionModel
from mien.recognition.pipeline import Recognizer
from mien.recognition.smoothing import Smoother
from mien.recognition.tracker import Tracker
from mien.results import Detections, Faces, Scores
from mien.serving.routes.reactions import describe
from tests.fixtures import models
from tests.golden import pictures
from tests.golden.chances import chances

# What browsers run: 8-bit graphs of different processors differ, see docs/decisions/device-precision.md.
PRECISION: Literal["fp32"] = "fp32"
LETTERBOXES = (("made", 160), ("made", 96), ("made", 64), ("photo", 200), ("noise", 128), ("photo", 96))


def main(folder: Path = pictures.FOLDER) -> None:
    """Write everything into a folder."""
    sources = pictures.pictures()
    with tempfile.TemporaryDirectory() as scratch:
        tiny = models.tiny_expression(Path(scratch) / "tiny")
        (folder / "tiny").mkdir(parents=True, exist_ok=True)
        for file in tiny.iterdir():
            shutil.copyfile(file, folder / "tiny" / file.name)
    for name, picture in sources.items():
        _store(folder / "pictures" / f"{name}.rgb.gz", picture)
    _json(
        folder / "golden.json",
        {
            "pictures": {name: picture.shape[1::-1] for name, picture in sources.items()},
            "template": pictures.TEMPLATE,
            "crops": [_crop(case, sources[case["picture"]], folder) for case in pictures.cases()],
            "letterboxes": [_letterboxed(name, side, sources[name], folder) for name, side in LETTERBOXES],
            "tiny": _scores(ExpressionModel(folder / "tiny"), sources),
            "track": track(),
            "reactions": reacted(),
        },
    )
    _json(folder / "models.json", shipped(sources))
    _json(folder / "chances.json", chances())


def shipped(sources: dict[str, RGB]) -> dict[str, Any]:
    """Return what the models inside the package say of the golden pictures, and the digests of their graphs."""
    model = ExpressionModel(hub.assets() / "expression", precision=PRECISION)
    face = FaceModel(hub.assets() / "face", precision=PRECISION)
    found = face.detect([sources["photo"]], side=320)[0]
    recognizer = Recognizer(detector=face, model=hub.assets() / "expression", side=320, precision=PRECISION)
    return {
        "expression": {"sha256": _digest(model.manifest), "scores": _scores(model, sources)},
        "face": {
            "sha256": _digest(face.session.manifest),
            "side": 320,
            "boxes": found.xyxy.tolist(),
            "scores": found.confidence.tolist(),
            "points": found.points.tolist(),
        },
        "occlusion": occlusion(model, sources),
        "scene": conveyed(sources),
        "read": recognizer.read([sources["photo"]], ["photo"])[0].to_dict(),
    }


def conveyed(sources: dict[str, RGB]) -> dict[str, Any]:
    """Return what the whole-picture model inside the package says of the golden pictures."""
    model = scene.SceneModel(hub.assets() / "scene", precision=PRECISION)
    values = {name: model.read(picture)[model.network.primary].values[0].tolist() for name, picture in sources.items()}
    return {"sha256": _digest(model.manifest), "values": values}


def _digest(described: Manifest) -> str:
    return described.graphs[PRECISION].sha256


def _crop(case: dict[str, Any], picture: RGB, folder: Path) -> dict[str, Any]:
    model = ExpressionModel(folder / "tiny")
    model.spec = pictures.spec(case)
    face = pictures.detections(case)
    crops = model.crops(picture, face)
    _store(folder / "crops" / f"{case['name']}.rgb.gz", crops[0])
    measured = quality.measure(face, crops)
    return {
        "name": case["name"],
        "picture": case["picture"],
        "crop": model.spec.model_dump(mode="json"),
        "box": face.xyxy[0].tolist(),
        "points": None if np.isnan(face.points).any() else face.points[0].tolist(),
        "sharpness": float(measured.sharpness[0]),
        "turn": None if np.isnan(measured.turn[0]) else float(measured.turn[0]),
        "quality": float(measured.score[0]),
    }


def _letterboxed(name: str, side: int, picture: RGB, folder: Path) -> dict[str, Any]:
    seen: list[RGB] = []
    found = (np.array([[1, 2, 30, 28]], np.float32), np.ones(1, np.float32), np.ones((1, 5, 2), np.float32) * 9)

    def run(batch: Any) -> list[letterbox.Found]:
        seen.append(batch[0])
        return [found]

    back = letterbox.Letterbox(side).detect([picture], run)[0]
    _store(folder / "letterboxes" / f"{name}_{side}.rgb.gz", seen[0])
    size = list(seen[0].shape[1::-1])
    return {
        "picture": name,
        "side": side,
        "size": size,
        "box": back.xyxy[0].tolist(),
        "point": back.points[0, 0].tolist(),
    }


def _scores(model: ExpressionModel, sources: dict[str, RGB]) -> list[dict[str, Any]]:
    out = []
    for case in pictures.cases():
        crops = model.crops(sources[case["picture"]], pictures.detections(case))
        heads = {name: head.to_dict(0) for name, head in model.predict(crops).items()}
        out.append({"name": case["name"], "heads": heads})
    return out


def track() -> dict[str, Any]:
    """Two faces that cross, one unseen for a while, at an uneven frame rate."""
    rng = np.random.default_rng(3)
    tracker, frames = Tracker(), []
    for k in range(40):
        time = round(0.05 * k + 0.02 * (k % 3), 3)
        rows = [(20 + 6 * k, 40, 80 + 6 * k, 110), (280 - 6 * k, 55, 350 - 6 * k, 135)]
        seen = [row for i, row in enumerate(rows) if not (i == 1 and 22 <= k < 30)]
        xyxy = np.array(seen, np.float32) + rng.normal(0, 1, (len(seen), 4)).astype(np.float32)
        n = len(seen)
        faces = Detections(xyxy, np.ones(n, np.float32), np.zeros((n, 5, 2), np.float32))
        frames.append({"time": time, "boxes": xyxy.tolist(), "tracker_id": tracker.update(faces, time).tolist()})
    return {"frames": frames, "smoothing": _smoothing()}


def _smoothing() -> list[dict[str, Any]]:
    """Scores of one face that waver, change for good, and pause longer than a track is remembered."""
    rng = np.random.default_rng(5)
    smoother, labels, out = Smoother(), label_sets.get("basic6"), []
    for k in range(60):
        time = round(0.06 * k + (1.5 if k >= 45 else 0.0), 3)
        raw = rng.dirichlet([6 if i == (0 if k < 20 else 2) else 3 for i in range(len(labels))])
        scores = Scores(labels, raw[None].astype(np.float32))
        made = smoother.update(np.array([1]), time, {"head": scores})["head"]
        smoothed = {"smoothed": made.values[0].tolist(), "shown": int(made.class_id[0])}
        out.append({"time": time, "scores": scores.values[0].tolist(), **smoothed})
    return out


def occlusion(model: ExpressionModel, sources: dict[str, RGB]) -> dict[str, Any]:
    """The map of one golden crop, and its shares among the regions of a face whose points are the template's."""
    case = next(case for case in pictures.cases() if case["name"] == "photo_face")
    crop = model.crops(sources[case["picture"]], pictures.detections(case))[0]
    subject = Subject(
        model.manifest.name,
        model.manifest.head(model.primary).set(),
        model.spec,
        lambda c: model.predict(c)[model.primary].values,
    )
    found = explain(subject, crop[None], method="occlusion")
    points = np.asarray(pictures.TEMPLATE, np.float32) * model.spec.size
    share = shares(found.maps, regions(points, model.spec.size))[0]
    return {
        "crop": case["name"],
        "target": found.labels.labels[int(found.targets[0])],
        "map": found.maps[0].tolist(),
        "points": points.tolist(),
        "regions": share,
        "sentence": sentence(share),
    }


def reacted() -> list[dict[str, Any]]:
    """The policy inside the package, and what it decides for faces that show much, little, or nothing that counts.

    Once without a whole-picture model, once with one that gives valence and arousal, once with one of emotions.
    """
    labels, policy = label_sets.get("ferplus8"), reactions.load_policy()
    affect, moods = label_sets.get("affect2"), label_sets.get("mikels8")
    heads = (None, _head(affect.name, "value"), _head(moods.name, "single"))
    out = []
    for number, head in enumerate(heads):
        rng, cases = np.random.default_rng(11 + number), []
        for k in range(6 if number else 12):
            rows = rng.dirichlet([0.25 if k % 3 else 3.0] * len(labels), k % 4).astype(np.float32)
            abstained = [None if rng.random() < 0.7 else "too blurred" for _ in rows]
            seen = None
            if head is not None:
                values = rng.uniform(-1, 1, 2) if head.kind == "value" else rng.dirichlet([0.3] * len(moods))
                seen = Scores(affect if head.kind == "value" else moods, values[None].astype(np.float32))
            emotions = circumplex.derive(seen) if seen is not None and seen.labels == affect else seen
            decided = reactions.react(_faces(Scores(labels, rows), abstained), emotions, policy)
            cases.append(
                {
                    "faces": [
                        {"scores": dict(zip(labels, row.tolist(), strict=True)), "abstained": reason}
                        for row, reason in zip(rows, abstained, strict=True)
                    ],
                    "scene": None if seen is None else dict(zip(seen.labels, seen.values[0].tolist(), strict=True)),
                    "expected": decided.to_dict(),
                }
            )
        out.append({"policy": describe(policy, labels, head).model_dump(mode="json"), "cases": cases})
    return out


def _head(label_set: str, kind: Literal["single", "value"]) -> Head:
    return Head(name="scene", label_set=label_set, labels=tuple(label_sets.get(label_set)), kind=kind)


def _faces(scores: Scores, abstained: list[str | None]) -> Faces:
    n = len(scores)
    boxes = Detections(np.zeros((n, 4), np.float32), np.ones(n, np.float32), np.zeros((n, 5, 2), np.float32))
    return Faces(boxes, {"expression": scores}, "expression", np.ones(n, np.float32), tuple(abstained))


def _store(path: Path, picture: RGB) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(np.ascontiguousarray(picture).tobytes(), 9, mtime=0))


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, default=list) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
