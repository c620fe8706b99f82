"""evaluate, models, bench, explain: the commands that judge a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.fixtures.models import tiny_outputs
from tests.fixtures.patterns import tiny_faces
from tests.fixtures.tables import spots

from mien.cli.main import main


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "faces"
    tiny_faces(folder, train=20, val=50, test=20)
    return folder


@pytest.fixture
def model(tiny_expression: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_expression, tmp_path / "tiny"))


def test_evaluate_writes_json_and_a_report(
    model: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, page = tmp_path / "deep" / "out.json", tmp_path / "out.html"
    code = run("evaluate", model, table, "--json", record, "--report", page, "--draws", "100", "--compare", model)
    assert code == 0
    found = json.loads(record.read_text())
    assert found["protocol"] == "ferplus-majority"
    assert found["n"] == 50
    assert found["comparison"]["p_value"] == 1.0
    assert "accuracy" in capsys.readouterr().out
    assert page.read_text().startswith("<!doctype html>")


def test_evaluate_to_standard_output_is_json_alone(
    model: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", model, table, "--protocol", "hard", "--json", "-", "--draws", "100") == 0
    assert json.loads(capsys.readouterr().out)["protocol"] == "hard"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--split", "validation"], "no split named 'validation'"),
        (["--protocol", "soft"], "no protocol named 'soft'"),
        (["--compare", "nothing-here"], "no model named 'nothing-here'"),
    ],
)
def test_evaluate_names_what_is_wrong(
    options: list[str], says: str, model: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", model, table, *options) == 2
    assert says in capsys.readouterr().err


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model of action units, valence and arousal, and a table with both."""
    folder = tmp_path_factory.mktemp("outputs")
    spots(folder / "table", train=14, val=56)
    return tiny_outputs(folder / "model"), folder / "table"


