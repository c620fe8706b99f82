"""The training commands: a run, a student, an ensemble; wrong arguments are one line and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.fixtures.tables import spots

pytest.importorskip("lightning")

from mien import manifest
from mien.cli.main import main

pytestmark = pytest.mark.filterwarnings("ignore")
RECIPE = """
task = "expression"
name = "tiny"
[crops]
size = 16
[model]
options = { widths = [8, 16], blocks = [1, 1] }
[heads.expression]
labels = "ferplus8"
target = "votes"
[heads.expression7]
labels = "ekman7"
[schedule]
cycles = 2
[run]
epochs = 2
batch_size = 14
precision = "32-true"
accelerator = "cpu"
threads = 1
ema = 0
trackers = []
"""


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main(["train", *(str(a) for a in arguments)])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spots(tmp_path_factory.mktemp("spots")).path


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(recipe: Path, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert run(recipe, "--table", table, "-o", out) == 0
    return out


def test_a_run_ends_with_its_figures_and_the_export_command(
    recipe: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(recipe, "-t", table, "-o", tmp_path / "r", "--epochs", "1", "--set", "schedule.cycles=1") == 0
    said = capsys.readouterr().out
    assert "validation figures" in said
    assert f"next: mien export {tmp_path / 'r' / 'best.ckpt'} --table {table}" in said


def test_a_student_learns_from_a_checkpoint_and_a_model_folder_at_once(
    recipe: Path, table: Path, trained: Path, tiny_expression: Path, tmp_path: Path
) -> None:
    teachers = ["--teacher", trained / "best.ckpt", "--teacher", tiny_expression]
    more = ["--share", "0.5", "--once", "--unlabelled", table]
    assert run("distill", recipe, *teachers, "-t", table, "-o", tmp_path / "s", *more) == 0
    taught = json.loads((tmp_path / "s" / "recipe.json").read_text())["teaching"]
    assert taught == {
        "teachers": [str(trained / "best.ckpt"), str(tiny_expression)],
        "temperature": 3.0,
        "share": 0.5,
        "once": True,
        "unlabelled": str(table),
    }


def test_the_snapshots_of_a_run_become_one_model_folder(
    table: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshots = sorted(trained.glob("snapshot-*.ckpt"))
    assert [path.name for path in snapshots] == ["snapshot-1.ckpt", "snapshot-2.ckpt"]
    assert run("ensemble", *snapshots, "-t", table, "-o", tmp_path / "m", "--how", "weighted") == 0
    assert "all, weighted" in capsys.readouterr().out
    made = manifest.read(tmp_path / "m")
    manifest.verify(tmp_path / "m", made)
    assert set(made.graphs) == {"fp32", "int8"}
    assert len(made.recipe["members"]) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["RECIPE", "-t", "TABLE", "--tracker", "mlfow"], "no tracker named 'mlfow'. Did you mean 'mlflow'"),
        (["RECIPE", "-t", "/nowhere"], "no table at"),
        (["distill", "RECIPE", "-t", "TABLE", "--teacher", "/nowhere.ckpt"], "cannot read the checkpoint"),
        (["sweep", "RECIPE", "-t", "TABLE"], "the recipe says nothing to search"),
        (["ensemble", "/nowhere", "/either", "-t", "TABLE", "-o", "OUT"], "no model"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(
    words: list[str], says: str, recipe: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"RECIPE": str(recipe), "TABLE": str(table), "OUT": str(tmp_path / "out")}
    out = [] if "OUT" in words else ["-o", str(tmp_path / "out")]
    assert run(*(places.get(word, word) for word in words), *out) == 2
    said = capsys.readouterr().err
    assert says in said.replace("\n", " ")
    assert "Traceback" not in said
