"""Installs a wheel into a fresh environment and uses it as a person would.

``python -m release.check_wheel dist/*.whl --python python3.12``

Nothing of the checkout is on the path. Prints the sizes, and fails with the first thing that does not work.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What every wheel must contain; the Studio is asked for with --studio.
NEEDED = (
    "mien/assets/expression/model.json", "mien/assets/expression/model.int8.onnx", "mien/assets/face/model.onnx",
    "mien/labels.toml", "mien/reactions.toml", "mien/hub.toml", "mien/py.typed", "mien/_version.py",
)  # fmt: skip
STUDIO = "mien/serving/static/index.html"


def contents(wheel: Path, studio: bool) -> None:
    """Raise `SystemExit` unless the wheel has what it needs and nothing that is not the package."""
    names = set(zipfile.ZipFile(wheel).namelist())
    missing = [name for name in (*NEEDED, *([STUDIO] if studio else [])) if name not in names]
    strangers = sorted(
        {name.split("/")[0] for name in names} - {"mien", f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"}
    )
    if missing or strangers:
        raise SystemExit(f"{wheel.name} lacks {missing} and has {strangers} beside the package")
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1e6:.1f} MB")


def use(wheel: Path, python: str, extras: str) -> None:
    """Install the wheel with `python` and run its commands away from the checkout."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([python, "-m", "venv", str(folder / "env")], check=True)
        programs = folder / "env" / "bin"
        pip = [str(programs / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", str(ROOT / "constraints.txt"), f"{wheel}{extras}"], check=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MIEN"))}
        environment["PATH"] = f"{programs}:{environment['PATH']}"

        def mien(*words: str) -> str:
            done = subprocess.run(
                [str(programs / "mien"), *words],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise SystemExit(f"`mien {' '.join(words)}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
            return done.stdout

        (face,) = json.loads(mien("predict", str(ROOT / "examples" / "astronaut.jpg"), "--json", "-"))["faces"]
        for model in ("expression", "face"):
            mien("models", "verify", model)
        version = subprocess.run([str(programs / "python"), "--version"], capture_output=True, text=True, check=True)
        size = sum(p.stat().st_size for p in (folder / "env" / "lib").rglob("*") if p.is_file() and not p.is_symlink())
        print(f"{version.stdout.strip()}, {mien('--version').strip()}: reads {face['label']}; {size / 1e6:.0f} MB")


def main() -> None:
    """Check the wheel that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", default=sys.executable, help="interpreter to install with")
    parser.add_argument("--extras", default="", help="such as [serve]")
    parser.add_argument("--studio", action="store_true", help="the wheel must contain the Studio")
    given = parser.parse_args()
    contents(given.wheel, given.studio)
    use(given.wheel.resolve(), given.python, given.extras)


if __name__ == "__main__":
    main()
