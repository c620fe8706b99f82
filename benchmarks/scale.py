"""Measures how work grows with Ray's workers and what memory does over a million rows; writes docs/results/ray.json.

    python benchmarks/scale.py crop|predict --photos FOLDER [--count 300] [--json docs/results/ray.json]
    python benchmarks/scale.py memory [--rows 1000000] [--json docs/results/ray.json]

`crop` and `predict` start a Ray cluster of one node with one processor on this machine, measure over photos, add a
second node, and measure again; workers are warm in both cases. `memory` reads a made table of small pictures into
shards on one Ray worker and samples the resident memory of both processes. Each part leaves
the others' figures in the JSON as they are; docs/results/billion.py makes the plan for a billion pictures from it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from mien.curation import crop
from mien.curation.shards import Engine
from mien.curation.table import SCHEMA, Origin, open_table, write_table
from mien.imaging import image
from mien.parallel import map_batches
from mien.recognition import bulk

ROOT = Path(__file__).resolve().parents[1]
WARM = 32
PARTS = ("workers", "driver", "servers")


@contextmanager
def nodes() -> Iterator[Callable[[], Any]]:
    """Start a cluster of one node with one processor; the block gets a function that adds another."""
    import ray
    from ray.cluster_utils import Cluster

    # Ray runs its workers at a niceness of 15, which on a machine with other work measures that work.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
        yield lambda: cluster.add_node(num_cpus=1)
    finally:
        ray.shutdown()
        cluster.shutdown()


def speed(run: Callable[[Path, int, str], None], photos: Path, count: int) -> dict[str, Any]:
    """Measure pictures a second of a kind of work with one and two workers."""
    found = list(islice(image.find(photos), 4096))
    with tempfile.TemporaryDirectory() as folder, nodes() as add:
        work = Path(folder)
        rows = [{"image": f"images/{i:05d}{path.suffix}", "source": "photos"} for i, path in _numbered(found, count)]
        (work / "images").mkdir()
        for row, (_, path) in zip(rows, _numbered(found, count), strict=True):
            shutil.copyfile(path, work / row["image"])
        write_table(work / "table.parquet", rows, Origin("photos"))
        figures: dict[str, Any] = {"pictures": count, "cpu": _processor()}
        for workers in (1, 2):
            if workers == 2:
                add()
            while len(set(map_batches(_node, range(8), on="ray"))) < workers:
                pass
            run(work, WARM * workers, f"warm-{workers}")
            before, started = _spent(), time.perf_counter()
            run(work, count, f"measured-{workers}")
            seconds, after = time.perf_counter() - started, _spent()
            spent = {name: after[name] - before[name] for name in before}
            figures[f"workers_{workers}"] = {
                "pictures_per_second": round(count / seconds, 1),
                "processor_ms_per_picture": {name: round(spent[name] / count * 1e3, 2) for name in PARTS},
                "processors_taken_by_others": round((spent["all"] - sum(spent[name] for name in PARTS)) / seconds, 2),
            }
            figures["bytes_per_picture"] = {
                "in": round(sum((work / row["image"]).stat().st_size for row in rows) / count),
                "out": round(sum(p.stat().st_size for p in (work / "measured-1").rglob("*") if p.is_file()) / count),
            }
    rates = [figures[f"workers_{workers}"]["pictures_per_second"] for workers in (1, 2)]
    return figures | {"growth": round(rates[1] / rates[0], 2)}


def _spent() -> dict[str, float]:
    """Return processor seconds spent so far: by the driver, Ray's workers, its servers, and all of this machine."""
    spent = dict.fromkeys((*PARTS, "all"), 0.0)
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.Error):
            times = process.cpu_times()
            part = "driver" if process == own else "workers" if _works(process) else "servers"
            spent[part] += times.user + times.system
    every = psutil.cpu_times()
    return spent | {"all": sum(every) - every.idle - every.iowait - every.guest - every.guest_nice}


def _node(_: object) -> str:
    """Say on which node a task runs, slowly enough for the next one to be given to another."""
    import ray

    time.sleep(0.3)
    node: str = ray.get_runtime_context().get_node_id()
    return node


def _numbered(found: list[Path], count: int) -> Iterator[tuple[int, Path]]:
    return enumerate(islice(cycle(found), count))


def _crop(work: Path, count: int, out: str) -> None:
    rows = list(islice(open_table(work / "table.parquet").rows(), count))
    table = write_table(work / f"{out}.parquet", rows)
    crop.crop(table, crop.Spec(faces="all"), work / out, engine=Engine("ray", 1, 8))


