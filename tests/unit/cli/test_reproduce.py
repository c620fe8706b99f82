"""`mien reproduce`: figures that come out again, and those that do not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.fixtures import patterns

from mien import manifest
from mien.cli.main import main


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of made crops with labels and votes."""
    folder = tmp_path_factory.mktemp("faces")
    patterns.tiny_faces(folder, train=10, val=40)
    return folder


@pytest.fixture
def model(tiny_expression: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A model folder that says how good it is on the table, plainly and with the mirror image."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_expression, folder)
    for more in ([], ["--flip"]):
        assert run("evaluate", str(folder), str(faces), "--protocol", "hard", "--draws", "100", "--card", *more) == 0
    capsys.readouterr()
    return folder


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_figures_come_out_again_to_the_last_digit(
    model: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = manifest.read(model).metrics
    assert (
        run("reproduce", str(model), "--table", str(faces), "--tolerance", "0", "--json", str(tmp_path / "r.json")) == 0
    )
    assert f"{len(said)} of {len(said)} figures come out again" in capsys.readouterr().out
    record = json.loads((tmp_path / "r.json").read_text())
    assert {figure["protocol"] for figure in record["figures"]} == {"hard", "hard, flip"}
    assert record["off"] == 0


def test_a_figure_that_is_off_ends_with_exit_code_1(
    model: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = manifest.read(model)
    first, *others = made.metrics
    claimed = first.model_copy(update={"value": first.value + 0.1})
    manifest.write(made.model_copy(update={"metrics": (claimed, *others)}), model)
    assert run("reproduce", str(model), "--table", str(faces)) == 1
    assert f"{len(others)} of {len(others) + 1} figures come out again within 0.005" in capsys.readouterr().out


def test_other_data_is_named_as_such(
    model: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = manifest.read(model)
    data = manifest.Data(name="faces", use="val", digest="0" * 64, licence="none", n=40)
    manifest.write(made.model_copy(update={"data": (data,)}), model)
    assert run("reproduce", str(model), "--table", str(faces)) == 0
    assert "is not the table that" in capsys.readouterr().err


def test_a_split_without_figures_is_refused(model: Path, faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reproduce", str(model), "--table", str(faces), "--split", "train") == 2
    assert "has no figure of the split 'train' that can be measured again" in capsys.readouterr().err
