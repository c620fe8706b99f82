from __future__ import annotations

from pathlib import Path

import pytest
from tests.fixtures.layouts import picture

from mien import labels
from mien.datasets import listing
from mien.errors import DataError


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        picture(tmp_path / name, number)
    return tmp_path


def held(path: Path) -> list[set[str] | None]:
    names = labels.get("social8").labels
    samples = list(listing.read(path, label_set="social8"))
    assert all(sample.label is None for sample in samples)
    votes = [sample.votes.get("social8") for sample in samples]
    return [None if v is None else {n for n, x in zip(names, v, strict=True) if x > 0} for v in votes]


def test_one_field_names_all_labels_of_a_picture_and_an_empty_one_says_nothing(pictures: Path) -> None:
    path = pictures / "list.csv"
    path.write_text('image,labels\na.png,happy|surprised\nb.png,"joy, anger"\nc.png,\n')
    assert held(path) == [{"happy", "surprise"}, {"happy", "angry"}, None]


def test_a_column_a_label_may_have_a_synonym_for_its_name_and_no_label_at_all_is_an_answer(pictures: Path) -> None:
    path = pictures / "list.csv"
    path.write_text("image,Happy,sadness,other\na.png,1,0,0\nb.png,0.6,1,\nc.png,0,0,0\n")
    assert held(path) == [{"happy"}, {"happy", "sad"}, set()]
    strengths = next(s for s in listing.read(path, label_set="social8") if s.name == "b.png").votes["social8"]
    assert strengths.max() == 1.0
    assert strengths[0] == pytest.approx(0.6)


def test_a_label_outside_the_set_or_a_field_that_is_no_number_is_named_with_its_line(pictures: Path) -> None:
    path = pictures / "list.csv"
    path.write_text("image,labels\na.png,happy|bored\n")
    with pytest.raises(DataError, match=r"line 2 .*bored"):
        held(path)
    path.write_text("image,happy,sad\na.png,yes,0\n")
    with pytest.raises(DataError, match=r"line 2 .*column 'happy': 'yes' is not a number"):
        held(path)
