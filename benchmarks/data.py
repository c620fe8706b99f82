"""Measures the data engine against its bars, a part at a time, and writes docs/results/data.json.

    python benchmarks/data.py PART... --shared FOLDER --work FOLDER [--json docs/results/data.json]

Parts: `import` (FER-2013), `crop` (photos), `audit` and `embedding` (FER-2013, after `import`), `neighbours` (100,000
thumbnails), and `memory:COMMAND` for the commands of `MEMORY`, on made sets of 1,000 and 100,000 pictures of 24 pixels.
A part is one or a few `mien data` commands as a person runs them, start-up included; what it finds replaces its entry
in the JSON. Memory is that of the command with all its processes, read twenty times a second. The exit code is 1 when
a bar does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from mien import labels
from mien.curation import neighbours
from mien.curation.table import open_table

FEW, MANY = 1_000, 100_000
BARS = {"import": 20.0, "crop": 100.0, "audit": 300.0, "embedding": 60.0, "memory": 300.0}
#: Commands whose memory is measured: what follows `mien data`, in terms of the set, its table and its crops.
MEMORY: dict[str, Callable[[Path], list[str]]] = {
    "import": lambda at: ["import", "faces", str(at / "raw"), "-o", str(at / "table"), "--link"],
    "crop": lambda at: ["crop", str(at / "table"), "-o", str(at / "crops"), "--faces", "boxes", "--size", "48"],
    "dedupe": lambda at: ["dedupe", str(at / "crops"), "--method", "perceptual"],
    "neighbours": lambda at: ["dedupe", str(at / "crops"), "--method", "neighbours"],
    "split": lambda at: ["split", str(at / "crops"), "--val", "0.1", "-o", str(at / "crops" / "split.parquet")],
    "audit": lambda at: ["audit", str(at / "crops"), "--no-labels"],
    "import_labels": lambda at: [
        "import",
        "listing",
        str(at / "raw" / "labels.csv"),
        "-o",
        str(at / "labelled"),
        "--option",
        "label_set=ekman7",
        "--link",
    ],
    "audit_labels": lambda at: ["audit", str(at / "labelled")],
    "report": lambda at: ["report", str(at / "crops"), "-o", str(at / "report.html")],
}


def main() -> int:
    """Measure the parts and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/fer2013 and data/faces")
    parser.add_argument("--work", type=Path, required=True, help="folder for what the parts leave for each other")
    parser.add_argument("--json", type=Path, default=Path("docs/results/data.json"))
    given = parser.parse_args()
    late = 0
    for part in given.parts:
        name, _, command = part.partition(":")
        found = PARTS[name](given.shared, given.work, command)
        figures = json.loads(given.json.read_text(encoding="utf-8")) if given.json.exists() else {}
        figures.setdefault("cores", os.cpu_count())
        if command:
            figures.setdefault(name, {})[command] = found
        else:
            figures[name] = found
        given.json.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        late += not found["holds"]
        print(part, json.dumps(found))
    return int(late > 0)


def fer(shared: Path, work: Path, _: str) -> dict[str, Any]:
    """Import FER-2013 with its votes."""
    out = work / f"fer2013-{os.getpid()}"
    source = shared / "data" / "fer2013"
    votes = ["--votes", str(source / "fer2013new.csv")]
    spent = run(["import", "fer2013", str(source / "fer2013.csv.xz"), *votes, "-o", str(out)])
    rows = len(open_table(out))
    latest = work / "fer2013"
    latest.unlink(missing_ok=True)
    latest.symlink_to(out.name)
    return {**spent, "rows": rows, "holds": spent["seconds"] <= BARS["import"]}


def crop(shared: Path, work: Path, _: str) -> dict[str, Any]:
    """Cut all faces out of the photos."""
    if not (work / "photos").exists():
        run(["import", "faces", str(shared / "data" / "faces"), "-o", str(work / "photos"), "--link"])
    spent = run(["crop", str(work / "photos"), "-o", str(work / f"faces-{os.getpid()}"), "--faces", "all"])
    said = json.loads((work / f"faces-{os.getpid()}" / "crop.json").read_text(encoding="utf-8"))
    rate = said["pictures"] / spent["seconds"]
    return {
        **spent, "photos": said["pictures"], "faces": said["faces"], "photos_per_second": round(rate, 1),
        "holds": rate >= BARS["crop"],
    }  # fmt: skip


