"""Every block of code on every page runs: commands, Python, and the data that pages show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs import pages

ROOT = Path(__file__).resolve().parents[2]
#: Commands that take many seconds even on made data; the pages that have them are left to `make pages`.
LONG = re.compile(r"^(\$ )?(mien (train|explain|label|reproduce|landmarks|data audit)|dvc |ray )", re.MULTILINE)
#: Pages that train on so little that a minute of a processor is enough, and are run with all other tests.
BRIEF = {"own-model.md", "train-on-raf-ce.md", "train-for-social-media.md", "train-on-your-folder.md"}


def _long(page: Path, text: str) -> bool:
    return page.name not in BRIEF and LONG.search(text) is not None


TEXTS = {page: page.read_text(encoding="utf-8") for page in pages.pages()}
CASES = [
    pytest.param(page, id=str(page.relative_to(ROOT)), marks=[pytest.mark.long] if _long(page, text) else [])
    for page, text in TEXTS.items()
    if "```" in text
]


@pytest.mark.parametrize("page", CASES)
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    pages.run(page, tmp_path)


def test_few_blocks_are_left_out_and_each_says_why() -> None:
    reasons = {page.relative_to(ROOT): pages.marks(page) for page in TEXTS}
    assert [page for page, found in reasons.items() if not all(found)] == []
    assert sum(len(found) for found in reasons.values()) <= 20, reasons
