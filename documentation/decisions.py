"""Lists the pages in docs/decisions by their titles, so that a new one is found without being listed by hand."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "decisions"


def pages() -> dict[str, str]:
    """Return the page by its path below docs/generated."""
    titles = {
        p.name: p.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for p in sorted(FOLDER.glob("*.md"))
    }
    links = "".join(f"- [{title}](../decisions/{name})\n" for name, title in titles.items())
    return {"decisions.md": f"# Decisions\n\nWhy the code is as it is, where a reader would ask.\n\n{links}"}
