"""Turns the notebooks in docs/notebooks into pages, with the outputs that are stored in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "docs" / "notebooks"


def pages() -> dict[str, str | bytes]:
    """Return the pages and their pictures by their path below docs/generated."""
    import nbformat
    from nbconvert import MarkdownExporter

    made: dict[str, str | bytes] = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook: Any = nbformat.read(path, as_version=4)
        resources = {"output_files_dir": path.stem}
        text, found = MarkdownExporter().from_notebook_node(notebook, resources=resources)
        made[f"notebooks/{path.stem}.md"] = f"{text}\n\n[Download this notebook](../../notebooks/{path.name})\n"
        made |= {f"notebooks/{name}": data for name, data in found["outputs"].items()}
    return made
