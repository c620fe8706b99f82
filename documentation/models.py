"""Writes the model zoo: a table of the models that ship, and each model's card with its figures."""

from __future__ import annotations

from pathlib import Path

from mien import manifest

ASSETS = Path(manifest.__file__).resolve().parent / "assets"


def pages() -> dict[str, str]:
    """Return the pages by their path below docs/generated."""
    made, rows = {}, []
    for folder in sorted(path.parent for path in ASSETS.glob("*/model.json")):
        facts = manifest.read(folder)
        size = sum(path.stat().st_size for path in folder.glob("*.onnx")) / 1e6
        heads = ", ".join(f"`{head.name}` ({head.label_set})" for head in facts.heads) or "boxes and five points"
        rows.append(
            f"| [{facts.name}]({folder.name}.md) | {facts.task} | {heads} | {size:.1f} MB | {facts.licence} |\n"
        )
        made[f"models/{folder.name}.md"] = (folder / "card.md").read_text(encoding="utf-8")
    made["models/index.md"] = (
        "# Models\n\nThese are inside the package. `mien models list` and `mien models show NAME` print the same, "
        "and `mien models verify` checks the digests.\n\n"
        "| model | task | heads | graphs | licence |\n|---|---|---|---|---|\n"
        f"{''.join(rows)}\n"
        "A model of your own is a folder of the same shape ([what is in it](../../concepts/model-folder.md)); "
        "`mien predict --model FOLDER` runs it, and [this page](../../how-to/own-model.md) makes one.\n"
    )
    return made
