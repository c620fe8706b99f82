from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.fixtures.layouts import picture

from mien.cli.main import main
from mien.curation.table import open_table


def run(*arguments: object) -> int:
    """Run the command line and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["data", *map(str, arguments)])
    code = ended.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for at, label in enumerate(("angry", "happy", "sad")):
        for number in range(12):
            picture(tmp_path / "raw" / label / f"{number:02d}.png", 100 * at + number)
    (tmp_path / "raw/happy/copy.png").write_bytes((tmp_path / "raw/happy/00.png").read_bytes())
    return tmp_path / "raw"


def test_the_whole_way_from_folders_to_a_clean_table(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, out = tmp_path / "table", tmp_path / "table"
    assert run("import", "folder", raw, "-o", table) == 0
    assert "37 rows" in capsys.readouterr().out
    assert run("dedupe", table, "--action", "drop", "-o", out / "clean.parquet", "--json", out / "copies.json") == 0
    assert json.loads((out / "copies.json").read_text())["groups"] == [["images/happy/00.png", "images/happy/copy.png"]]
    assert run("split", out / "clean.parquet", "--val", 0.25, "--test", 0.25, "-o", out / "split.parquet") == 0
    made = open_table(out / "split.parquet")
    assert np.unique([row["split"] for row in made.rows()], return_counts=True)[1].tolist() == [9, 18, 9]
    assert run("balance", out / "split.parquet", "--method", "oversample", "--cap", 8, "-o", out / "b.parquet") == 0
    assert len(open_table(out / "b.parquet")) == 36 + 3 * 2
    assert run("relabel", out / "split.parquet", "--mapping", "ekman7:basic6", "-o", out / "r.parquet") == 0
    assert run("sample", out / "split.parquet", "-n", 2, "--each", "-o", tmp_path / "small") == 0
    assert (tmp_path / "small/images").is_dir()
    assert run("show", out / "split.parquet", "-n", 3, "-o", tmp_path / "sheet.png") == 0
    assert run("report", out / "split.parquet", "-o", tmp_path / "report.html", "--no-labels") == 0
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert run("export", out / "split.parquet", "--to", "folders", "-o", tmp_path / "folders") == 0
    assert len(list((tmp_path / "folders").rglob("*.png"))) == 36
    assert run("convert", out / "split.parquet", "--grey", "--size", 24, "-o", tmp_path / "grey") == 0
    assert run("merge", out / "split.parquet", tmp_path / "grey", "-o", tmp_path / "merged") == 0
    assert len(open_table(tmp_path / "merged")) == 72
    assert run("audit", out / "split.parquet", "--json", tmp_path / "audit.json") == 0
    assert json.loads((tmp_path / "audit.json").read_text())["leaks"] == {}


def test_a_leak_ends_the_audit_with_code_3(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("train", "test"):
        (tmp_path / "two" / part / "happy").mkdir(parents=True)
        (tmp_path / "two" / part / "happy/a.png").write_bytes((raw / "happy/00.png").read_bytes())
    assert run("import", "folder", tmp_path / "two", "-o", tmp_path / "table") == 0
    assert run("audit", tmp_path / "table", "--no-labels") == 3
    assert "splits leak: 1 pictures in several splits" in capsys.readouterr().err


def test_pictures_that_fail_end_an_import_with_code_1(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "sad/broken.png").write_bytes(b"")
    assert run("import", "folder", raw, "-o", tmp_path / "table") == 1
    assert "sad/broken.png" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["split", "balance", "dedupe", "sample"])
def test_a_dry_run_writes_no_table(raw: Path, tmp_path: Path, command: str) -> None:
    assert run("import", "folder", raw, "-o", tmp_path / "table") == 0
    run("split", tmp_path / "table", "-o", tmp_path / "table/s.parquet")
    before = sorted((tmp_path / "table").iterdir())
    assert run(command, tmp_path / "table/s.parquet", "--dry-run", "-o", tmp_path / "table/x.parquet") == 0
    assert sorted((tmp_path / "table").iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "fodler", "x", "-o", "y"], "Did you mean 'folder'?"),
        (["import", "folder", "x"], "-o DIR"),
        (["import", "folder", "nowhere", "-o", "y"], "'nowhere' does not exist"),
        (["import", "folder", "x", "-o", "y", "--option", "label"], "KEY=VALUE"),
        (["split", "nowhere"], "no table at"),
        (["merge", "one", "-o", "y"], "two tables or more"),
        (["relabel", "nowhere", "--mapping", "ekman7:raf8"], "no mapping from 'ekman7' to 'raf8'"),
        (["audit", "nowhere", "--on", "thread"], "no table at"),
    ],
)
def test_wrong_use_ends_with_code_2_and_a_sentence(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    assert not list(tmp_path.iterdir())
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_readers_are_listed_with_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", "list") == 0
    said = capsys.readouterr().out
    assert "affectnet" in said
    assert "label_set" in said
