"""How fast the networks of an ablation's variants answer once they ship: 8-bit graphs on onnxruntime, one thread.

``python benchmarks/backbones.py recipes/ablation/backbones.toml --json FILE`` writes each variant's untrained network
as the export does (layers merged, 8 bits calibrated on noise: the weights do not matter for time), runs all graphs in
turn, round after round, and gives each one's quickest time for one crop and for sixteen. The quickest of many rounds
is what the machine can do when nothing else disturbs it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from mien.evaluation import latency
from mien.export import onnx
from mien.export.quantize import quantize
from mien.models.network import Deployed
from mien.training import ablation
from mien.training.tasks import expression

BATCHES = (1, 16)


def main() -> None:
    """Build the graphs, time them and print a line a variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", type=Path)
    parser.add_argument("--side", type=int, default=48, help="of the crops")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for (variant, _), recipe in ablation.recipes(ablation.read(given.plan), 1).items():
            assert isinstance(recipe, expression.ExpressionRecipe)
            torch.manual_seed(1)
            network = expression.network(recipe).eval()
            network.backbone.merge()
            full, small = Path(folder) / f"{len(found)}.onnx", Path(folder) / f"{len(found)}.int8.onnx"
            pixels = rng.integers(0, 256, (16, given.side, given.side, 3), dtype=np.uint8)
            onnx.convert(Deployed(network), torch.from_numpy(pixels), list(recipe.heads), full)
            quantize(full, small, [pixels])
            parameters = sum(p.numel() for p in network.parameters())
            sessions = {"int8": _open(small), "fp32": _open(full)}
            found[variant] = (parameters, sessions, {(key, n): [] for key in sessions for n in BATCHES}, pixels)
    for _ in range(given.rounds):
        for _, sessions, times, pixels in found.values():
            for key, n in times:
                feed = {onnx.INPUT: pixels[:n]}
                started = time.perf_counter()
                sessions[key].run(None, feed)
                times[key, n].append(time.perf_counter() - started)
    record = {
        "schema": 1,
        "machine": latency.machine(),
        "side": given.side,
        "rounds": given.rounds,
        "backbones": {
            name: {"parameters": parameters}
            | {f"{key}_{n}_ms": round(1e3 * min(taken), 4) for (key, n), taken in times.items()}
            for name, (parameters, _, times, _) in found.items()
        },
    }
    for name, row in record["backbones"].items():
        print(name, "  ".join(f"{key} {value}" for key, value in row.items()))
    if given.json:
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _open(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
