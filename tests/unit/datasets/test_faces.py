from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mien.datasets import faces
from mien.errors import DataError

LINE = {
    "image": "images/a.jpg",
    "width": 100,
    "height": 80,
    "source": "wider",
    "faces": [
        {
            "box": [10, 20, 30, 40],
            "ignore": False,
            "by": "dataset",
            "points": [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]],
        },
        {"box": [0, 0, 5, 5], "ignore": True, "by": "teacher", "points": None},
    ],
}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "faces.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_a_line_becomes_a_photo_with_corner_boxes_and_missing_points_as_nan(tmp_path: Path) -> None:
    (photo,) = faces.read_photos(write(tmp_path, LINE))
    assert photo.path == tmp_path / "images/a.jpg"
    assert photo.xyxy.tolist() == [[10, 20, 40, 60], [0, 0, 5, 5]]
    assert photo.points[0].tolist() == LINE["faces"][0]["points"]  # type: ignore[index]
    assert np.isnan(photo.points[1]).all()
    assert photo.ignore.tolist() == [False, True]
    assert photo.human.tolist() == [True, False]
    assert not photo.faceless


def test_a_folder_and_its_file_read_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, LINE, "", {**LINE, "faces": []})
    by_folder, by_file = list(faces.read_photos(tmp_path)), list(faces.read_photos(path))
    assert [photo.name for photo in by_folder] == [photo.name for photo in by_file] == ["images/a.jpg"] * 2
    assert by_file[1].faceless
    assert by_file[1].xyxy.shape == (0, 4)
    assert by_file[1].points.shape == (0, 5, 2)


FACE = {"box": [1, 2, 3, 4], "ignore": False, "by": "dataset", "points": None}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("not json", "invalid json"),
        ({"image": "a.jpg"}, "'width': field required"),
        ({**LINE, "faces": [{**FACE, "box": [1, 2, 3]}]}, r"'faces\.0\.box\.3': field required"),
        (
            {**LINE, "faces": [FACE, {**FACE, "box": [1, 2, -3, 4]}]},
            r"'faces\.1\.box\.2': .* greater than or equal to 0",
        ),
        ({**LINE, "faces": [{**FACE, "points": [[1, 2]]}]}, r"'faces\.0\.points': .* at least 5 items"),
        (
            {**LINE, "faces": [{key: FACE[key] for key in ("box", "by", "points")}]},
            r"'faces\.0\.ignore': field required",
        ),
        ({**LINE, "faces": None}, "'faces': .* valid array"),
        ([1, 2], "should be an object"),
    ],
)
def test_a_bad_line_is_named_by_its_number_and_field(tmp_path: Path, bad: object, said: str) -> None:
    path = write(tmp_path, LINE, bad)
    with pytest.raises(DataError, match=f"faces.jsonl, line 2 is not a photo with faces: .*{said}"):
        list(faces.read_photos(path))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no face annotations"):
        list(faces.read_photos(tmp_path / "nothing"))


def test_the_held_out_share_is_a_tenth_and_depends_on_the_name_alone() -> None:
    names = [f"images/{number}.jpg" for number in range(5000)]
    share = np.mean([faces.held_out(name) for name in names])
    assert 0.085 < share < 0.115
    assert faces.held_out("images/7.jpg") == faces.held_out("images/7.jpg")


def test_split_loses_no_photo(tmp_path: Path) -> None:
    rows = [{**LINE, "image": f"images/{number}.jpg"} for number in range(60)]
    photos = list(faces.read_photos(write(tmp_path, *rows)))
    train, held = faces.split(photos)
    assert {p.name for p in train} | {p.name for p in held} == {p.name for p in photos}
    assert not {p.name for p in train} & {p.name for p in held}
    assert held


def test_the_reader_gives_a_sample_a_face_and_one_for_an_empty_photo(tmp_path: Path) -> None:
    samples = list(faces.read(write(tmp_path, LINE, {**LINE, "image": "images/b.jpg", "faces": []})))
    assert [sample.name for sample in samples] == ["images/a.jpg", "images/a.jpg", "images/b.jpg"]
    assert samples[0].points is not None
    assert samples[1].points is None
    assert samples[1].ignore
    assert samples[2].box is None
    assert all(sample.split in ("train", "val") for sample in samples)


def test_the_shared_photos_read_whole(shared: Path) -> None:
    photos = list(faces.read_photos(shared / "data/faces"))
    assert len(photos) == 2859
    assert sum(len(photo.xyxy) for photo in photos) == 11376
