"""The project's own dvc.yaml on tiny data, by DVC itself: from photos to a card whose figures come out again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from mien import manifest
from mien.curation.table import open_table
from mien.imaging import image
from mien.imaging.image import RGB
from mien.training import checkpoint

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
RECIPE = """
task = "expression"
name = "tiny"
seed = 3
[crops]
size = 16
[model]
options = { widths = [8, 16], blocks = [1, 1] }
[heads.expression]
labels = "ekman7"
[optim]
lr = 0.05
[run]
epochs = 2
batch_size = 12
precision = "32-true"
accelerator = "cpu"
threads = 1
ema = 0.0
monitor = "val/accuracy"
"""
FACE = """
task = "detection"
name = "face"
[model]
widths = [8, 8, 8, 8, 8]
depths = [0, 0, 0, {deep}]
neck = 8
compile = false
[photos]
batches = {batches}
workers = 0
longest = 128
[batches]
sides = [64]
sizes = [8]
shares = [1.0]
[judge]
side = 128
deployed = 128
threshold = 0.05
[optim]
name = "adamw"
lr = 3e-3
[run]
epochs = 2
precision = "32-true"
accelerator = "cpu"
threads = 1
ema = 0.0
monitor = "val/ap16"
"""
PROFILE = {
    "work": "made",
    "import": {"reader": "folder", "source": "raw", "options": ""},
    "crop": {"options": "--faces largest --size 16"},
    "train": {"recipe": "tiny.toml", "options": ""},
    "tune": {"recipe": "tiny.toml", "options": "--epochs 1"},
    "patient": {"recipe": "tiny.toml", "options": ""},
    "average": {"options": ""},
    "muon": {"recipe": "tiny.toml", "options": "--set optim.name=muon"},
    "average-muon": {"options": ""},
    "evaluate": {"protocol": "hard", "max_leak": 1.0},
    "fit": {"options": "--photos photos/faces.jsonl"},
    "reproduce": {"tolerance": 1e-6},
    "face": {
        "work": "face",
        "photos": "photos/faces.jsonl",
        "small": "small.toml",
        "recipe": "grown.toml",
        "tuned": "grown.toml",
        "muon": "muon.toml",
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Path:
    """A folder with the project's dvc.yaml, a tiny profile, and photos: of one face in light of seven colours, and
    with that face somewhere on a dim ground or not at all.
    """
    folder = tmp_path_factory.mktemp("dvc")
    pixels = image.read(photo)[:300, 90:360]
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 15)):  # to fit quality takes two hundred answers
        for at, label in enumerate(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")):
            light = [0.6 + 0.4 * (at + 1 >> channel & 1) for channel in range(3)]
            for number in range(count):
                shown = np.clip(pixels * light + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
                image.write(shown, folder / f"raw/{split}/{label}/{number}.jpg")
    _photos(folder / "photos", pixels, rng)
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    (folder / "params.yaml").write_text(yaml.safe_dump(PROFILE))
    (folder / "tiny.toml").write_text(RECIPE)
    (folder / "small.toml").write_text(FACE.format(deep=0, batches=20))
    (folder / "grown.toml").write_text(FACE.format(deep=1, batches=5))
    (folder / "muon.toml").write_text(FACE.format(deep=1, batches=5).replace("adamw", "muon"))
    dvc(folder, "init", "--no-scm", "-q")
    return folder


def _photos(folder: Path, face: RGB, rng: np.random.Generator) -> None:
    """Write photos of 160x128 and their annotations; every fifth has no face."""
    lines = []
    for number in range(40):
        side, name = int(rng.integers(40, 90)), f"{number}.png"
        x, y = (int(rng.integers(0, most - side)) for most in (160, 128))
        shown = rng.integers(0, 60, (128, 160, 3), dtype=np.uint8)
        boxes = []
        if number % 5:
            shown[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
            boxes = [{"box": [x, y, side, side], "ignore": False, "by": "dataset", "points": None}]
        image.write(shown, folder / name)
        lines.append(json.dumps({"image": name, "width": 160, "height": 128, "source": "made", "faces": boxes}))
    (folder / "faces.jsonl").write_text("\n".join(lines))


def dvc(folder: Path, *arguments: str) -> str:
    """Run DVC and return what it printed."""
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    quiet = {"PATH": path, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / ".site"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **quiet}, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_the_stages_lead_from_photos_to_a_card_whose_figures_come_out_again(project: Path) -> None:
    pytest.importorskip("dvc")
    dvc(project, "repro", "reproduce", "audit", "evaluate")
    made = project / "made"
    shipped = manifest.read(made / "shipped")
    table = open_table(made / "crops")
    assert {data.digest for data in shipped.data} == {table.digest()}
    assert shipped.environment["onnxruntime"]
    assert {m.protocol for m in shipped.metrics} == {"hard", "hard, flip"}
    assert "hard, flip" in (made / "shipped/card.md").read_text()
    fitted = json.loads((made / "quality.json").read_text())["quality"]
    assert shipped.quality is not None
    assert shipped.quality.model_dump(mode="json") == fitted["chance"]
    again = json.loads((made / "reproduced.json").read_text())
    assert again["off"] == 0
    assert len(again["figures"]) == len(shipped.metrics)
    assert (made / "report.html").stat().st_size > 1000

    metrics = json.loads(dvc(project, "metrics", "show", "--json"))
    said = next(iter(metrics.values()))["data"]["made/metrics.json"]["data"]
    assert said["metrics"]["accuracy"] == json.loads((made / "metrics.json").read_text())["metrics"]["accuracy"]
    dvc(project, "plots", "show", "-o", "plots")
    assert "accuracy on val" in (project / "plots/index.html").read_text()


def test_only_what_depends_on_a_change_runs_again(project: Path) -> None:
    changed = {**PROFILE, "reproduce": {"tolerance": 1e-5}}
    (project / "params.yaml").write_text(yaml.safe_dump(changed))
    stale = json.loads(dvc(project, "status", "--json", "reproduce"))
    assert list(stale) == ["reproduce"]


def test_the_detector_that_ships_grows_from_a_small_one_and_its_figures_come_out_again(project: Path) -> None:
    dvc(project, "repro", "reproduce-face")
    again = json.loads((project / "face/reproduced.json").read_text())
    assert again["off"] == 0
    assert {figure["name"] for figure in again["figures"]} >= {"ap16", "recall16"}
    small, grown = (checkpoint.load(project / f"face/{name}/best.ckpt").network for name in ("small", "run"))
    assert len(grown.state_dict()) > len(small.state_dict())
