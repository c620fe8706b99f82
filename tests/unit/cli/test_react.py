from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.cli.main import main
from mien.imaging import image


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["react", *arguments])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_json_has_what_the_library_decides(
    capsys: pytest.CaptureFixture[str], photo: Path, tiny_expression: Path
) -> None:
    from mien import reactions
    from mien.recognition.pipeline import Recognizer

    model = ["--detector", "none", "--model", str(tiny_expression)]
    code, out, _ = run(capsys, str(photo), "--json", *model)
    own = reactions.react(Recognizer(detector="none", model=tiny_expression)(photo)).to_dict()
    assert code == 0
    found = json.loads(out)
    found.pop("scene")
    assert found == {"image": str(photo), "faces": 1, **own}


def test_a_picture_without_faces_is_read_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rng: np.random.Generator
) -> None:
    from mien import hub
    from mien.recognition import scene

    if "scene" not in dict(hub.folders()):
        pytest.skip("needs the model of whole pictures inside the package")
    noise = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    image.write(noise, tmp_path / "a.png")
    code, out, _ = run(capsys, str(tmp_path / "a.png"), "--json", "--scene", "scene")
    found = json.loads(out)
    model = scene.SceneModel("scene")
    assert code == 0
    assert found["faces"] == 0
    assert set(found["scene"]) == {"valence", "arousal"}
    assert found["emotion_scores"] == pytest.approx(model(noise).to_dict(0)["scores"], abs=1e-4)
    assert found["note"].startswith("from the whole picture")
    code, out, _ = run(capsys, str(tmp_path / "a.png"))
    assert "picture   valence " in out


def test_the_text_names_every_blocked_emoji_with_its_reason(
    capsys: pytest.CaptureFixture[str], photo: Path, tiny_expression: Path, tmp_path: Path
) -> None:
    rule = 'threshold = 0.0\nallows = ["🙏"]\nblocks = ["🎉"]\n'
    (tmp_path / "p.toml").write_text(f"[labels.neutral]\n{rule}", encoding="utf-8")
    model = ["--detector", "none", "--model", str(tiny_expression), "--policy", str(tmp_path / "p.toml")]
    code, out, _ = run(capsys, str(photo), *model)
    assert code == 0
    assert "allowed   🙏\n" in out
    assert "\n  🎉 blocked: neutral " in out


def test_emoji_come_out_as_utf8_where_the_terminal_says_ascii(photo: Path, tiny_expression: Path) -> None:
    command = [sys.executable, "-m", "mien.cli.main", "react", str(photo), "--detector", "none", "--json"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [*command, "--model", str(tiny_expression)], capture_output=True, env=environment, check=True, timeout=120
    )
    found = json.loads(done.stdout.decode("utf-8"))
    for emoji in found["allowed_emojis"]:
        assert emoji.encode("utf-8") in done.stdout


def test_what_cannot_be_read_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.toml").write_text("[labels.sad]\nthreshold = 7\n")
    for arguments, words in (
        ((str(photo), "--policy", str(tmp_path / "p.toml")), "does not fit"),
        ((str(tmp_path / "absent.jpg"),), "no such file"),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert words in err
        assert len(err.strip().splitlines()) == 1
