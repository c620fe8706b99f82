"""The labelling loop, whole: it draws its curve, goes on where it was, and both arms start alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien import labels
from mien.cli import main as cli
from mien.curation.table import open_table, write_table
from mien.errors import RecipeError
from mien.imaging import image
from mien.labelling import annotators, curve, loop
from mien.labelling.learners import network
from mien.remote.ledger import Ledger
from mien.training import recipe as recipes

ROOT = Path(__file__).resolve().parents[2]
EKMAN = labels.get("ekman7")
PLAN = loop.Plan(by="margin", start=24, budget=8, rounds=1, seeds=(1,), strata=True)


@pytest.mark.filterwarnings("ignore")  # of Lightning, about small data
def test_a_loop_asks_only_about_chosen_faces_and_can_be_resumed(tmp_path: Path, rng: np.random.Generator) -> None:
    rows = []
    for i in range(72):
        label = EKMAN.labels[i % 7]
        pixels = rng.integers(0, 120, (48, 48, 3), dtype=np.uint8) + np.uint8(18 * (i % 7))
        image.write(pixels, tmp_path / f"data/images/{i}.png")
        split = "val" if i >= 56 else "train"
        rows.append(
            {"image": f"images/{i}.png", "source": "made", "split": split, "label": label, "label_set": "ekman7"}
        )
    table = write_table(tmp_path / "data" / "table.parquet", rows)
    before = table.digest()
    small = ["run.epochs=1", "run.validate_every=1", "model.options={widths=[8,8],blocks=[1,1]}"]
    recipe = recipes.load(ROOT / "recipes" / "loop.toml", small)
    out = tmp_path / "loop"

    def go() -> list[loop.Point]:
        oracle = annotators.load(f"file:{table.path}", EKMAN)
        return loop.run(table, out, network.Network(recipe), oracle, PLAN)

    points = go()
    assert [(p.arm, p.round, p.labels) for p in points] == [
        ("margin", 0, 24), ("margin", 1, 32), ("random", 0, 24), ("random", 1, 32),
    ]  # fmt: skip
    assert points[0].figures == points[2].figures, "both arms start from the same training"
    assert table.digest() == before, "the table itself is never touched"
    with Ledger(out / "answers.sqlite", write=False) as ledger:
        asked = {kept.key for kept in ledger.answers()}
    assert len(asked) <= 24 + 2 * 8
    assert asked.isdisjoint(row["image"] for row in rows if row["split"] == "val")
    trained = list(open_table(out / "seed1-margin-1.parquet").rows())
    assert sum(row["split"] == "train" for row in trained) == 32
    assert all(row["labelled_by"] for row in trained if row["split"] == "train")

    changed = {path: path.stat().st_mtime_ns for path in out.rglob("round.json")}
    assert go() == points
    assert {path: path.stat().st_mtime_ns for path in out.rglob("round.json")} == changed, "nothing was trained again"

    found = curve.summarise(points, PLAN, {"title": "made"})
    gained = points[1].figures["accuracy"] - points[3].figures["accuracy"]
    assert found["gain"]["accuracy"]["seeds"] == [pytest.approx(gained, abs=1e-5)]
    json.dumps(found)
    drawing = curve.svg(found, "accuracy")
    assert drawing.count("<polyline") == 2
    assert drawing.count("<circle") == 4
    other = replace(PLAN, budget=4)
    with pytest.raises(RecipeError, match="another plan"):
        loop.run(table, out, network.Network(recipe), annotators.load(f"file:{table.path}", EKMAN), other)


def test_the_quick_probe_loops_from_the_command_line(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for i in range(60):
        pixels = rng.integers(0, 120, (48, 48, 3), dtype=np.uint8)
        pixels[:, :: 2 + i % 3] = 255
        image.write(pixels, tmp_path / f"data/images/{i}.png")
        rows.append(
            {
                "image": f"images/{i}.png", "source": "made", "split": "val" if i >= 45 else "train",
                "label": EKMAN.labels[i % 3], "label_set": "ekman7",
            }
        )  # fmt: skip
    write_table(tmp_path / "data" / "table.parquet", rows)

    def run(*more: object, out: str = "out") -> int:
        arguments = ["label", "loop", tmp_path / "data", "-o", tmp_path / out, "--start", 12, "--budget", 6, *more]
        with pytest.raises(SystemExit) as caught:
            cli.main([str(argument) for argument in arguments])
        return int(caught.value.code or 0)

    assert run("--rounds", 2, "--seeds", 2, "--without", "disgust", "--by", "entropy") == 0
    assert "entropy less random, accuracy" in capsys.readouterr().out
    found = json.loads((tmp_path / "out/curve.json").read_text(encoding="utf-8"))
    assert found["learner"] == "probe"
    assert [point["labels"] for point in found["curves"]["entropy"]] == [12, 18, 24]
    assert len(found["gain"]["accuracy"]["interval"]) == 2
    asked = open_table(tmp_path / "out/seed1-entropy-2.parquet")
    assert "disgust" not in {row["label"] for row in asked.rows()}
    assert run("--by", "label_error") == 2
    assert "no strategy of a loop named 'label_error'" in capsys.readouterr().err
    assert run("--head", "expression7") == 2
    assert "--recipe" in capsys.readouterr().err
    assert run("--start", 400, out="large") == 2
    assert "the loop needs" in capsys.readouterr().err
    assert not (tmp_path / "large").exists(), "a plan that cannot be carried out leaves nothing behind"
