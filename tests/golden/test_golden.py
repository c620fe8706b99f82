import gzip
import json

import numpy as np
import pytest

from mien.imaging.image import RGB
from tests.golden import pictures
from tests.golden.chances import chances

GOLDEN = json.loads((pictures.FOLDER / "golden.json").read_text(encoding="utf-8"))


def stored(path: str, width: int, height: int) -> RGB:
    data = gzip.decompress((pictures.FOLDER / f"{path}.rgb.gz").read_bytes())
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize("case", pictures.cases(), ids=lambda case: case["name"])
def test_the_crop_is_still_the_golden_one(case: dict[str, object]) -> None:
    from mien.recognition.expression import ExpressionModel

    model = ExpressionModel(pictures.FOLDER / "tiny")
    model.spec = pictures.spec(case)
    source = case["picture"]
    made = model.crops(stored(f"pictures/{source}", *GOLDEN["pictures"][source]), pictures.detections(case))[0]
    golden = stored(f"crops/{case['name']}", model.spec.size, model.spec.size)
    assert np.abs(made.astype(int) - golden).max() <= 1


def test_the_made_pictures_are_still_the_golden_ones() -> None:
    for name, picture in pictures.pictures().items():
        golden = stored(f"pictures/{name}", *GOLDEN["pictures"][name])
        assert np.abs(picture.astype(int) - golden).max() <= (4 if name == "photo" else 0)


def test_tracks_and_smoothing_are_still_the_golden_ones() -> None:
    from tests.golden import write

    made = write.track()
    assert [frame["tracker_id"] for frame in made["frames"]] == [f["tracker_id"] for f in GOLDEN["track"]["frames"]]
    for now, golden in zip(made["smoothing"], GOLDEN["track"]["smoothing"], strict=True):
        assert now["shown"] == golden["shown"]
        assert now["smoothed"] == pytest.approx(golden["smoothed"], abs=1e-6)


def test_decisions_on_reactions_are_still_the_golden_ones() -> None:
    from tests.golden import write

    assert write.reacted() == GOLDEN["reactions"], "run python -m tests.golden.write"


@pytest.mark.parametrize("task", ["expression", "face", "scene"])
def test_what_the_shipped_models_say_was_written_from_these_graphs(task: str) -> None:
    from mien import hub, manifest
    from tests.golden import write

    golden = json.loads((pictures.FOLDER / "models.json").read_text(encoding="utf-8"))
    graph = manifest.read(hub.assets() / task).graphs[write.PRECISION]
    assert golden[task]["sha256"] == graph.sha256, "run python -m tests.golden.write"


def test_the_map_of_occlusion_is_still_the_golden_one() -> None:
    from mien import hub
    from mien.recognition.expression import ExpressionModel
    from tests.golden import write

    golden = json.loads((pictures.FOLDER / "models.json").read_text(encoding="utf-8"))["occlusion"]
    sources = {name: stored(f"pictures/{name}", *size) for name, size in GOLDEN["pictures"].items()}
    made = write.occlusion(ExpressionModel(hub.assets() / "expression", precision=write.PRECISION), sources)
    most = np.abs(np.array(golden["map"])).max()
    assert most > 1e-4
    assert np.array(made["map"]) == pytest.approx(np.array(golden["map"]), abs=0.02 * most)
    assert made["target"] == golden["target"]


def test_chances_are_still_the_golden_ones() -> None:
    stored = json.loads((pictures.FOLDER / "chances.json").read_text(encoding="utf-8"))
    found = chances()
    assert stored["model"] == found["model"]
    for old, new in zip(stored["cases"], found["cases"], strict=True):
        assert new == pytest.approx(old, abs=1e-6)
