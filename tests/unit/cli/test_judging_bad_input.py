"""What evaluate and explain say about tables and models that do not fit: one sentence, exit code 2, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.checkpoints import tiny_checkpoint
from tests.fixtures.models import tiny_expression, tiny_outputs
from tests.fixtures.patterns import tiny_faces
from tests.fixtures.tables import spots

from mien import manifest
from mien.cli.main import main
from mien.curation.table import write_table

Change = Callable[[dict[str, Any]], dict[str, Any]]


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_expression(tmp_path_factory.mktemp("bad") / "model")


def table(folder: Path, change: Change, *, val: int = 20) -> Path:
    """Write made faces with every row changed."""
    made = tiny_faces(folder, train=5, val=val)
    write_table(made.path, [change(row) for row in list(made.rows())], made.origin)
    return folder


def one_class(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"label": "happy", "votes": [0.0, 9, 0, 0, 0, 0, 0, 0]}


def test_a_table_of_one_class_is_scored_and_reported(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = table(tmp_path / "one", one_class, val=210)
    record, page = tmp_path / "one.json", tmp_path / "one.html"
    assert run("evaluate", model, made, "--json", record, "--report", page, "--draws", "100") == 0
    found = json.loads(record.read_text())
    assert found["metrics"]["macro_auc"]["value"] is None
    assert found["per_class"]["fear"]["recall"]["value"] is None
    assert found["per_class"]["happiness"]["n"] == 210
    assert "needs at least two classes" in page.read_text()


def test_quality_cannot_be_fitted_to_answers_of_one_kind(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (model / "model.json").read_bytes()
    made = tiny_faces(tmp_path / "few", train=5, val=8).path.parent
    assert run("evaluate", model, made, "--fit", "--draws", "100") == 2
    assert "a quality needs at least 200 answers" in capsys.readouterr().err
    assert (model / "model.json").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda row: row | {"label": "bliss"}, ["--protocol", "hard"], "no label of ekman7 named 'bliss'"),
        (lambda row: row | {"label": None, "label_set": None}, ["--protocol", "hard"], "this table has none"),
        (
            lambda row: row | {"votes": None, "votes_set": None},
            ["--protocol", "votes"],
            "needs votes over one label set",
        ),
        (lambda row: row | {"label": None}, ["--protocol", "hard"], "no row of made faces, split 'val', counts"),
        (lambda row: row | {"image": "images/gone.png"}, [], "no picture of the table can be read"),
        (lambda row: row, ["--photos", "gone.jsonl", "--fit"], "no face annotations at gone.jsonl"),
    ],
)
def test_a_table_that_does_not_fit_is_named(
    change: Change, options: list[str], says: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", model, table(tmp_path / "bad", change), "--draws", "100", *options) == 2
    error = capsys.readouterr().err
    assert says in " ".join(error.split())
    assert "Traceback" not in error


def test_thresholds_are_fitted_on_val_and_written_into_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_outputs(tmp_path / "outputs")
    spots(tmp_path / "spots", train=14, val=56)
    assert run("evaluate", folder, tmp_path / "spots", "--fit", "--draws", "100") == 0
    fitted = manifest.read(folder).head("units").thresholds
    assert len(fitted) == 18
    assert "written into model.json: AU1" in capsys.readouterr().out
    assert run("evaluate", folder, tmp_path / "spots", "--draws", "100", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tuned"] == "model"
    assert found["thresholds"] == pytest.approx(fitted)
    assert run("evaluate", folder, tmp_path / "spots", "--fit", "--split", "train", "--max-leak", "1") == 2
    assert "fitted on the split 'val', not on 'train'" in " ".join(capsys.readouterr().err.split())
    assert run("evaluate", folder, tmp_path / "spots", "--fit", "--head", "affect") == 2
    assert "its outputs are values" in capsys.readouterr().err


WITHOUT = """
import sys
for name in ("torch", "captum", "pytorch_grad_cam"):
    sys.modules[name] = None
from mien.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("kind", ["model", "checkpoint"])
def test_a_method_that_needs_torch_says_so_where_it_is_not_installed(
    kind: str, model: Path, photo: Path, tmp_path: Path
) -> None:
    subject = model if kind == "model" else tiny_checkpoint(tmp_path)
    arguments = ["explain", subject, photo, "--crops", "--method", "grad_cam", "-o", tmp_path / "maps"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, arguments)],
        env={**os.environ, "COLUMNS": "300"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "needs the 'explain' extra: pip install 'mien[explain]'" in done.stderr
