"""A wheel holds the package with its models and nothing else, and its version is that of the tag."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from release import check_wheel

import mien

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("hatch_vcs", reason="building without isolation needs the build's own requirements")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the checkout, built with what is installed."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (found,) = out.glob("*.whl")
    return found


def test_the_wheel_has_models_policies_and_types_and_no_tests(wheel: Path) -> None:
    check_wheel.contents(wheel, studio=(ROOT / "src/mien/serving/static/index.html").is_file())
    assert wheel.stat().st_size < 40e6


def test_the_wheel_says_version_licence_and_readme(wheel: Path) -> None:
    (name,) = [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("METADATA")]
    text = zipfile.ZipFile(wheel).read(name).decode()
    assert "License-Expression: Apache-2.0" in text
    assert "mien predict photo.jpg" in text
    assert re.search(r"^Version: \d+\.\d+", text, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(wheel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_program_knows_its_version() -> None:
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?(\.dev\d+)?.*", mien.__version__)


def test_a_wheel_with_a_stranger_or_without_models_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "mien-0.0.1-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("tests/test_x.py", "")
    with pytest.raises(SystemExit, match=r"lacks .*model\.json.* and has .*tests"):
        check_wheel.contents(made, studio=False)