def _predict(work: Path, count: int, out: str) -> None:
    names = [row["image"] for row in islice(open_table(work / "table.parquet").rows(["image"]), count)]
    pictures = [bulk.Picture(name, str(work / name)) for name in names]
    for _ in bulk.into_shards(pictures, bulk.Reading(), work / out, size=8, on="ray", workers=1):
        pass


def memory(rows: int, limit: float) -> dict[str, Any]:
    """Sample the memory of `mien predict --on ray` over a made table of small pictures, for so many seconds at most."""
    from tests.fixtures.models import tiny_expression

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _made_table(work, rows)
        model = tiny_expression(work / "tiny", size=16)
        command = [sys.executable, "-m", "mien.cli.main", "predict", str(work / "table.parquet"), "--crops"]
        options = ["--model", str(model), "--on", "ray", "--workers", "1", "--shards", str(work / "out")]
        process = subprocess.Popen([*command, *options, "--shard", "4096"], stderr=subprocess.PIPE, text=True)
        started, samples = time.perf_counter(), []
        while process.poll() is None:
            done = 4096 * sum(1 for _ in work.glob("out/part-*.parquet"))
            samples.append((done, *_resident(process.pid)))
            if len(samples) % 30 == 0:
                print(*(f"{value:.0f}" for value in samples[-1]), flush=True)
            time.sleep(2)
            if time.perf_counter() - started > limit:
                process.terminate()
                break
        else:
            if process.returncode:
                raise SystemExit(process.stderr.read() if process.stderr else "predict failed")
        process.wait()
    # Before a tenth is done, caches and models still fill up; after the last shard the worker is gone first.
    read = np.array([sample for sample in samples if 0.1 <= sample[0] / samples[-1][0] < 1])
    return {
        "rows": min(rows, samples[-1][0]),
        "of": rows,
        "seconds": round(time.perf_counter() - started, 1),
        "driver_mb": [round(float(read[0, 1]), 1), round(float(read[:, 1].max()), 1), round(float(read[-1, 1]), 1)],
        "worker_mb": [round(float(read[0, 2]), 1), round(float(read[:, 2].max()), 1), round(float(read[-1, 2]), 1)],
        "growth_mb_per_100k": {
            name: round(float(np.polyfit(read[:, 0] / 1e5, read[:, at], 1)[0]), 2)
            for name, at in (("driver", 1), ("worker", 2))
        },
        "columns": "[after a tenth, most, at the end]",
    }


def _made_table(work: Path, rows: int) -> None:
    """Write a table of that many rows over 2,000 pictures of 16x16 pixels."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    (work / "images").mkdir()
    for number in range(2000):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        (work / f"images/{number}.jpg").write_bytes(image.encode(pixels, "jpg"))
    with pq.ParquetWriter(work / "table.parquet", SCHEMA, compression="zstd") as writer:
        for start in range(0, rows, 50_000):
            count = min(50_000, rows - start)
            names = pa.array([f"images/{(start + i) % 2000}.jpg" for i in range(count)])
            source = pa.array(["made"] * count)
            columns = {"image": names, "source": source}
            writer.write_table(pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in SCHEMA], schema=SCHEMA))


def _resident(pid: int) -> tuple[float, float]:
    """Return the resident memory in MB of a process, and of the largest Ray worker below it."""
    try:
        driver = psutil.Process(pid)
        own = driver.memory_info().rss / 1e6
        workers = [p.memory_info().rss / 1e6 for p in driver.children(recursive=True) if _works(p)]
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    return own, max(workers, default=0.0)


def _works(process: psutil.Process) -> bool:
    try:
        return process.cmdline()[0].startswith("ray::")
    except (psutil.Error, IndexError):
        return False


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unknown'}, {os.cpu_count()} processors"


def main() -> None:
    """Run one part and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["crop", "predict", "memory"])
    parser.add_argument("--json", type=Path, default=ROOT / "docs/results/ray.json")
    parser.add_argument("--photos", type=Path, default=ROOT / "examples")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--limit", type=float, default=7200.0, help="seconds of the memory run")
    given = parser.parse_args()
    figures = json.loads(given.json.read_text()) if given.json.is_file() else {}
    if given.part == "memory":
        figures[given.part] = memory(given.rows, given.limit)
    else:
        figures[given.part] = speed({"crop": _crop, "predict": _predict}[given.part], given.photos, given.count)
    given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures[given.part], indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
