"""Sets of posed faces and rated photos: what the readers make of them, and what they say when one does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fixtures.layouts import picture, pixels_text, read

from mien.datasets import READERS
from mien.errors import DataError


def test_ckplus_subjects_stand_in_the_file_names(tmp_path: Path) -> None:
    assert {(s.label, s.subject) for s in read("ckplus", tmp_path)} == {
        ("anger", "S010"), ("contempt", "S138"), ("happiness", "S010"),
    }  # fmt: skip


def test_ckplus_comes_as_a_csv_too(tmp_path: Path) -> None:
    (tmp_path / "ck.csv").write_text(
        f"emotion,pixels,Usage\n7,{pixels_text(1)},Training\n3,{pixels_text(2)},PublicTest\n"
    )
    one, two = READERS.module("ckplus").read(tmp_path / "ck.csv")
    assert (one.label, one.split, two.label, two.split) == ("contempt", "train", "happiness", "val")
    assert one.pixels is not None
    assert one.pixels.shape == (48, 48)


def test_jaffe_codes_are_read_and_foreign_names_refused(tmp_path: Path) -> None:
    assert {(s.label, s.subject) for s in read("jaffe", tmp_path)} == {("angry", "KA"), ("happy", "YM")}
    picture(tmp_path / "KA.XX1.40.tiff")
    with pytest.raises(DataError, match=r"KA\.XX1\.40\.tiff"):
        list(READERS.module("jaffe").read(tmp_path))


def test_cfee_units_are_joined_to_pictures_and_all_zero_is_an_error(tmp_path: Path) -> None:
    found = {s.label: s for s in read("cfee", tmp_path)}
    assert found["happily surprised"].other_labels == {"action_units": "1+12"}
    assert found["happily surprised"].subject == "0001"
    assert found["neutral"].votes["rafau18"].sum() == 0
    (tmp_path / "aus.csv").write_text("image,AU1\n0001_9.jpg,0\n")
    with pytest.raises(DataError, match="every action unit"):
        list(READERS.module("cfee").read(tmp_path))
    (tmp_path / "aus.csv").write_text("image,brow\n0001_9.jpg,0\n")
    with pytest.raises(DataError, match="no column of action units"):
        list(READERS.module("cfee").read(tmp_path))


def test_oasis_ratings_are_carried_to_minus_one_and_one(tmp_path: Path) -> None:
    acorns, fire = read("oasis", tmp_path)
    assert acorns.numbers["valence"] == pytest.approx((4.68 - 4) / 3)
    assert fire.numbers == {"valence": -1.0, "arousal": 1.0}
    assert fire.other_labels["oasis_category"] == "Scene"


def test_oasis_of_the_shared_data_has_900_photos(shared: Path) -> None:
    found = list(READERS.module("oasis").read(shared / "data/oasis/oasis.csv", images=shared / "data/faces/images"))
    assert len(found) == 900
    assert all(s.path is not None and s.path.is_file() for s in found)
