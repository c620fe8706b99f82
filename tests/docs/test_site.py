"""The documentation is built without a warning, and shows what the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from documentation import api, commands, figures, models

from mien.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site() -> Path:
    """The site, built once."""
    built = subprocess.run(
        [sys.executable, "-m", "documentation"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    said = re.sub(r"\x1b\[[0-9;]*m", "", built.stdout + built.stderr)
    assert built.returncode == 0, said.partition("Traceback")[0]
    return ROOT / "out" / "site"


def test_the_site_is_built_strictly_and_fetches_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?(https?:)?//([^\"'> ]+)")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    outside = {
        f"{page.name}: {found[1]}" for page in pages for found in loaded.findall(page.read_text(encoding="utf-8"))
    }
    assert {line for line in outside if "canonical" not in line} == set()


def test_every_page_in_docs_is_in_the_navigation_or_linked_from_one(site: Path) -> None:
    linked = "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    pages = [p for p in (ROOT / "docs").rglob("*.md") if "generated" not in p.parts]
    assert [p.name for p in pages if p.with_suffix(".html").name not in linked] == []


def test_the_command_reference_has_every_command_with_its_options() -> None:
    made = commands.pages()
    assert set(made) == {f"commands/{name}.md" for name in (*COMMANDS, "index")}
    assert "`mien data crop`" in made["commands/data.md"]
    assert "--annotate" in made["commands/predict.md"]


def test_the_python_reference_has_every_public_room() -> None:
    folders = {p.parent.name for p in (ROOT / "src" / "mien").glob("*/__init__.py")} - api.LEFT_OUT
    assert folders <= set(api.rooms())
    assert "::: mien.results" in api.pages()["api/results.md"]


def test_the_zoo_has_the_card_of_every_model_that_ships() -> None:
    shipped = {p.parent.name for p in (ROOT / "src" / "mien" / "assets").glob("*/model.json")}
    assert {f"models/{name}.md" for name in shipped} < set(models.pages())


def test_every_measurement_has_a_page_with_its_numbers() -> None:
    index = figures.pages()["results/index.md"]
    assert [p.stem for p in (ROOT / "docs" / "results").glob("*.json") if f"[{p.stem}](" not in index] == []
    page = figures.page("made", {"p50_ms": 12.5, "points": [{"t": float(i), "v": i * 2.0} for i in range(40)]})
    assert "12.5" in page
    assert "<svg" in page
