import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def model(tiny_expression: Path) -> Path:
    return tiny_expression


def test_json_has_one_line_a_picture_in_input_order(
    photo: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{i} 😀 space.jpg" for i in range(30)]
    for name in names:
        shutil.copy(photo, tmp_path / name)
    code, out, _ = run(capsys, "predict", tmp_path, "--json", "-", "--crops", "--model", model)
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [Path(record["image"]).name for record in records] == sorted(names)
    first = records[0]
    assert list(first) == ["image", "width", "height", "faces", "error"]
    assert (first["width"], first["height"], first["error"]) == (512, 512, None)
    assert first["faces"][0]["box"] == [0, 0, 512, 512]
    assert all(
        {k: v for k, v in r.items() if k != "image"} == {k: v for k, v in first.items() if k != "image"}
        for r in records
    )


def test_one_bad_picture_is_reported_and_the_rest_goes_on(
    photo: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(photo, tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"")
    (tmp_path / "c.jpg").write_bytes(photo.read_bytes()[:5000])
    shutil.copy(photo, tmp_path / "d.jpg")
    code, out, err = run(capsys, "predict", tmp_path, "--json", "-", "--crops", "--model", model)
    errors = [json.loads(line)["error"] for line in out.splitlines()]
    assert code == 1
    assert errors[0] is errors[3] is None
    assert errors[1] == "the file is empty; expected a picture"
    assert errors[2].startswith("the picture is damaged")
    assert "2 of 4 pictures could not be read" in err


def test_nothing_readable_ends_with_2(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = run(capsys, "predict", tmp_path / "empty", "--model", model, "--crops")
    assert (code, "no pictures in" in err, "nothing to read" in err) == (2, True, True)
    code, _, err = run(capsys, "predict", tmp_path / "gone.jpg", "--model", model, "--crops")
    assert (code, "no such file" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--bogus"], "No such option: --bogus"),
        (["--side", "7"], "'7' is neither 'auto' nor pixels from 32 to 8192"),
        (["--min-confidence", "1.5"], "'--min-confidence': Input should be less"),
        (["--threads", "0"], "'--threads' / '--workers': Input should be greater"),
        (["--model", "nobody"], "no model named 'nobody'"),
        (["--detector", "yunett"], "no detector named 'yunett'. Did you mean 'yunet'?"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(
    photo: Path, arguments: list[str], sentence: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments if "--model" in arguments else [*arguments, "--model", model]
    code, out, err = run(capsys, "predict", photo, *given)
    assert code == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert not out


def test_a_wrong_command_names_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "predikt")
    assert code == 2
    assert "no command named 'predikt'. Did you mean 'predict'?" in err


def test_csv_and_table_and_annotated_pictures(
    photo: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "predict", photo, "--crops", "--model", model, "--csv", tmp_path / "f.csv")
    assert (code, out) == (0, "")
    with (tmp_path / "f.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    probabilities = [float(v) for k, v in row.items() if k.startswith("expression_")]
    assert sum(probabilities) == pytest.approx(1, abs=1e-3)
    assert float(row["label_confidence"]) == max(probabilities)

    code, out, _ = run(capsys, "predict", photo, photo, "--crops", "--model", model, "--annotate", tmp_path / "drawn")
    assert code == 0
    assert out.count(row["label"]) >= 2
    drawn = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert drawn == ["astronaut-2.jpg", "astronaut.jpg"]
    with Image.open(tmp_path / "drawn" / "astronaut.jpg") as picture, Image.open(photo) as original:
        assert picture.size == original.size
        assert np.abs(np.asarray(picture, int) - np.asarray(original, int)).mean() > 0.5


def test_a_file_that_cannot_be_written_is_a_sentence(
    photo: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    code, _, err = run(capsys, "predict", photo, "--crops", "--model", model, "--json", tmp_path / "file" / "x.jsonl")
    assert code == 2
    assert err.startswith("mien: cannot write")


def test_limits_from_the_command_line_lead_to_abstention(
    photo: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys, "predict", photo, "--crops", "--model", model, "--min-confidence", "1", "--json", "-"
    )  # fmt: skip
    face = json.loads(out)["faces"][0]
    assert code == 0
    assert face["abstained"] == "uncertain"
    assert face["label"]


def test_a_name_that_is_not_utf8_is_written_escaped(model: Path, photo: Path, tmp_path: Path) -> None:
    raw = bytes(tmp_path) + b"/caf\xe9.jpg"
    Path(raw.decode(errors="surrogateescape")).write_bytes(photo.read_bytes())
    command = [sys.executable, "-m", "mien.cli.main", "predict", tmp_path, "--crops", "--model", model, "--json", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout)["image"].encode(errors="surrogateescape") == raw
