"""Sets of faces from the web and from films: what the readers make of them, and what they say when one does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.fixtures.layouts import LAYOUTS, picture, read

from mien.datasets import READERS
from mien.errors import DataError


def test_emoset_attributes_may_be_missing(tmp_path: Path) -> None:
    train, val, test = read("emoset", tmp_path)
    assert train.other_labels == {
        "brightness": "0.6", "colorfulness": "0.4", "scene": "beach", "object": "Person; Dog",
        "human_action": "laughing",
    }  # fmt: skip
    assert val.other_labels == {"brightness": "0.6", "colorfulness": "0.4"}
    assert (val.label, test.split) == ("fear", "test")


def test_emoset_without_lists_is_read_from_its_annotations(tmp_path: Path) -> None:
    LAYOUTS["emoset"](tmp_path)
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.json").unlink()
    assert {s.label for s in READERS.module("emoset").read(tmp_path)} == {"amusement", "fear", "awe"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1 of .*not JSON"),
        ("{}", "is no list"),
        ('[["awe"]]', "entry 0 of .*expected \\[emotion"),
        ('[["bliss", "x", "image/x.jpg", "annotation/x.json"]]', "entry 0 of .*no label of mikels8 named 'bliss'"),
        ('[["awe", "x", "../x.jpg", "annotation/x.json"]]', "entry 0 of .*leaves the folder"),
    ],
)
def test_emoset_lists_that_do_not_fit_are_refused(tmp_path: Path, text: str, message: str) -> None:
    LAYOUTS["emoset"](tmp_path)
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(DataError, match=message):
        list(READERS.module("emoset").read(tmp_path))


def test_mikels_numbers_are_alphabetical(tmp_path: Path) -> None:
    assert [(s.label, s.split) for s in read("mikels8", tmp_path)] == [
        ("awe", "test"), ("amusement", "train"), ("anger", "val"),
    ]  # fmt: skip


def test_rafdb_labels_run_from_one_to_seven(tmp_path: Path) -> None:
    assert [(s.label, s.split) for s in read("rafdb", tmp_path)] == [
        ("sadness", "train"), ("happiness", "train"), ("neutral", "test"),
    ]  # fmt: skip


def test_rafdb_originals_carry_boxes_and_points(tmp_path: Path) -> None:
    first, second, _ = read("rafdb", tmp_path, pictures="original")
    assert first.box is not None
    assert first.points is not None
    np.testing.assert_allclose(first.box, [10.5, 12, 50, 52])
    np.testing.assert_allclose(first.points[[0, 4]], [[20, 25], [38, 45]])
    assert second.box is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_00009.jpg 8", "line 4 of .*outside 1 to 7"),
        ("x.jpg 1", "line 4 of .*train_ or test_"),
        ("x", "line 4 of"),
    ],
)
def test_rafdb_lines_that_do_not_fit_are_refused(tmp_path: Path, line: str, message: str) -> None:
    LAYOUTS["rafdb"](tmp_path)
    with (tmp_path / "EmoLabel/list_patition_label.txt").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(DataError, match=message):
        list(READERS.module("rafdb").read(tmp_path))


def test_rafce_partitions_and_action_units_are_understood(tmp_path: Path) -> None:
    one, two, three = read("rafce", tmp_path)
    assert [s.split for s in (one, two, three)] == ["train", "test", "val"]
    assert [s.label for s in (one, two, three)] == ["happily surprised", "sadly disgusted", "angrily disgusted"]
    names = READERS.module("rafce")._action_units.labels.get("rafau18").labels
    present = {name for name, value in zip(names, one.votes["rafau18"], strict=True) if value}
    assert present == {"AU1", "AU2", "AU12", "AU14", "AU25"}
    assert two.votes["rafau18"].sum() == 0
    assert one.other_labels == {"action_units": "1+2+L12+R14+25"}


def test_rafce_without_any_action_unit_is_an_error(tmp_path: Path) -> None:
    LAYOUTS["rafce"](tmp_path)
    (tmp_path / "RAFCE_AUlabel.txt").write_text("0001.jpg null\n0002.jpg null\n0003.jpg null\n")
    with pytest.raises(DataError, match="every value would be zero"):
        list(READERS.module("rafce").read(tmp_path))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("AUlabel", "0001.jpg 1+X9\n", "line 1 of .*'X9' is no action unit"),
        ("AUlabel", "0001.jpg 1\n", "'0002.jpg' is not in the action unit file"),
        ("partition", "0001.jpg 3\n0002.jpg 0\n0003.jpg 0\n", "partition '3' is none of"),
        ("partition", "0001.jpg 0\n0001.jpg 0\n", "line 2 of .*a second time"),
        ("emolabel", "0001.jpg 14\n", "line 1 of .*outside 0 to 13"),
        ("emolabel", "", "is empty"),
    ],
)
def test_rafce_files_that_do_not_fit_are_refused(tmp_path: Path, file: str, text: str, message: str) -> None:
    LAYOUTS["rafce"](tmp_path)
    (tmp_path / f"RAFCE_{file}.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        list(READERS.module("rafce").read(tmp_path))


def test_affectnet_lists_give_label_feeling_and_five_points(tmp_path: Path) -> None:
    train, val = read("affectnet", tmp_path)
    assert (train.label, train.split, train.numbers) == ("happy", "train", {"valence": 0.8, "arousal": 0.2})
    assert (val.label, val.split) == ("contempt", "val")
    marks = np.arange(136, dtype=np.float32).reshape(68, 2)
    assert train.points is not None
    np.testing.assert_allclose(train.points[0], marks[36:42].mean(axis=0))
    np.testing.assert_allclose(train.points[2], marks[30])
    unlabelled = [s for s in read("affectnet", tmp_path, uncertain=True) if s.label is None]
    assert [s.numbers for s in unlabelled] == [{}]


def test_affectnet_npy_folders_are_read_without_unpickling(tmp_path: Path) -> None:
    picture(tmp_path / "train_set/images/5.jpg")
    notes = tmp_path / "train_set/annotations"
    notes.mkdir()
    for name, value in (("exp", np.array("3")), ("val", np.array("-0.25")), ("aro", np.array("0.5"))):
        np.save(notes / f"5_{name}.npy", value)
    np.save(notes / "5_lnd.npy", np.arange(136.0))
    [sample] = READERS.module("affectnet").read(tmp_path)
    assert (sample.label, sample.split, sample.numbers) == ("surprise", "train", {"valence": -0.25, "arousal": 0.5})
    np.save(notes / "5_exp.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not an npy file of numbers"):
        list(READERS.module("affectnet").read(tmp_path))
    (notes / "5_exp.npy").unlink()
    with pytest.raises(DataError, match="is missing"):
        list(READERS.module("affectnet").read(tmp_path))


def test_frames_of_one_film_share_a_group(tmp_path: Path) -> None:
    found = read("sfew", tmp_path)
    assert [(s.split, s.label, s.group) for s in found] == [
        ("test", None, "film Juno"), ("train", "angry", "film Airheads"), ("train", "happy", "film Airheads"),
        ("val", "sad", "film Juno"),
    ]  # fmt: skip
