"""A model folder through an MLflow server on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien import hub
from mien.cli.main import main
from mien.errors import ModelError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server of its own process, with its database and its artifacts in a folder of the test."""
    pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    options = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "kept")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, *options, "--workers", "1"], stdout=log, stderr=log, cwd=folder)
    try:
        for _ in range(600):
            if process.poll() is not None:
                pytest.fail((folder / "log").read_text())
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", url)
            patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
            yield url
    finally:
        process.terminate()
        process.wait(30)


def test_a_model_folder_comes_back_byte_for_byte(
    server: str,
    tiny_expression: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    for version in (1, 2):
        with pytest.raises(SystemExit) as ended:
            main(["models", "push", str(tiny_expression), "models:/faces"])
        assert ended.value.code == 0
        assert f"models:/faces/{version}" in capsys.readouterr().out
    folder = hub.find("models:/faces/2")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in tiny_expression.iterdir()
    }
    assert hub.find("models:/faces/1") == folder
    with pytest.raises(ModelError, match=r"the model registry at http://127\.0\.0\.1:\d+ refuses: "):
        hub.find("models:/faces/3")
