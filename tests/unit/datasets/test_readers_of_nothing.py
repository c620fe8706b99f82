"""Every reader against what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fixtures.layouts import LAYOUTS

from mien.datasets import READERS
from mien.errors import MienError, UnknownNameError


@pytest.mark.parametrize("name", ["rafdb", "rafce"])
def test_an_unknown_kind_of_pictures_is_refused(tmp_path: Path, name: str) -> None:
    LAYOUTS[name](tmp_path)
    with pytest.raises(UnknownNameError, match="aligned"):
        list(READERS.module(name).read(tmp_path, pictures="alined"))


@pytest.mark.parametrize("name", sorted(set(READERS.names()) - {"listing", "fer2013", "ferplus"}))
def test_an_empty_folder_is_refused_by_its_name_or_holds_nothing(name: str, tmp_path: Path) -> None:
    try:
        said = str([s.name for s in READERS.module(name).read(tmp_path)])
    except MienError as error:
        said = str(error)
    assert said == "[]" or str(tmp_path) in said
