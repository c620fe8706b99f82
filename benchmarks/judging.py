"""Times judging and explaining, and measures trust, for the shipped model: the bars of docs/how-to/evaluate.md.

``python benchmarks/judging.py out/fer2013 --checkpoint runs/expression/best.ckpt --photos FACES.jsonl`` writes
docs/results/judging.json: the wall time of `mien evaluate` on the split `val`, seconds a map of explanation methods,
calibration and coverage across halves, and the quality of held-out photos' faces by size. Run it on an idle machine;
``python docs/results/judging.py`` then writes the tables of the page.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from mien import detection, explain
from mien.curation.table import open_table
from mien.datasets.faces import read_photos, split
from mien.evaluation import halves, latency, scoring
from mien.evaluation.scoring import Answered, Source
from mien.imaging import boxes
from mien.recognition.expression import ExpressionModel
from mien.recognition.pipeline import Recognizer

OUT = Path(__file__).resolve().parents[1] / "docs" / "results" / "judging.json"
PROTOCOLS = ("ferplus-majority", "hard")
BLACK_BOX = ("occlusion", "rise", "lime", "kernel_shap")
INSIDE = ("grad_cam", "layer_cam", "integrated_gradients")
FACES = 3
SIZES = (0, 12, 20, 32, 48, 96)


def main() -> None:
    """Measure everything and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--model", default="expression")
    parser.add_argument("--checkpoint", type=Path, help="of the same model; without it no method that looks inside")
    parser.add_argument("--photos", type=Path, help="photos with every face boxed")
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    given = parser.parse_args()
    answered = _answer(given.model, given.table)
    record: dict[str, Any] = {
        "schema": 1,
        "model": answered.name,
        "machine": latency.machine(),
        "evaluate": _evaluate(given.model, given.table, len(answered.found.rows)),
        "explain": _explain(given.model, given.checkpoint, answered),
        "halves": {protocol: _halves(answered, protocol) for protocol in PROTOCOLS},
    }
    if given.photos:
        record["wild"] = _wild(given.model, given.photos)
    given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _answer(model: str, path: Path) -> Answered:
    table = open_table(path)
    columns = table.read(split="val").to_pydict(maps_as_pydicts="strict")
    return scoring.answer(
        ExpressionModel(model), Source(columns, table.root, table.origin.title, table.digest(), "val")
    )


def _evaluate(model: str, table: Path, rows: int) -> dict[str, Any]:
    """Time the whole command, from the start of Python to the written record."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["-m", "mien.cli.main", "evaluate", model, str(table), "--json", f"{scratch}/e.json"]
        started = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return {"rows": rows, "seconds": round(time.perf_counter() - started, 2)}


def _explain(model: str, checkpoint: Path | None, answered: Answered) -> list[dict[str, Any]]:
    """Time maps of a few faces, one after the other, after a first one that loads what has to be loaded."""
    faces = answered.found.pixels[:FACES]
    subjects: list[tuple[explain.Subject, tuple[str, ...]]] = [(explain.load(model), BLACK_BOX)]
    if checkpoint is not None:
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        subjects.append((explain.load(checkpoint), INSIDE))
    rows = []
    for subject, methods in subjects:
        for method in methods:
            explain.explain(subject, faces[:1], method=method)
            seconds = [explain.explain(subject, face[None], method=method).seconds for face in faces]
            rows.append({"method": method, "faces": FACES, "seconds": round(float(np.median(seconds)), 4)})
    return rows


def _halves(answered: Answered, protocol: str) -> dict[str, Any]:
    found = halves.trust(scoring.score(answered, protocol).answers)
    return {method: {name: f.to_dict() for name, f in figures.items()} for method, figures in found.items()}


def _wild(model: str, photos: Path) -> dict[str, Any]:
    """Measure quality and abstentions by size of the face, in photos that the detector did not learn from."""
    recognizer = Recognizer(model=model, detector=detection.load("mien"))
    rows = []
    for photo in split(list(read_photos(photos)))[1]:
        faces = recognizer(photo.path)
        real = boxes.iou(faces.xyxy, photo.xyxy).max(axis=1) > 0.4 if len(photo.xyxy) else np.zeros(len(faces), bool)
        size = (faces.xyxy[:, 2:] - faces.xyxy[:, :2]).min(axis=1)
        rows += list(zip(real, size, faces.quality, [reason is not None for reason in faces.abstained], strict=True))
    real, size, quality, abstained = (np.array(column) for column in zip(*rows, strict=True))
    out = []
    for low, high in zip(SIZES, (*SIZES[1:], np.inf), strict=True):
        out.append(
            _group(
                f"{low} to {high:.0f} px" if np.isfinite(high) else f"{low} px and more",
                real & (size >= low) & (size < high),
                quality,
                abstained,
            )
        )
    return {"groups": [*out, _group("no face", ~real, quality, abstained)]}


def _group(name: str, member: Any, quality: Any, abstained: Any) -> dict[str, Any]:
    some = bool(member.any())
    return {
        "name": name,
        "n": int(member.sum()),
        "quality": round(float(np.median(quality[member])), 4) if some else None,
        "abstained": round(float(abstained[member].mean()), 4) if some else None,
    }


if __name__ == "__main__":
    main()