@pytest.mark.parametrize(
    ("options", "protocol", "figures"),
    [
        ([], "present", ("map", "f1_macro", "f1_macro_prevalence", "hamming", "AU12")),
        (["--protocol", "affect"], "affect", ("ccc", "pcc", "rmse", "valence", "arousal")),
    ],
)
def test_evaluate_scores_heads_of_every_kind(
    options: list[str],
    protocol: str,
    figures: tuple[str, ...],
    outputs: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, table = outputs
    record, page = tmp_path / "out.json", tmp_path / "out.html"
    common = ["--draws", "100", "--json", record, "--report", page, "--compare", model, "--card"]
    assert run("evaluate", model, table, *options, *common) == 0
    found = json.loads(record.read_text())
    assert found["protocol"] == protocol
    assert all(d["value"] == 0 for d in found["comparison"]["differences"].values() if d["value"] is not None)
    printed = capsys.readouterr().out
    assert all(name in printed for name in figures)
    assert "Hardest pictures" in page.read_text()
    assert f"| {protocol} |" in (model / "card.md").read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--slices"], "--slices needs one right label a row"),
        (["--robustness"], "--robustness needs one right label a row"),
        (["--head", "unit"], "no head named 'unit'. Did you mean 'units'"),
        (["--protocol", "hard", "--head", "units"], "head 'units' does not answer so"),
        (["--protocol", "strength", "--head", "units"], "judges heads of the kind 'value'"),
    ],
)
def test_evaluate_refuses_what_a_kind_of_head_has_not(
    options: list[str], says: str, outputs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model, table = outputs
    assert run("evaluate", model, table, "--draws", "100", *options) == 2
    assert says in capsys.readouterr().err


def test_evaluate_of_an_empty_split_is_an_error(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_faces(tmp_path / "small", train=3, val=3)
    assert run("evaluate", model, tmp_path / "small", "--split", "test") == 2
    assert "no rows in split 'test'" in capsys.readouterr().err


def test_evaluate_refuses_pictures_that_were_trained_on_unless_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mien.curation.table import write_table

    made = tiny_faces(tmp_path / "a", train=10, val=10)
    rows = list(made.rows())
    rows += [row | {"split": "test"} for row in rows[:5]]
    write_table(made.path, rows)
    options = ["--split", "test", "--protocol", "hard", "--draws", "100"]
    assert run("evaluate", model, tmp_path / "a", *options) == 2
    assert "also in train and val" in capsys.readouterr().err
    assert run("evaluate", model, tmp_path / "a", *options, "--max-leak", "1") == 0


def test_evaluate_into_the_card_replaces_older_figures(model: Path, table: Path) -> None:
    for _ in range(2):
        assert run("evaluate", model, table, "--card", "--draws", "100") == 0
    found = json.loads((model / "model.json").read_text())["metrics"]
    names = [(m["name"], m["protocol"]) for m in found]
    assert len(names) == len(set(names))
    assert ("accuracy", "ferplus-majority") in names
    assert "made faces" in (model / "card.md").read_text()


def test_models_verify_tells_a_damaged_graph_and_checks_the_rest(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Path(shutil.copytree(model, tmp_path / "bad"))
    with (bad / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    assert run("models", "verify", bad, model) == 2
    said = capsys.readouterr()
    assert "sha256" in said.err
    assert "good (fp32)" in said.out
    assert run("models", "verify", model) == 0


def test_models_show_prints_the_manifest(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "show", model, "--json") == 0
    assert json.loads(capsys.readouterr().out)["primary"] == "expression"


def test_models_list_finds_folders_of_the_environment(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIEN_MODELS", str(model.parent))
    assert run("models", "list", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert "tiny" in {m["name"] for m in found["models"]}
    assert {"yunet", "face_landmarker"} <= {d["name"] for d in found["downloads"]}


def test_bench_times_every_stage(model: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--seconds", "0.01", "--no-cold", "--json", "-"]
    assert run("bench", "--model", model, "--detector", "none", "--face", photo, *options) == 0
    found = json.loads(capsys.readouterr().out)
    names = [stage["name"] for stage in found["stages"]]
    assert names[:5] == ["decode", "detect", "crop", "classify", "judge"]
    assert found["setting"]["width"] == 640
    assert all(stage["p50_ms"] <= stage["p95_ms"] for stage in found["stages"])
    end = {stage["name"]: stage["p50_ms"] for stage in found["stages"]}
    assert end["bytes to result"] >= 0.5 * end["decode"]


def test_bench_times_two_settings_in_turn(model: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--model", model, "--detector", "none", "--face", photo, "--seconds", "0.01", "--no-cold"]
    assert run("bench", *options, "--against", "detector=mien", "--against", "side=320", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["setting"]["detector"], found["setting"]["side"]) == ("none", "auto")
    other = found["against"]
    assert (other["setting"]["detector"], other["setting"]["side"]) == ("mien", "320")
    ratios = {ratio["name"]: ratio for ratio in other["ratios"]}
    assert list(ratios) == [stage["name"] for stage in found["stages"]] == [stage["name"] for stage in other["stages"]]
    assert ratios["detect"]["value"] > 20  # a search against none
    assert all(ratio["low"] <= ratio["value"] <= ratio["high"] for ratio in ratios.values())
    assert run("bench", *options, "--against", "precision=fp32") == 0
    assert "in turn with" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("sides=320", "no setting that --against changes named 'sides'. Did you mean 'side'"),
        ("side", "'side' is not KEY=VALUE, as --against expects"),
        ("side=wide", "'wide' is neither 'auto' nor pixels"),
        ("detector=mein", "no detector named 'mein'. Did you mean 'mien'"),
    ],
)
def test_bench_refuses_what_it_cannot_compare_with(
    given: str, says: str, model: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("bench", "--model", model, "--detector", "none", "--face", photo, "--against", given) != 0
    assert says in " ".join(capsys.readouterr().err.split())


def test_bench_of_a_server_compares_nothing(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", "--face", photo, "--url", "http://127.0.0.1:1", "--against", "side=320") == 2
    assert "the server at --url has its own" in " ".join(capsys.readouterr().err.split())


def test_explain_writes_an_overlay_and_a_map_a_face(
    model: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "maps"
    code = run("explain", model, photo, "--crops", "--method", "occlusion", "-o", out, "--json", "-")
    assert code == 0
    record = json.loads(capsys.readouterr().out)
    assert sum(record["regions"].values()) == pytest.approx(1.0, abs=1e-3)
    with np.load(out / "astronaut-1-occlusion.npz") as raw:
        assert raw["map"].shape == (48, 48)
    assert (out / "astronaut-1-occlusion.png").is_file()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--method", "rice"], "no method named 'rice'. Did you mean 'rise'"),
        (["--target", "bliss"], "no label of ferplus8 named 'bliss'"),
        (["--method", "grad_cam"], "give the checkpoint"),
    ],
)
def test_explain_names_what_is_wrong(
    options: list[str], says: str, model: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explain", model, photo, "--crops", "-o", tmp_path, *options) == 2
    assert says in capsys.readouterr().err


def test_explain_compare_of_a_model_folder_uses_the_black_box_methods(model: Path, table: Path, tmp_path: Path) -> None:
    code = run("explain", "compare", model, table, "-o", tmp_path, "--count", "4", "--method", "occlusion")
    assert code == 0
    rows = json.loads((tmp_path / "comparison.json").read_text())["rows"]
    assert {row["method"] for row in rows} == {"occlusion", "random map"}
    assert (tmp_path / "comparison.png").is_file()
    assert (tmp_path / "comparison.md").read_text().count("\n") == len(rows) + 2
