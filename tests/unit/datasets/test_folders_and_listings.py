"""Folders and lists of pictures: what the readers make of them, and what they say when one does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fixtures.layouts import LAYOUTS, picture, read

from mien.datasets import READERS
from mien.errors import DataError


def test_fer2013_folders_believe_the_file_name_before_the_folder(tmp_path: Path) -> None:
    found = {s.name: (s.label, s.split) for s in read("fer2013_folders", tmp_path)}
    assert found["test/angry/PublicTest_99.jpg"] == ("angry", "val")
    assert found["test/sad/PrivateTest_7.jpg"] == ("sad", "test")


def test_folders_guess_the_first_label_set_that_knows_every_name(tmp_path: Path) -> None:
    assert {s.label_set for s in read("folder", tmp_path / "a")} == {"ekman7"}
    picture(tmp_path / "b/contempt/x.png")
    picture(tmp_path / "b/Happiness/y.png")
    found = list(READERS.module("folder").read(tmp_path / "b"))
    assert {(s.label, s.label_set) for s in found} == {("contempt", "ferplus8"), ("happiness", "ferplus8")}


def test_folders_of_own_words_are_refused_until_they_are_asked_for(tmp_path: Path) -> None:
    picture(tmp_path / "bored/x.png")
    with pytest.raises(DataError, match=r"no label set knows all folders .*bored.*label_set=own"):
        list(READERS.module("folder").read(tmp_path))
    [sample] = READERS.module("folder").read(tmp_path, label_set="own")
    assert (sample.label, sample.label_set) == ("bored", "own")


def test_folder_names_with_spaces_emoji_and_newlines_are_read(tmp_path: Path) -> None:
    names = ["a b.png", "\N{GRINNING FACE}.png", "line\nbreak.png", "'quoted\".png"]
    for name in names:
        picture(tmp_path / "happy" / name)
    assert sorted(s.name for s in READERS.module("folder").read(tmp_path)) == sorted(f"happy/{n}" for n in names)


def test_a_link_that_leads_out_of_the_folder_is_refused_and_one_inside_is_read(tmp_path: Path) -> None:
    picture(tmp_path / "set/happy/a.png")
    (tmp_path / "set/happy/inside.png").symlink_to(tmp_path / "set/happy/a.png")
    assert len(list(READERS.module("folder").read(tmp_path / "set"))) == 2
    picture(tmp_path / "secret.png")
    (tmp_path / "set/happy/z.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="link that leads out"):
        list(READERS.module("folder").read(tmp_path / "set"))


def test_a_listing_finds_columns_by_their_usual_names(tmp_path: Path) -> None:
    one, two, three = read("listing", tmp_path)
    assert (one.label, one.split, one.subject, one.numbers) == (
        "happy",
        "train",
        "s1",
        {"valence": 0.5, "arousal": 0.1},
    )
    assert (two.name, two.label, two.split) == ("sub/b.png", "sad", "val")
    assert three.label is None


def test_a_listing_in_parquet_reads_as_in_csv(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    source, options = LAYOUTS["listing"](tmp_path)
    pandas.read_csv(source, sep=";").to_parquet(tmp_path / "list.parquet")
    again = list(READERS.module("listing").read(tmp_path / "list.parquet", **options))
    expected = list(READERS.module("listing").read(source, **options))
    assert [(s.name, s.label, s.split, s.numbers) for s in again] == [
        (s.name, s.label, s.split, s.numbers) for s in expected
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_listing_is_read_in_the_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    picture(tmp_path / "fête.png")
    (tmp_path / "l.csv").write_text("image,label\nfête.png,happy\n", encoding=encoding)
    [sample] = READERS.module("listing").read(tmp_path / "l.csv", label_set="ekman7")
    assert sample.name == "fête.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\na.png,cheerful\n", r"line 2 of .*column|line 2 of .*label of ekman7 named 'cheerful'"),
        ("image,label\na.png,9\n", "line 2 of .*label 9 is outside 0 to 6"),
        ("image,label\n../a.png,happy\n", "line 2 of .*leaves the folder"),
        ("image,label\n/etc/passwd,happy\n", "line 2 of .*leaves the folder"),
        ("image,label\nC:\\a.png,happy\n", "line 2 of .*leaves the folder"),
        ("image,label\n,happy\n", "line 2 of .*empty"),
        ("image,label\na.png,happy,more\n", "line 2 of .*3 fields, expected 2"),
        ("picture,label\na.png,happy\n", "no column image or path"),
        ("image,label,split\na.png,happy,sometimes\n", "line 2 of .*split 'sometimes' is not known"),
        ("image,label,valence\na.png,happy,much\n", "line 2 of .*'much' is not a number"),
        ("image,label,valence\na.png,happy,7\n", "line 2 of .*outside -1 to 1"),
        ("image,label,x1,y1,x2,y2\na.png,happy,5,5,5,9\n", "line 2 of .*has no area"),
        ("", "no column image"),
    ],
)
def test_a_listing_that_does_not_fit_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        list(READERS.module("listing").read(tmp_path / "l.csv", label_set="ekman7"))


def test_text_that_is_not_utf_8_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes("image,label\nfête.png,happy\n".encode("latin-1"))
    with pytest.raises(DataError, match="not a csv file in UTF-8"):
        list(READERS.module("listing").read(tmp_path / "l.csv", label_set="ekman7"))


@pytest.mark.parametrize("name", ["face_0001.png", "happy_or_sad.png", "unhappyish.png"])
def test_a_name_must_say_exactly_one_emotion(tmp_path: Path, name: str) -> None:
    picture(tmp_path / name)
    with pytest.raises(DataError, match=name):
        list(READERS.module("named").read(tmp_path))


def test_names_say_the_label_in_any_spelling_of_the_set(tmp_path: Path) -> None:
    assert [s.label for s in read("named", tmp_path, synthetic=True)] == ["sad", "happy"]
    assert all(s.other_labels == {"synthetic": "yes"} for s in READERS.module("named").read(tmp_path, synthetic=True))
