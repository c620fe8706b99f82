"""Sets of boxes: what the readers make of them, and what they say when one does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.fixtures.layouts import LAYOUTS, picture, read

from mien.datasets import READERS
from mien.errors import DataError


def test_yolo_turns_parts_of_the_picture_into_pixels(tmp_path: Path) -> None:
    found = read("yolo", tmp_path)
    first, second, faceless, polygon = found
    assert first.box is not None
    np.testing.assert_allclose(first.box, [24, 12, 40, 36])
    assert (first.label, first.split) == ("sad", "train")
    assert second.label == "happy"
    assert faceless.box is None
    assert polygon.box is not None
    np.testing.assert_allclose(polygon.box, [6.4, 4.8, 19.2, 19.2], rtol=1e-6)
    assert polygon.split == "val"


def test_yolo_reads_class_folders_where_there_is_no_yaml(tmp_path: Path) -> None:
    picture(tmp_path / "train/happy/a.png")
    picture(tmp_path / "val/sad/b.png")
    found = list(READERS.module("yolo").read(tmp_path, label_set="ekman7"))
    assert [(s.label, s.split) for s in found] == [("happy", "train"), ("sad", "val")]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("train/labels/a.txt", "5 0.5 0.5 0.1 0.1\n", "line 1 of .*class 5 has no name"),
        ("train/labels/a.txt", "0 0.5 0.5 0.1\n", "line 1 of .*expected 'class cx cy w h'"),
        ("train/labels/a.txt", "0 50 50 10 10\n", "line 1 of .*from 0 to 1"),
        ("train/labels/a.txt", "0 0.5 0.5 0 0.1\n", "line 1 of .*no area"),
        ("data.yaml", "train: images\nnc: 3\nnames: [a]\n", "nc is 3 but there are 1 names"),
        ("data.yaml", "train: images\n", "has no 'names'"),
        ("data.yaml", "names: [a]\n", "names no split"),
        ("data.yaml", "train: [\nnames: {", "cannot be read as YAML"),
        ("data.yaml", "train: nowhere\nnames: [a]\n", "neither a folder nor a list"),
    ],
)
def test_yolo_files_that_do_not_fit_are_refused(tmp_path: Path, file: str, text: str, message: str) -> None:
    LAYOUTS["yolo"](tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=message):
        list(READERS.module("yolo").read(tmp_path))


def test_voc_gives_a_row_an_object_and_one_for_an_empty_picture(tmp_path: Path) -> None:
    empty, one, two = read("voc", tmp_path)
    assert empty.box is None
    assert one.box is not None
    np.testing.assert_allclose(one.box, [10, 20, 30, 50])
    assert two.other_labels == {"class": "with_mask"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "is not XML"),
        ("<annotation/>", "has no <filename>"),
        ("<annotation><filename>../../x.png</filename></annotation>", "leaves the folder"),
        (
            "<annotation><filename>a.png</filename><object><name>f</name><bndbox><xmin>9</xmin><ymin>1</ymin>"
            "<xmax>3</xmax><ymax>5</ymax></bndbox></object></annotation>",
            "object 0: the box .* has no area",
        ),
    ],
)
def test_voc_files_that_do_not_fit_are_refused(tmp_path: Path, text: str, message: str) -> None:
    LAYOUTS["voc"](tmp_path)
    (tmp_path / "annotations/empty.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        list(READERS.module("voc").read(tmp_path))


def test_wider_marks_invalid_faces_to_be_ignored(tmp_path: Path) -> None:
    one, two, faceless, val = read("wider", tmp_path)
    assert one.box is not None
    np.testing.assert_allclose(one.box, [10, 10, 30, 35])
    assert (one.ignore, two.ignore) == (False, True)
    assert faceless.box is None
    assert (faceless.split, val.split) == ("train", "val")


def test_wider_blocks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    LAYOUTS["wider"](tmp_path)
    path = tmp_path / "wider_face_split/wider_face_val_bbx_gt.txt"
    path.write_text("0--Parade/c.jpg\nmany\n")
    with pytest.raises(DataError, match=r"line 2 of .*no number of faces"):
        list(READERS.module("wider").read(tmp_path))
    path.write_text("0--Parade/c.jpg\n1\n1 2 3\n")
    with pytest.raises(DataError, match=r"line 3 of .*3 numbers"):
        list(READERS.module("wider").read(tmp_path))


def test_coco_keypoints_become_points_and_crowds_are_ignored(tmp_path: Path) -> None:
    face, crowd, empty = read("coco", tmp_path)
    assert face.points is not None
    assert face.box is not None
    np.testing.assert_allclose(face.points[2], [17, 20])
    np.testing.assert_allclose(face.box, [10, 10, 30, 35])
    assert crowd.ignore
    assert empty.box is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotations": [{"image_id": 99, "bbox": [1, 1, 2, 2]}]}, "annotation 0: no picture has the id 99"),
        ({"annotations": [{"image_id": 7, "bbox": [1, 1, 0, 2]}]}, "annotation 0: .*no area"),
        ({"annotations": [{"image_id": 7, "bbox": "all"}]}, "annotation 0: bbox is 'all'"),
        ({"images": [{"id": 7, "file_name": "/a.jpg"}]}, "image 0: '/a.jpg' leaves the folder"),
        ({"images": None}, "no list images"),
    ],
)
def test_coco_files_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    LAYOUTS["coco"](tmp_path)
    path = tmp_path / "annotations/instances_train.json"
    content = json.loads(path.read_text()) | change
    if change.get("images"):
        content["annotations"] = []
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        list(READERS.module("coco").read(tmp_path))
