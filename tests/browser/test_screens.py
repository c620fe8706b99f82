"""Landmarks, Review, video files, and what works on this device, in a real browser against a real server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mien import reactions
from mien.cli.main import app
from mien.imaging import image
from mien.imaging.image import RGB
from mien.recognition import scene as scene_model
from mien.recognition.pipeline import Recognizer
from tests.browser.conftest import Server, counts, shows, use_device

LABELS = ["happy", "sad", "neutral"]
# The face detector, the expression model and the whole-picture model lie in the browser's store.
MODELS_KEPT = """async () => {
  const kept = await (await caches.open("mien-models-1")).keys();
  return kept.filter(({ url }) => /models\\/[0-9a-f]{64}$/.test(url)).length >= 3;
}"""
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tables of `mien landmarks`: the example face upright, and larger under another label."""
    folder = tmp_path_factory.mktemp("faces")
    picture = image.read(Path(__file__).parents[2] / "examples" / "astronaut.jpg")
    for label, size in (("happy", 512), ("neutral", 400)):
        (folder / label).mkdir()
        step = np.linspace(0, len(picture) - 1, size).astype(int)
        image.write(np.ascontiguousarray(picture[step][:, step]), folder / label / "face.jpg")
    out = {}
    for suffix in ("csv", "parquet"):
        out[suffix] = folder.parent / f"landmarks.{suffix}"
        done = CliRunner().invoke(app, ["landmarks", str(folder), "-o", str(out[suffix]), "--points", "5"])
        assert done.exit_code == 0, done.output
    return out


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_landmarks_of_a_table_are_shown_stepped_through_and_compared(
    suffix: str, server: Server, chromium: Open, tables: dict[str, Path]
) -> None:
    page = chromium(gpu=True)
    page.goto(f"{server.url}/landmarks")
    page.locator("input[type=file]").set_input_files(tables[suffix])
    page.get_by_text("1 of 2").wait_for()
    counts(page.get_by_role("alert"), 0)
    side = page.get_by_label("This face")
    counts(side.get_by_role("heading", name="happy"), 1)
    assert "Face 1 of 2 as 5 points" in page.locator("canvas").get_attribute("aria-label")
    page.keyboard.press("c")
    page.keyboard.press("ArrowRight")
    page.get_by_text("2 of 2").wait_for()
    counts(side.get_by_role("heading", name="neutral"), 1)
    page.get_by_label(re.compile("by movement against face 1")).check()
    moved = side.locator("dl div", has_text="moved, on average").locator("dd").inner_text()
    assert float(moved.removesuffix(" %")) < 10, "the same face in another size has hardly moved"


def test_a_file_that_is_no_landmark_table_is_refused_in_words(server: Server, chromium: Open, tmp_path: Path) -> None:
    page = chromium(gpu=True)
    page.goto(f"{server.url}/landmarks")
    for name, content in (("t.csv", b"a,b\n1,2\n"), ("t.parquet", b"no parquet at all")):
        (tmp_path / name).write_bytes(content)
        page.locator("input[type=file]").set_input_files(tmp_path / name)
        page.get_by_role("alert").filter(has_text=name).wait_for()
        shows(page.get_by_role("alert"), "mien landmarks")


@pytest.fixture
def reviewed(tmp_path: Path) -> Iterator[Server]:
    """A server with a review database of two faces for two raters, and a report."""
    pytest.importorskip("sqlalchemy")
    from mien.labelling.review import Entry, Review, open_database

    for at in range(2):
        image.write(np.full((64, 64, 3), 60 * (at + 1), np.uint8), tmp_path / "faces" / f"{at}.png")
    opened = open_database(str(tmp_path / "review.db"))
    entries = [Entry(f"{at}.png", f"{at}.png") for at in range(2)]
    Review.start(opened, "doubts", entries, root=tmp_path / "faces", label_set="basic6", labels=LABELS, raters=2)
    opened.dispose()
    (tmp_path / "report.html").write_text("<title>The table</title><h1>report</h1>", encoding="utf-8")
    started = Server("--review", str(tmp_path / "review.db"), "--report", str(tmp_path / "report.html"))
    started.start()
    yield started
    started.stop()


def test_faces_are_judged_with_the_keyboard_and_a_disagreement_is_settled(reviewed: Server, chromium: Open) -> None:
    page = chromium()
    page.goto(f"{reviewed.url}/review")

    def judge(rater: str, keys: str) -> None:
        page.get_by_label("Your name as a rater").fill(rater)
        page.get_by_role("button", name=re.compile("Begin|Change")).click()
        for done, key in enumerate(keys):
            page.get_by_text(f"{done} judged by you").wait_for()
            page.get_by_role("heading", name="Which expression").click()
            page.keyboard.press(key)
        page.get_by_text("Nothing is left for you").wait_for()

    judge("ada", "12")
    page.keyboard.press("z")
    page.get_by_text("1 judged by you").wait_for()
    page.keyboard.press("1")
    page.get_by_text("Nothing is left for you").wait_for()
    judge("bob", "13")
    page.get_by_role("button", name="Disagreements").click()
    page.get_by_label("Settle as").select_option("sad")
    page.get_by_text("Nobody disagrees here.").wait_for()
    assert page.get_by_role("link", name="Open the table's report").get_attribute("href") == "/v1/review/report"
    use_device(page)
    shows(page.locator("main"), "in the server's database")


