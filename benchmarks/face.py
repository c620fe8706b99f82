"""How fast the face detector's graphs answer beside YuNet's: onnxruntime, one thread, square pictures, run in turn.

``python benchmarks/face.py --yunet yunet_n_dynamic.onnx --json docs/results/face-latency.json`` runs all graphs once a
round and gives each one's quickest and median time. The quickest of many rounds is what the machine can do when nothing
else disturbs it; all graphs share whatever else disturbs them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from mien import hub, manifest
from mien.evaluation import latency
from mien.runtime.session import open_graph

SIDES = (320, 640)


def main() -> None:
    """Time the graphs and print a line a graph and side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="face", help="name or folder of a detector")
    parser.add_argument("--yunet", type=Path, required=True, help="its ONNX file with free sides")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = hub.find(given.model)
    model = manifest.read(folder)
    sessions = {f"{model.name} {key}": open_graph(folder / graph.file) for key, graph in model.graphs.items()}
    sessions["yunet"] = open_graph(given.yunet)
    rows = []
    for side in SIDES:
        pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
        planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
        feeds = {name: planes if name == "yunet" else pixels for name in sessions}
        times: dict[str, list[float]] = {name: [] for name in sessions}
        for _ in range(given.rounds + 2):
            for name, session in sessions.items():
                times[name].append(_run(session, feeds[name]))
        for name, taken in times.items():
            least, middle = (1e3 * pick(taken[2:]) for pick in (min, statistics.median))
            rows.append({"graph": name, "side": side, "least_ms": round(least, 2), "p50_ms": round(middle, 2)})
            print(f"{name:12} {side:4} px  {least:6.2f} ms at least, {middle:6.2f} ms at the median")
    if given.json:
        record = {"schema": 1, "title": "Face detectors, one thread", "machine": latency.machine(), "latency": rows}
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _run(session: Any, feed: Any) -> float:
    started = time.perf_counter()
    session.run(None, {session.get_inputs()[0].name: feed})
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
