"""Writes the pages of ablations beside this script from their JSON records, so that no figure is copied by hand.

``python docs/results/ablation.py [RECORD...]`` takes records that ``mien train ablate`` wrote (NAME=PATH, for example
``backbones=runs/backbones/ablation.json``) in place of the published ones, and writes NAME.md and NAME.svg of every
published record. ``--check`` only says whether they are fresh.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from mien.training import ablation_report

HERE = Path(__file__).resolve().parent
NAMES = ("ablation", "backbones", "flagship")


def pages() -> dict[Path, str]:
    """Return what the pages of every published record should be."""
    out = {}
    for name in NAMES:
        path = HERE / f"{name}.json"
        if path.exists():
            record = json.loads(path.read_text(encoding="utf-8"))
            out[HERE / f"{name}.md"] = ablation_report.markdown(record, f"{name}.svg")
            out[HERE / f"{name}.svg"] = ablation_report.picture(record)
    return out


def main(arguments: list[str]) -> int:
    """Take new records, then write the pages, or check them."""
    if "--check" in arguments:
        return int(any(not path.exists() or path.read_text(encoding="utf-8") != text for path, text in pages().items()))
    for word in arguments:
        name, _, source = word.partition("=")
        if name not in NAMES or not source:
            sys.exit(f"expected NAME=PATH with a name of {', '.join(NAMES)}, got '{word}'")
        shutil.copy(source, HERE / f"{name}.json")
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