@pytest.fixture(scope="module")
def clip(scene: RGB, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video file (WebM) of the scene, two seconds long."""
    av = pytest.importorskip("av")
    path = tmp_path_factory.mktemp("clip") / "scene.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = scene.shape[1], scene.shape[0], "yuv420p"
        stream.bit_rate = 4_000_000
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("mode", ["server", "device"])
def test_a_video_file_is_read_like_the_camera(
    mode: str, server: Server, chromium: Open, clip: Path, scene: RGB
) -> None:
    page = chromium(grant=False)
    page.goto(server.url)
    if mode == "device":
        use_device(page)
    page.locator("input[type=file]").set_input_files(clip)
    person = page.locator(".person").first
    person.wait_for()
    shows(person.locator(".verdict"), Recognizer().read([scene])[0].label[0])
    page.get_by_role("button", name="Stop").click()


def test_a_file_that_is_no_video_is_refused_in_words(server: Server, chromium: Open, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video at all")
    page = chromium()
    page.goto(server.url)
    page.locator("input[type=file]").set_input_files(tmp_path / "clip.mp4")
    page.get_by_role("alert").filter(has_text="cannot play clip.mp4").wait_for()


def test_this_device_explains_a_face_by_occlusion(server: Server, chromium: Open, photo: Path) -> None:
    page = chromium()
    page.goto(f"{server.url}/explain")
    use_device(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.locator("input[type=file]").first.set_input_files(photo)
    page.get_by_text(re.compile("Face 1 of")).wait_for()
    counts(page.get_by_role("checkbox"), 1)
    page.get_by_role("button", name="Explain", exact=True).click()
    article = page.get_by_role("article", name="occlusion")
    article.wait_for()
    shows(article, Recognizer()(photo).label[0])
    counts(article.get_by_text("mouth"), 1)
    assert asked == [], "a picture was sent"


def test_this_device_decides_on_reactions_as_python_does_even_offline(
    chromium: Open, photo: Path, noise: RGB, tmp_path: Path
) -> None:
    faceless = tmp_path / "no face.png"
    faceless.write_bytes(image.encode(noise))
    whole = scene_model.load()
    assert whole is not None
    reader = Recognizer()
    expected = {path: reactions.react(reader(path), whole(image.read(path))) for path in (photo, faceless)}
    assert "the whole picture" in expected[faceless].note
    own = Server()
    own.start()
    try:
        page = chromium()
        page.goto(f"{own.url}/reactions")
        use_device(page)
        decided_alike(page, photo, expected[photo])
        page.evaluate("async () => { await navigator.serviceWorker.ready }")
        page.wait_for_function(MODELS_KEPT)
        page.reload()
        page.wait_for_function("() => navigator.serviceWorker.controller !== null")
        own.stop()
        # The whole-picture model is asked for the first time when there is no server any more.
        for path in (photo, faceless):
            decided_alike(page, path, expected[path])
    finally:
        own.stop()


def decided_alike(page: Any, picture: Path, expected: reactions.Reactions) -> None:
    page.locator("input[type=file]").first.set_input_files(picture)
    page.locator("figcaption[aria-busy=false]").wait_for()
    why = page.get_by_label("Why")
    shows(why, expected.note)
    counts(page.locator(".blocked"), len(expected.blocked_emojis))
    shown = {button.get_attribute("aria-label") for button in page.locator(".blocked").all()}
    assert shown == {f"{emoji} blocked" for emoji in expected.blocked_emojis}
    for row in why.locator("li:has(.number)").all():
        label, percent = row.inner_text().split("\n")
        assert float(percent.removesuffix("%")) == pytest.approx(100 * expected.emotion_scores[label], abs=2.0)


def test_a_software_gpu_is_not_taken_and_the_screen_says_so(server: Server, chromium: Open) -> None:
    page = chromium(gpu=True)
    page.goto(server.url)
    use_device(page)
    fetched: list[str] = []
    page.context.on("request", lambda request: fetched.append(request.url))
    page.get_by_role("button", name="Start camera").click()
    page.locator(".person").first.wait_for()
    shows(page.locator(".facts"), "WebAssembly")
    if page.evaluate("navigator.gpu !== undefined"):
        shows(page.locator(".facts"), "WebGPU is only imitated here")
    assert not [url for url in fetched if "asyncify" in url and url.endswith(".wasm")]


def test_where_webgpu_is_wanted_but_not_there_webassembly_runs_and_the_screen_says_so(
    server: Server, chromium: Open
) -> None:
    page = chromium()
    page.goto(f"{server.url}/models")
    page.get_by_label("What the models run on").select_option("webgpu")
    use_device(page)
    page.get_by_role("link", name="Live", exact=True).click()
    page.get_by_role("button", name="Start camera").click()
    page.locator(".person").first.wait_for()
    shows(page.locator(".facts"), "WebAssembly")
    shows(page.locator(".facts"), "WebGPU")
