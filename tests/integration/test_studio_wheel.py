"""The wheel brings the Studio: built with Node, installed into a fresh environment, served at `/`."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as a checkout without a built web app makes it, so that the build runs npm."""
    pytest.importorskip("hatchling")
    if shutil.which("npm") is None or not (ROOT / "web" / "node_modules").is_dir():
        pytest.skip("needs Node and the web app's packages: make web")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    left_out = shutil.ignore_patterns("static", "node_modules", "__pycache__")
    for name in ("src", "web"):
        shutil.copytree(ROOT / name, source / name, ignore=left_out)
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("mien-*.whl")
    return made


@pytest.fixture(scope="module")
def url(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `mien serve` from a fresh environment; only mien's dependencies are borrowed from this one."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=True, symlinks=True)
    python = home / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, timeout=300)
    site = next((home / "lib").glob("python*/site-packages"))
    (site / "borrowed.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    where = subprocess.run(
        [str(python), "-c", "import mien; print(mien.__file__)"], cwd=home, capture_output=True, text=True, check=True
    )
    assert where.stdout.startswith(str(home)), "the installed package is not the one that is imported"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [str(home / "bin" / "mien"), "serve", "--port", str(port)], cwd=home, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/readyz", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, "the server stopped while it was starting"
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)


def test_the_wheel_holds_the_app_its_worker_and_both_runtimes(wheel: Path) -> None:
    names = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("mien/serving/static/")}
    assert {"index.html", "sw.js", "manifest.webmanifest", "icon-512.png"} <= names
    assert len([name for name in names if re.fullmatch(r"ort-wasm-.*\.wasm\.gz", name)]) == 2
    assert not [name for name in names if name.endswith(".wasm")], "a runtime lies there uncompressed too"


def test_the_first_load_is_below_300_kb_compressed(url: str) -> None:
    import gzip

    page = urllib.request.urlopen(url).read()
    own = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.decode())
    assert own
    sizes = [len(gzip.compress(urllib.request.urlopen(f"{url}{path}").read())) for path in own]
    assert len(gzip.compress(page)) + sum(sizes) <= 300_000


def test_serve_answers_with_the_studio_and_its_assets(url: str) -> None:
    with urllib.request.urlopen(f"{url}/live") as answer:
        page = answer.read().decode()
    assert "<title>mien Studio</title>" in page
    with urllib.request.urlopen(f"{url}/sw.js") as answer:
        files = re.findall(r'"(/assets/[^"]+)"', answer.read().decode())
    assert len(files) > 10
    for path in files:
        with urllib.request.urlopen(f"{url}{path}") as answer:
            assert answer.status == 200
    worker = next(path for path in files if "/worker-" in path)
    with urllib.request.urlopen(f"{url}{worker}") as answer:
        wasm = re.search(r"/assets/ort-wasm-simd-threaded-[\w-]+\.wasm", answer.read().decode())
    assert wasm
    with urllib.request.urlopen(f"{url}{wasm.group()}") as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
