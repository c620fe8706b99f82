"""The project's own dvc.yaml on tiny data, by DVC itself: from photos to a card whose figures come out again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mien import manifest
from mien.curation.table import open_table
from mien.imaging import image

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
PROFILE = {
    "work": "made",
    "import": {"reader": "folder", "source": "raw", "options": ""},
    "crop": {"options": "--faces largest --size 16"},
    "train": {"recipe": "tiny.toml", "options": ""},
    "evaluate": {"protocol": "hard", "max_leak": 1.0},
    "reproduce": {"tolerance": 1e-6},
    "face": {"work": "face", "photos": "none.jsonl", "recipe": "tiny.toml"},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Path:
    """A folder with the project's dvc.yaml, a tiny profile, and 56 photos of one face in light of seven colours."""
    folder = tmp_path_factory.mktemp("dvc")
    pixels = image.read(photo)[:300, 90:360]
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for at, label in enumerate(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")):
            light = [0.6 + 0.4 * (at + 1 >> channel & 1) for channel in range(3)]
            for number in range(4):
                shown = np.clip(pixels * light + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
                image.write(shown, folder / f"raw/{split}/{label}/{number}.jpg")
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    (folder / "params.yaml").write_text(yaml.safe_dump(PROFILE))
    (folder / "tiny.toml").write_text(RECIPE)
    dvc(folder, "init", "--no-scm", "-q")
    return folder


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
