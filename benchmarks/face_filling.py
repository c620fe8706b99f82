"""How often a face that fills the picture is found, and found once: crops of FER-2013, enlarged, as pictures.

``MIEN_MODELS=... python benchmarks/face_filling.py out/fer2013 --detector mien --detector yunet`` takes pictures spread
evenly over the split `val` (48 x 48, all face), enlarges them and asks each detector at each side; ``mien=FOLDER`` is
that detector with another model. It writes docs/results/face-filling.json. Some of the pictures are no faces, so 1 is
out of reach.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien import detection
from mien.curation.table import open_table
from mien.imaging import image as imaging
from mien.imaging.image import RGB

OUT = Path(__file__).resolve().parents[1] / "docs" / "results" / "face-filling.json"
SIDES = (320, 640)
ENLARGED = 192


def main() -> None:
    """Ask the detectors and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--detector", action="append", default=[])
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    given = parser.parse_args()
    pictures = _read(given.table, given.pictures)
    rows: list[dict[str, Any]] = []
    for name in given.detector or ["mien"]:
        kind, _, folder = name.partition("=")
        detector = detection.load(kind, **({"model": folder} if folder else {}))
        for side in SIDES:
            found = np.array([len(detector.detect([picture], side=side)[0]) for picture in pictures])
            row = {
                "detector": name,
                "side": side,
                "found": float((found > 0).mean()),
                "twice": float((found > 1).mean()),
            }
            rows.append(row)
            print(f"{name:20} {side:4} px  found {row['found']:.3f}, more than once {row['twice']:.3f}")
    record = {"schema": 1, "title": "Faces that fill the picture", "pictures": len(pictures), "rows": rows}
    given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _read(path: Path, count: int) -> list[RGB]:
    table = open_table(path)
    names = [row["image"] for row in table.read(["image"], split="val").to_pylist()]
    chosen = [names[at] for at in np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)]
    size = (ENLARGED, ENLARGED)
    read = (imaging.read(table.root / name) for name in chosen)
    return [np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8) for picture in read]


if __name__ == "__main__":
    main()
