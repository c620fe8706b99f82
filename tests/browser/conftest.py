"""A real server, a real Chromium and a camera made from photos, for the tests of the Studio."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mien import hub
from mien.imaging import image, letterbox
from mien.imaging.image import RGB

CHROMIUM = os.environ.get("MIEN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
ROOT = Path(__file__).resolve().parents[2]
SOFTWARE_GPU = (
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
)
STUDIO = ROOT / "src" / "mien" / "serving" / "static"
# Milliseconds that anything may take on a busy machine; nothing waits for a time, everything for a condition.
PATIENCE = 180_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing()
    for item in items:
        if Path(__file__).parent in item.path.parents and reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def missing() -> str | None:
    """Say what the tests of this folder lack, or None."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "needs playwright: pip install 'mien[dev]'"
    if not Path(CHROMIUM).is_file():
        return "needs Chromium: install it, or name it in MIEN_CHROMIUM"
    if not (STUDIO / "index.html").is_file():
        return "needs the built web app: make web"
    if not (hub.assets() / "expression").is_dir() or not (hub.assets() / "face").is_dir():
        return "needs the models inside the package"
    return None


class Server:
    """`mien serve` on a port of its own; can be stopped and started again."""

    def __init__(self, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.options = options
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it is ready."""
        command = [sys.executable, "-m", "mien.cli.main", "serve", "--port", str(self.port), *self.options]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=10):
                    return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, "the server stopped while it was starting"
                time.sleep(0.1)
        raise AssertionError("the server did not become ready")

    def stop(self) -> None:
        """Stop and wait until it has ended."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=PATIENCE / 1000)
            self.process = None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with the models inside the package."""
    started = Server()
    started.start()
    yield started
    started.stop()


def frame(picture: RGB, width: int = 640, height: int = 480) -> RGB:
    """Fit a picture into a camera's frame, on grey."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    small = letterbox.resize(picture, round(picture.shape[0] * scale), round(picture.shape[1] * scale))
    out = np.full((height, width, 3), 96, np.uint8)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


@pytest.fixture(scope="session")
def scene() -> RGB:
    """What stands before the camera: a photo with one face, as the frame's pixels after its compression."""
    picture = frame(image.read(ROOT / "examples" / "astronaut.jpg"))
    return image.read(image.encode(picture, "jpg", quality=95))


@pytest.fixture(scope="session")
def camera(scene: RGB, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera's film (Motion JPEG): the scene, standing still."""
    path = tmp_path_factory.mktemp("camera") / "scene.mjpeg"
    done, data = cv2.imencode(".jpg", cv2.cvtColor(scene, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    path.write_bytes(data.tobytes() * 60)
    return path


def shows(locator: Any, text: str) -> None:
    """Wait until an element holds the text."""
    from playwright.sync_api import expect

    expect(locator).to_contain_text(text, timeout=PATIENCE)


def counts(locator: Any, number: int) -> None:
    """Wait until there are so many."""
    from playwright.sync_api import expect

    expect(locator).to_have_count(number, timeout=PATIENCE)


def use_device(page: Any) -> None:
    """Let the models run in the browser."""
    page.get_by_role("radio", name="This device").check(force=True)


Open = Callable[..., Any]


@pytest.fixture
def chromium(camera: Path, tmp_path: Path) -> Iterator[Open]:
    """A function that opens a page in a fresh browser profile.

    `grant=False` makes the browser refuse the camera; `gpu=True` gives it WebGL, and WebGPU where it was built with it,
    both computed in software.
    """
    from playwright.sync_api import sync_playwright

    contexts: list[Any] = []
    with sync_playwright() as driver:

        def launch(*, grant: bool = True, informed: bool = True, gpu: bool = False, **options: Any) -> Any:
            context = driver.chromium.launch_persistent_context(
                tmp_path / f"profile{len(contexts)}",
                executable_path=CHROMIUM,
                args=[
                    "--no-sandbox",
                    *(SOFTWARE_GPU if gpu else ["--disable-gpu"]),
                    "--disable-background-networking",
                    "--use-fake-device-for-media-stream",
                    *(["--use-fake-ui-for-media-stream"] if grant else ["--deny-permission-prompts"]),
                    f"--use-file-for-fake-video-capture={camera}",
                ],
                accept_downloads=True,
                timeout=PATIENCE,
                **options,
            )
            contexts.append(context)
            context.set_default_timeout(PATIENCE)
            context.set_default_navigation_timeout(PATIENCE)
            if informed:
                context.add_init_script("localStorage.setItem('mien.informed', '1')")
            return context.pages[0]

        yield launch
        for context in contexts:
            context.close()
