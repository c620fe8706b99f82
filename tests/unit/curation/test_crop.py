from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.fixtures.layouts import LAYOUTS, picture

from mien.curation import crop as crop_module
from mien.curation.crop import Spec, crop
from mien.curation.importing import import_dataset
from mien.curation.shards import Engine
from mien.curation.table import Table, write_table
from mien.errors import DataError, UnknownNameError
from mien.imaging import align
from mien.imaging import image as imaging

ENGINE = Engine(workers=1, batch=4)
BOXES = Spec(faces="boxes", kind="box", size=24)


@pytest.fixture
def boxed(tmp_path: Path) -> Table:
    """Ten photos with two boxed faces each, one of which has points."""
    rows: list[dict[str, Any]] = []
    for at in range(10):
        picture(tmp_path / f"photos/images/{at}.png", at, (120, 90))
        points = [25, 30, 45, 30, 35, 40, 27, 50, 43, 50]
        for box, known, label in (([15, 15, 55, 60], points, "happy"), ([70, 20, 100, 60], None, "sad")):
            rows.append(
                {
                    "image": f"images/{at}.png", "label": label, "label_set": "ekman7", "split": "train", "box": box,
                    "points": known, "width": 120, "height": 90, "source": "made", "licence": "made for tests",
                }
            )  # fmt: skip
    return write_table(tmp_path / "photos/table.parquet", rows)


def test_boxes_of_the_table_are_cut_by_the_crop_function(boxed: Table, tmp_path: Path) -> None:
    done = crop(boxed, BOXES, tmp_path / "out", engine=ENGINE)
    assert done.table is not None
    rows = list(done.table.rows())
    assert len(rows) == 20
    photo = imaging.read(boxed.root / "images/3.png")
    expected = align.box_crop(photo, np.array([70, 20, 100, 60], np.float32), 24)
    np.testing.assert_array_equal(imaging.read(done.table.root / rows[7]["image"]), expected)
    assert (rows[7]["label"], rows[7]["group"], rows[7]["box"]) == ("sad", "images/3.png", None)


def test_aligned_crops_put_the_points_on_the_template(boxed: Table, tmp_path: Path) -> None:
    made = crop(boxed, replace(BOXES, kind="aligned", size=48), tmp_path / "out", engine=ENGINE).table
    assert made is not None
    first, second = list(made.rows())[:2]
    template = np.array(align.TEMPLATES["fer"]) * 48
    points = np.array(first["points"]).reshape(5, 2)
    assert np.abs(points - template).mean() < 4.0, "a similarity cannot move five points exactly onto five others"
    np.testing.assert_allclose(points.mean(axis=0), template.mean(axis=0), atol=1e-3)
    assert second["points"] is None


def test_a_margin_makes_the_face_smaller_by_its_share(boxed: Table, tmp_path: Path) -> None:
    spec = replace(BOXES, kind="aligned", size=48)
    made = [crop(boxed, replace(spec, margin=m), tmp_path / f"m{m}", engine=ENGINE).table for m in (0.0, 0.5)]
    spans = [np.ptp(np.array(next(t.rows())["points"]).reshape(5, 2), axis=0) for t in made if t is not None]
    np.testing.assert_allclose(spans[0], 2 * spans[1], rtol=1e-3)


def test_grey_crops_have_one_channel_and_statistics_say_what_was_found(boxed: Table, tmp_path: Path) -> None:
    done = crop(boxed, replace(BOXES, grey=True, min_face=35), tmp_path / "out", engine=ENGINE)
    assert done.table is not None
    path = done.table.root / next(done.table.rows())["image"]
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    assert stored.ndim == 2
    said = json.loads((tmp_path / "out/crop.json").read_text())
    assert (said["pictures"], said["faces"], said["faces_too_small"]) == (10, 10, 10)
    assert said["labels"] == {"happy": 10}
    labels = json.loads((tmp_path / "out/labels.json").read_text())
    assert labels == {"ekman7": ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]}


KILLED = """
import os, signal, sys
from pathlib import Path
from mien.curation import measure, table
from mien.curation.crop import Spec, crop
from mien.curation.shards import Engine
where, left = sys.argv[3], int(sys.argv[4])
owner, name = {"face": (measure, "of_pixels"), "table": (table.TableWriter, "_flush")}[where]
real = getattr(owner, name)
def dies(*arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
setattr(owner, name, dies)
spec = Spec(faces="boxes", kind="box", size=24)
crop(table.open_table(Path(sys.argv[1])), spec, Path(sys.argv[2]), engine=Engine(workers=1, batch=4))
"""


@pytest.mark.parametrize(("where", "number"), [("face", 1), ("face", 11), ("face", 20), ("table", 1)])
def test_a_crop_killed_at_any_point_goes_on_and_gives_the_same_table(
    boxed: Table, tmp_path: Path, where: str, number: int
) -> None:
    whole = crop(boxed, BOXES, tmp_path / "whole", engine=ENGINE).table
    arguments = [str(boxed.path), str(tmp_path / "killed"), where, str(number)]
    died = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert not (tmp_path / "killed/table.parquet").exists()
    again = crop(boxed, BOXES, tmp_path / "killed", engine=ENGINE).table
    assert whole is not None
    assert again is not None
    assert again.path.read_bytes() == whole.path.read_bytes()
    for row in whole.rows(["image"]):
        assert (again.root / row["image"]).read_bytes() == (whole.root / row["image"]).read_bytes()