def audit(_: Path, work: Path, __: str) -> dict[str, Any]:
    """Audit FER-2013, with its label errors."""
    report = work / "audit.json"
    spent = run(["audit", str(work / "fer2013"), "--json", str(report)], codes=(3,))
    said = json.loads(report.read_text(encoding="utf-8"))
    errors = said["label_errors"]
    return {
        **spent, "rows": said["rows"], "duplicates": said["duplicates"], "leaks": said["leaks"],
        "imbalance": round(said["imbalance"], 1),
        "pictures": {kind: len(images) for kind, images in said["pictures"].items()},
        "doubtful_labels": errors["count"], "classifier_accuracy": errors["classifier_accuracy"],
        "holds": spent["seconds"] <= BARS["audit"],
    }  # fmt: skip


def embedding(_: Path, work: Path, __: str) -> dict[str, Any]:
    """Find copies in FER-2013 by the features of the expression model."""
    report = work / "embedding.json"
    spent = run(["dedupe", str(work / "fer2013"), "--method", "embedding", "--json", str(report)])
    figures = json.loads(report.read_text(encoding="utf-8"))["figures"]
    return {**spent, "copies": figures, "holds": spent["seconds"] <= BARS["embedding"]}


def compare(_: Path, __: Path, ___: str) -> dict[str, Any]:
    """Compare 100,000 thumbnails with each other: smooth noise, and 1,000 of it again in the mirror."""
    rng = np.random.default_rng(0)
    side = neighbours.SIDE
    coarse = rng.normal(size=(MANY, 8, 8)).astype(np.float32)
    fine = rng.normal(scale=0.1, size=(MANY, side, side)).astype(np.float32)
    made = np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_CUBIC) for one in coarse]) + fine
    made[-1000:] = made[:1000, :, ::-1]
    vectors = made.reshape(MANY, -1)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start, spent = time.perf_counter(), time.process_time()
    found = neighbours.links(vectors, 0.985)
    return {
        "pictures": MANY, "seconds": round(time.perf_counter() - start, 1),
        "processor_s": round(time.process_time() - spent, 1), "links": len(found), "holds": len(found) == 1000,
    }  # fmt: skip


def memory(_: Path, work: Path, command: str) -> dict[str, Any]:
    """Run a command on few and on many pictures; what the many take more is what it grows by."""
    found = {}
    for count in (FEW, MANY):
        at = work / f"made-{count}"
        if not at.exists():
            make(at / "raw", count)
        found[count] = run(MEMORY[command](at), codes=(0, 1))
    grown = found[MANY]["peak_mb"] - found[FEW]["peak_mb"]
    return {
        "few": found[FEW], "many": found[MANY], "grown_mb": round(grown, 1),
        "bytes_per_picture": round(1e6 * grown / (MANY - FEW)), "holds": grown <= BARS["memory"],
    }  # fmt: skip


PARTS = {
    "import": fer, "crop": crop, "audit": audit, "embedding": embedding, "neighbours": compare, "memory": memory,
}  # fmt: skip


def make(at: Path, count: int) -> None:
    """Write pictures of smooth noise, `faces.jsonl` with a box in each, and `labels.csv` with labels by chance."""
    rng = np.random.default_rng(count)
    (at / "images").mkdir(parents=True)
    names = list(labels.get("ekman7"))
    with (at / "labels.csv").open("w", encoding="utf-8") as lines:
        lines.write("image,label\n")
        lines.writelines(f"images/{i:06d}.png,{names[i % len(names)]}\n" for i in range(count))
    with (at / "faces.jsonl").open("w", encoding="utf-8") as lines:
        for i in range(count):
            coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            name = f"images/{i:06d}.png"
            cv2.imwrite(str(at / name), cv2.resize(coarse, (24, 24), interpolation=cv2.INTER_CUBIC))
            face = {"box": [2, 2, 20, 20], "ignore": False, "by": "dataset", "points": None}
            line = {"image": name, "width": 24, "height": 24, "source": "masks", "faces": [face]}
            lines.write(json.dumps(line) + "\n")


def run(arguments: list[str], codes: tuple[int, ...] = (0,)) -> dict[str, float]:
    """Run `mien data` and return seconds, seconds of processor and the peak of its memory in MB."""
    start = time.perf_counter()
    process = psutil.Popen([sys.executable, "-m", "mien.cli.main", "data", *arguments], stdout=subprocess.DEVNULL)
    peak, spent = 0, 0.0
    while process.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            peak = max(peak, sum(one.memory_info().rss for one in family))
            spent = max(spent, sum(sum(one.cpu_times()[:2]) for one in family))
        except psutil.Error:
            pass  # one of them ended while we looked
        time.sleep(0.05)
    if process.returncode not in codes:
        raise SystemExit(f"mien data {' '.join(arguments)} ended with exit code {process.returncode}")
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 2), "processor_s": round(spent, 2), "peak_mb": round(peak / 1e6, 1)}


if __name__ == "__main__":
    sys.exit(main())
