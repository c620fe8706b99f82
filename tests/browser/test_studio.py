"""The Studio in a real browser, against a real server: what it shows is what Python finds."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import reactions
from mien.imaging import boxes, image
from mien.imaging.image import RGB
from mien.recognition.pipeline import Recognizer
from mien.results import Faces
from tests.browser.conftest import ROOT, STUDIO, Server, counts, shows

SCREENS = ("/", "/photos", "/explain", "/landmarks", "/reactions", "/review", "/models")
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def python(scene: RGB) -> Faces:
    return Recognizer().read([scene])[0]


@pytest.fixture
def own_server() -> Iterator[Server]:
    started = Server()
    started.start()
    yield started
    started.stop()


def live(page: Any, url: str, mode: str) -> Any:
    """Start the camera and return the first person that is seen."""
    page.goto(url)
    page.get_by_label("This device" if mode == "device" else "Server", exact=True).check(force=True)
    page.get_by_role("button", name="Start camera").click()
    person = page.locator(".person").first
    person.wait_for()
    return person


@pytest.mark.parametrize("mode", ["server", "device"])
def test_live_finds_the_face_and_label_that_python_finds(
    mode: str, server: Server, chromium: Open, python: Faces
) -> None:
    page = chromium()
    person = live(page, server.url, mode)
    shows(person.locator(".verdict"), python.label[0])
    found = np.array([[float(v) for v in person.get_attribute("data-box").split()]], np.float32)
    assert boxes.iou(found, python.xyxy[:1])[0, 0] > 0.7
    counts(page.get_by_role("status").filter(has_text="Emotion recognition on"), 1)
    page.get_by_role("button", name="Stop").click()
    counts(page.get_by_role("status").filter(has_text="Emotion recognition off"), 1)


@pytest.mark.parametrize("mode", ["server", "device"])
def test_photos_are_read_filtered_and_exported(
    mode: str, server: Server, chromium: Open, photo: Path, noise: RGB, tmp_path: Path
) -> None:
    (tmp_path / "no face.png").write_bytes(image.encode(noise))
    (tmp_path / "broken.jpg").write_bytes(b"no picture at all")
    page = chromium()
    page.goto(f"{server.url}/photos")
    page.get_by_label("This device" if mode == "device" else "Server", exact=True).check(force=True)
    files = [photo, tmp_path / "no face.png", tmp_path / "broken.jpg"]
    page.locator("input[type=file]").first.set_input_files(files)
    page.get_by_text("3 of 3 read").wait_for()
    shows(page.get_by_text("3 of 3 read"), "1 failed")

    expected = Recognizer()(photo)
    with page.expect_download() as caught:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(Path(caught.value.path()).read_text(encoding="utf-8").splitlines()))
    assert rows[0]["image"] == photo.name
    assert rows[0]["label"] == expected.label[0]
    assert float(rows[0]["label_confidence"]) == pytest.approx(float(expected.confidence[0]), abs=0.05)
    assert {f"expression_{name}" for name in expected.labels} <= set(rows[0])
    with page.expect_download() as caught:
        page.get_by_role("button", name="JSON").click()
    lines = [json.loads(line) for line in Path(caught.value.path()).read_text(encoding="utf-8").splitlines()]
    assert {line["image"] for line in lines if line["error"]} == {"broken.jpg"}
    with page.expect_download() as caught:
        page.get_by_role("button", name="Annotated zip").click()
    with zipfile.ZipFile(caught.value.path()) as packed:
        drawn = image.read(packed.read(f"{photo.stem}.jpg"))
    original = image.read(photo)
    assert drawn.shape == original.shape
    assert np.abs(drawn.astype(int) - original).max() > 60

    page.get_by_label("Label").select_option(expected.label[0])
    counts(page.locator(".gallery li"), 1)
    page.get_by_label("Label").select_option("")
    page.get_by_label("Answer").select_option("failed")
    counts(page.locator(".gallery li"), 1)


def test_explanations_show_maps_side_by_side(server: Server, chromium: Open, photo: Path) -> None:
    page = chromium()
    page.goto(f"{server.url}/explain")
    page.locator("input[type=file]").first.set_input_files(photo)
    page.get_by_text(re.compile("Face 1 of")).wait_for()
    page.get_by_role("checkbox", name="rise").check()
    page.get_by_role("button", name="Explain", exact=True).click()
    page.locator(".maps article").nth(1).wait_for()
    for method in ("occlusion", "rise"):
        article = page.get_by_role("article", name=method)
        counts(article.get_by_text("mouth"), 1)
        painted = article.locator("canvas").evaluate(
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 > 2 && v).length"
        )
        assert painted > 100


def test_reactions_say_why_one_is_blocked(server: Server, chromium: Open, photo: Path) -> None:
    expected = reactions.react(Recognizer()(photo))
    assert expected.blocked_emojis
    page = chromium()
    page.goto(f"{server.url}/reactions")
    page.locator("input[type=file]").first.set_input_files(photo)
    page.locator(".emoji").first.wait_for()
    blocked = expected.blocked_emojis[0]
    page.get_by_role("button", name=f"{blocked} blocked").click(force=True)
    reason = next(one.reason for one in expected.decisions if one.emoji == blocked)
    assert page.locator(".told").inner_text() == reason
    shown = {button.get_attribute("aria-label") for button in page.locator(".blocked").all()}
    assert shown == {f"{emoji} blocked" for emoji in expected.blocked_emojis}


def test_this_device_works_offline_after_the_first_visit(own_server: Server, chromium: Open, python: Faces) -> None:
    page = chromium()
    live(page, own_server.url, "device")
    page.evaluate("async () => { await navigator.serviceWorker.ready }")
    page.reload()
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    live(page, own_server.url, "device")
    own_server.stop()
    page.goto(f"{own_server.url}/")
    person = live(page, own_server.url, "device")
    shows(person.locator(".verdict"), python.label[0])


def test_live_comes_back_by_itself_when_the_server_does(own_server: Server, chromium: Open) -> None:
    page = chromium()
    live(page, own_server.url, "server")
    own_server.stop()
    page.get_by_text("The server is gone.").wait_for()
    own_server.start()
    page.get_by_text("The server is gone.").wait_for(state="detached")
    page.locator(".person").first.wait_for()


def test_a_refused_camera_is_explained(server: Server, chromium: Open) -> None:
    page = chromium(grant=False)
    page.goto(server.url)
    page.get_by_role("button", name="Start camera").click()
    page.get_by_role("alert").filter(has_text="camera").wait_for()
    shows(page.get_by_role("alert").first, "choose a video file")


def test_the_first_visit_says_what_this_is_before_anything_starts(server: Server, chromium: Open) -> None:
    page = chromium(informed=False)
    page.goto(server.url)
    dialog = page.get_by_role("dialog")
    shows(dialog, "does not know what a person feels")
    shows(dialog, "prohibited")
    assert page.locator("video").evaluate("v => v.srcObject === null")
    dialog.get_by_role("button").click()
    page.reload()
    page.get_by_role("button", name="Start camera").wait_for()
    counts(page.get_by_role("dialog"), 0)


def test_every_screen_is_accessible_and_fits_a_phone(server: Server, chromium: Open) -> None:
    page = chromium(bypass_csp=True, viewport={"width": 360, "height": 740})
    script = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        pytest.skip("needs axe-core: make web")
    for path in SCREENS:
        page.goto(f"{server.url}{path}")
        page.locator("main h1").wait_for()
        page.add_script_tag(path=script)
        for theme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})")
            broken = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found["violations"]]
            assert broken == [], f"{path} {theme}"
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


def test_the_app_is_installable_and_small(server: Server, chromium: Open) -> None:
    import gzip

    page = chromium()
    bodies: dict[str, int] = {}
    page.on("response", lambda answer: bodies.setdefault(answer.url, len(gzip.compress(answer.body()))))
    page.goto(server.url)
    page.get_by_role("button", name="Start camera").wait_for()
    page.wait_for_load_state("networkidle")
    assert sum(bodies.values()) <= 300_000
    manifest = json.loads((STUDIO / "manifest.webmanifest").read_text(encoding="utf-8"))
    assert {"name", "short_name", "start_url", "display", "icons"} <= set(manifest)
    sizes = {icon["sizes"] for icon in manifest["icons"]}
    assert {"192x192", "512x512"} <= sizes
    for icon in manifest["icons"]:
        assert (STUDIO / icon["src"].lstrip("/")).is_file()
    assert page.evaluate("async () => (await navigator.serviceWorker.ready).active !== null")
    assert page.evaluate("crossOriginIsolated")
