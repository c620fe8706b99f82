"""`mien evaluate` on photos with boxed faces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

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
