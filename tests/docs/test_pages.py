"""Every block of code on every page runs: commands, Python, and the data that pages show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import pages

ROOT = Path(__file__).resolve().parents[2]
WITH_BLOCKS = [page for page in pages.pages() if "```" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    assert pages.run(page, tmp_path) + len(pages.marks(page)) > 0


def test_few_blocks_are_left_out_and_each_says_why() -> None:
    reasons = {page.relative_to(ROOT): pages.marks(page) for page in pages.pages()}
    assert [page for page, found in reasons.items() if not all(found)] == []
    assert sum(len(found) for found in reasons.values()) <= 20, reasons
