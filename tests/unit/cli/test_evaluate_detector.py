"""`mien evaluate` on photos with boxed faces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from mien import hub
from mien.cli.main import main
from mien.datasets.faces import held_out

PORTRAIT = [180, 70, 90, 120]
"""Where the face of the example photo is, about: x, y, width, height."""


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def photos(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four copies of the example photo under names of one held-out photo and three others."""
    folder = tmp_path_factory.mktemp("photos")
    names = [f"{number}.jpg" for number in range(200)]
    chosen = [name for name in names if held_out(name)][:1] + [name for name in names if not held_out(name)][:3]
    with Image.open(photo) as image:
        small = image.convert("RGB").resize((512, 512))
    for name in chosen:
        small.save(folder / name)
    face = {"box": PORTRAIT, "ignore": False, "by": "dataset", "points": None}
    line = {"width": 512, "height": 512, "source": "made", "faces": [face]}
    (folder / "faces.jsonl").write_text("".join(json.dumps({"image": name, **line}) + "\n" for name in chosen))
    return folder / "faces.jsonl"


@pytest.mark.parametrize(("part", "count"), [("val", 1), ("train", 3)])
def test_each_part_of_the_photos_is_scored(
    part: str, count: int, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", "mien", photos, "--split", part, "--side", "320", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["split"], found["photos"], found["sizes"][0]["faces"]) == (part, count, count)
    assert (found["clean"], found["point_error"]) == (None, None)  # no photo without faces, no points


def test_a_part_that_photos_do_not_have_is_named(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "mien", photos, "--split", "test") == 2
    assert "no split of photos named 'test'" in capsys.readouterr().err


def test_groups_and_worse_photos_are_scored(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--split", "train", "--side", "320", "--slices", "--robustness", "--json", "-"]
    assert run("evaluate", "mien", photos, *options) == 0
    rows = {(row["kind"], row["name"]): row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["source", "made"]["faces"] == 3
    assert {name: row["faces"] for (kind, name), row in rows.items() if kind == "height"} == {
        "16 to 24 px": 0, "24 to 32 px": 0, "32 to 64 px": 0, "64 to 128 px": 3, "from 128 px": 0,
    }  # fmt: skip
    assert rows["height", "64 to 128 px"]["recall"] == 1.0
    assert rows["height", "16 to 24 px"]["recall"] is None
    easy = ("dark", "bright", "side light", "noise", "jpeg", "grey", "turned by 25°")
    assert {name: rows["condition", name]["ap"]["value"] for name in easy} == dict.fromkeys(easy, 1.0)


def test_two_detectors_are_compared_in_pairs(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--split", "train", "--side", "320", "--compare", str(hub.assets() / "face")]
    assert run("evaluate", "mien", photos, *options, "--json", "-") == 0
    comparison = json.loads(capsys.readouterr().out)["comparison"]
    assert comparison["other"] == options[-1]
    same = {"photos": 3, "faces": 3, "difference": {"value": 0.0, "low": 0.0, "high": 0.0}}
    kinds = [{"source": source, "min_height": height} for height in (16.0, 32.0) for source in (None, "made")]
    assert comparison["differences"] == [kind | same for kind in kinds]
    assert run("evaluate", "mien", photos, *options) == 0
    assert "+0.0000" in capsys.readouterr().out


def test_a_detector_to_compare_with_that_is_none_is_refused(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "mien", photos, "--compare", "expression") != 0
    assert "is no face detector" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("option", [["--flip"], ["--views", "ten"], ["--card"], ["--head", "x"]])
def test_options_that_say_nothing_about_a_detector_are_refused(
    option: list[str], photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", "mien", photos, *option) == 2
    assert f"{option[0]} would do nothing there" in " ".join(capsys.readouterr().err.split())
