"""How fast the face detector answers beside YuNet: onnxruntime, one thread, square pictures, run in turn.

``python benchmarks/face.py --yunet yunet_n_dynamic.onnx --json docs/results/face-latency.json`` runs all once a round
and gives each one's quickest and median time. The quickest of many rounds is what the machine can do when nothing
else disturbs it; all share whatever else disturbs them.

Two times are taken. `graph`: the ONNX graph alone. Ours ends with faces, YuNet's with maps that have to be decoded.
`faces`: from a picture of that side to faces, through each one's `detect`, which is what somebody waits for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from mien import hub, manifest
from mien.detection.mien import FaceModel
from mien.detection.yunet import YuNet
from mien.evaluation import latency
from mien.imaging import image
from mien.imaging.letterbox import resize
from mien.runtime.session import open_graph

SIDES = (320, 640)
PHOTO = Path(__file__).parents[1] / "examples" / "astronaut.jpg"


def main() -> None:
    """Time graphs and detectors, and print a line for each and every side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="face", help="name or folder of a detector")
    parser.add_argument("--yunet", type=Path, required=True, help="its ONNX file with free sides")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = hub.find(given.model)
    model = manifest.read(folder)
    graphs = {f"{model.name} {key}": open_graph(folder / graph.file) for key, graph in model.graphs.items()}
    detectors = {f"{model.name} {key}": FaceModel(folder, precision=key) for key in model.graphs}
    ours, theirs = list(graphs), open_graph(given.yunet)
    photo = image.read(PHOTO)
    rows = []
    for side in SIDES:
        pixels = resize(photo, side, side)
        planes = np.ascontiguousarray(pixels[None].transpose(0, 3, 1, 2), np.float32)
        runs: dict[tuple[str, str], Callable[[], object]] = {}
        for name in ours:
            feed = {graphs[name].get_inputs()[0].name: pixels[None]}
            runs[name, "graph"] = partial(graphs[name].run, None, feed)
            runs[name, "faces"] = partial(detectors[name].detect, [pixels], side)
        runs["yunet", "graph"] = partial(theirs.run, None, {theirs.get_inputs()[0].name: planes})
        runs["yunet", "faces"] = partial(YuNet(given.yunet).detect, [pixels], side)
        rows += _rows(side, runs, given.rounds)
    if given.json:
        record = {"schema": 1, "title": "Face detectors, one thread", "machine": latency.machine(), "latency": rows}
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _rows(side: int, runs: Mapping[tuple[str, str], Callable[[], object]], rounds: int) -> list[dict[str, object]]:
    """Run all in turn and return a row for each: quickest and median time in ms."""
    times: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for _ in range(rounds + 2):
        for key, run in runs.items():
            started = time.perf_counter()
            run()
            times[key].append(time.perf_counter() - started)
    rows: list[dict[str, object]] = []
    for (name, what), taken in times.items():
        least, middle = (1e3 * pick(taken[2:]) for pick in (min, statistics.median))
        print(f"{name:12} {what:6} {side:4} px  {least:6.2f} ms at least, {middle:6.2f} ms at the median")
        rows.append(
            {"graph": name, "what": what, "side": side, "least_ms": round(least, 2), "p50_ms": round(middle, 2)}
        )
    return rows


if __name__ == "__main__":
    main()
