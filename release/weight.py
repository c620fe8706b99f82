"""Measures what an installation weighs and how long it takes to start, against the bars of the design.

``python -m release.weight --fresh base --json docs/results/install.json`` installs the named extras into fresh
environments; the others are added up from the files that this environment's packages list (their RECORD).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from release.requirements import ROOT, declared, installed

PHOTO = ROOT / "examples" / "astronaut.jpg"
BARS = {"base_mb": 400.0, "import_s": 0.3, "help_s": 0.5, "cold_s": 1.0}


def listed(extra: str) -> dict[str, Any]:
    """Return the weight of an extra from the RECORD files of this environment."""
    found, absent = installed(extra)
    sizes = {name: listed_bytes(package) for name, package in found.items()}
    heaviest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
    return {
        "how": "listed",
        "mb": round((sum(sizes.values()) + weight(ROOT / "src" / "mien")) / 1e6, 1),
        "packages": len(sizes),
        "heaviest": ", ".join(f"{name} {size / 1e6:.0f}" for name, size in heaviest),
        "absent": ", ".join(absent),
    }


def listed_bytes(package: Distribution) -> int:
    """Return the bytes of the files that a package's RECORD lists and that are there."""
    paths = (Path(str(file.locate())) for file in package.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())


def fresh(extra: str) -> dict[str, Any]:
    """Install an extra into a new environment; return its weight, and how long the installation took."""
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        site = Path(name) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        before = weight(site)
        wanted = str(ROOT) if extra == "base" else f"{ROOT}[{extra}]"
        pip = [f"{name}/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        start = time.perf_counter()
        subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), wanted], check=True)
        seconds = time.perf_counter() - start
        return {"how": "installed", "mb": round((weight(site) - before) / 1e6, 1), "seconds": round(seconds, 1)}


def weight(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def seconds_of(command: list[str], times: int) -> float:
    """Return the median seconds of a command, run in a process of its own after one that warms the disk."""
    taken = []
    for _ in range(times + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken[1:]), 3)


def imports(statement: str, count: int = 12) -> list[dict[str, Any]]:
    """Return the packages whose import takes longest in a statement, by `-X importtime` (their own and below)."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.findall(r"import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)", done.stderr)
    roots = [(int(total), name) for _, total, _, name in found if "." not in name or name.startswith("mien")]
    return [{"module": name, "ms": round(total / 1000, 1)} for total, name in sorted(roots, reverse=True)[:count]]


def measure(extras: list[str], times: int) -> dict[str, Any]:
    """Return the record that is written."""
    python, mien = sys.executable, str(Path(sys.executable).with_name("mien"))
    bare = seconds_of([python, "-c", "pass"], times)
    start = {
        "import_s": round(max(seconds_of([python, "-c", "import mien"], times) - bare, 0.0), 3),
        "help_s": seconds_of([mien, "--help"], times),
        "cold_s": seconds_of([mien, "predict", str(PHOTO)], times),
        "python_s": bare,
    }
    weights = {name: fresh(name) if name in extras else listed(name) for name in declared()}
    met = {bar: (weights["base"]["mb"] if bar == "base_mb" else start[bar]) <= limit for bar, limit in BARS.items()}
    return {
        "bars": BARS,
        "met": met,
        "start": start,
        "weights": weights,
        "imports": imports(f"import mien; mien.load()({str(PHOTO)!r})"),
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def main() -> int:
    """Measure, print, write; the exit code is 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="append", default=[], choices=list(declared()), help="install this one")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    record = measure(given.fresh, given.times)
    text = json.dumps(record, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")
    return 0 if all(record["met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