def test_other_options_do_not_take_up_what_was_interrupted(boxed: Table, tmp_path: Path) -> None:
    kept = crop_module.shards.finish
    try:
        crop_module.shards.finish = lambda folder: None  # type: ignore[assignment]
        crop(boxed, BOXES, tmp_path / "out", engine=ENGINE)
    finally:
        crop_module.shards.finish = kept
    made = crop(boxed, replace(BOXES, size=32), tmp_path / "out", engine=ENGINE).table
    assert made is not None
    assert {row["width"] for row in made.rows(["width"])} == {32}


@pytest.mark.parametrize("on", ["threads", "processes"])
def test_every_engine_gives_the_same_table(boxed: Table, tmp_path: Path, on: str) -> None:
    one = crop(boxed, BOXES, tmp_path / "one", engine=ENGINE).table
    other = crop(boxed, BOXES, tmp_path / "other", engine=Engine(on, 2, 3)).table
    assert one is not None
    assert other is not None
    assert one.path.read_bytes() == other.path.read_bytes()


@pytest.mark.slow
def test_ray_on_two_local_workers_gives_the_same_table(boxed: Table, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    one = crop(boxed, BOXES, tmp_path / "one", engine=ENGINE).table
    assert one is not None
    # In a process of its own: Ray leaves the ending of its servers to the interpreter's exit.
    command = [sys.executable, "-m", "mien.cli.main", "data", "crop", str(boxed.path), "-o", str(tmp_path / "other")]
    options = ["--faces", "boxes", "--kind", "box", "--size", "24", "--on", "ray", "--workers", "2"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "other/table.parquet").read_bytes() == one.path.read_bytes()


def test_a_damaged_picture_is_left_out_and_named(boxed: Table, tmp_path: Path) -> None:
    (boxed.root / "images/4.png").write_bytes(b"no picture")
    done = crop(boxed, BOXES, tmp_path / "out", engine=ENGINE)
    assert done.statistics["pictures_unreadable"] == 1
    assert done.failures[0].startswith("images/4.png: ")
    assert done.statistics["faces"] == 18


def test_the_detector_finds_the_face_of_a_photo_and_its_label_goes_along(
    photo: Path, shared: Path, tmp_path: Path
) -> None:
    (tmp_path / "raw/happy").mkdir(parents=True)
    (tmp_path / "raw/happy/a.jpg").write_bytes(photo.read_bytes())
    picture(tmp_path / "raw/happy/noise.png", 1, (200, 200))
    table = import_dataset("folder", tmp_path / "raw", tmp_path / "table").table
    assert table is not None
    model = str(shared / "models/yunet_n_dynamic.onnx")
    spec = Spec(detector="yunet", model=model, size=64)
    done = crop(table, spec, tmp_path / "out", engine=ENGINE)
    assert (done.statistics["faces"], done.statistics["pictures_without_face"]) == (1, 1)
    assert done.table is not None
    [row] = done.table.rows()
    assert row["label"] == "happy"
    assert row["quality"] > 0.3
    assert crop(table, spec, tmp_path / "dry", dry_run=True).statistics["faces"] == 1
    assert not (tmp_path / "dry").exists()


def test_found_faces_are_matched_to_the_boxes_of_the_table(photo: Path, shared: Path, tmp_path: Path) -> None:
    from mien import detection

    detector = detection.load("yunet", model=shared / "models/yunet_n_dynamic.onnx")
    pixels = imaging.read(photo)
    [found] = detector.detect([pixels])
    height, width = pixels.shape[:2]
    (tmp_path / "t").mkdir()
    (tmp_path / "t/a.jpg").write_bytes(photo.read_bytes())
    common = {"image": "a.jpg", "label_set": "ekman7", "source": "made", "width": width, "height": height}
    far = {**common, "label": "sad", "box": [0, height - 20, 20, height]}
    near = {**common, "label": "happy", "box": (found.xyxy[0] + 2).tolist()}
    table = write_table(tmp_path / "t/table.parquet", [far, near])
    spec = Spec(faces="all", detector="yunet", model=str(shared / "models/yunet_n_dynamic.onnx"), size=32)
    made = crop(table, spec, tmp_path / "out", engine=ENGINE).table
    assert made is not None
    assert [row["label"] for row in made.rows()] == ["happy"]


def test_what_makes_no_sense_is_refused(boxed: Table, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="largest"):
        Spec(faces="largets")
    with pytest.raises(DataError, match="8 pixels or more"):
        Spec(size=4)
    with pytest.raises(DataError, match="own folder"):
        crop(boxed, BOXES, boxed.root, engine=ENGINE)
    (tmp_path / "bare").mkdir()
    source, _ = LAYOUTS["folder"](tmp_path / "bare")
    bare = import_dataset("folder", source, tmp_path / "bare_table").table
    assert bare is not None
    with pytest.raises(DataError, match="no face was found in 3 pictures"):
        crop(bare, BOXES, tmp_path / "none", engine=ENGINE)
