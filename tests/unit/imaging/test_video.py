import functools
import http.server
import itertools
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.errors import ImageError
from mien.imaging import image, video

pytest.importorskip("av", reason="needs the extra 'video'")

from tests.fixtures import rtsp


def picture(seed: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """A smooth picture that survives compression: a slope with a bright corner at the top left."""
    y, x = np.mgrid[0:height, 0:width]
    out = np.stack([x, y, np.full_like(x, 10 * seed % 200)], axis=-1).astype(np.uint8)
    out[: height // 4, : width // 4] = 250
    return out


def write(path: Path, times: list[float]) -> list[NDArray[np.uint8]]:
    writer = video.VideoWriter(path)
    frames = [picture(k) for k in range(len(times))]
    for frame, time in zip(frames, times, strict=True):
        writer.write(frame, time)
    writer.close()
    return frames


def turned(path: Path, matrix: tuple[int, ...], out: Path) -> Path:
    """Write a copy whose track header asks for a turn, as telephones do (ISO 14496-12, 8.3.2: the matrix in tkhd)."""
    data = path.read_bytes()
    at = data.index(b"tkhd") + 44
    out.write_bytes(data[:at] + struct.pack(">9i", *matrix) + data[at + 36 :])
    return out


def test_frames_come_back_in_order_with_their_own_times_also_when_the_rate_varies(tmp_path: Path) -> None:
    times = [0.0, 0.02, 0.1, 0.15, 0.2, 0.5, 0.51, 0.55, 1.0]
    frames = write(tmp_path / "a.mp4", times)
    with video.open_video(tmp_path / "a.mp4") as clip:
        read = list(clip)
    assert [frame.index for frame in read] == list(range(9))
    np.testing.assert_allclose([frame.time for frame in read], times, atol=1e-3)
    assert clip.frames == 9
    assert clip.length == pytest.approx(1.0, abs=0.1)
    assert clip.broken == 0
    for expected, frame in zip(frames, read, strict=True):
        assert np.abs(frame.pixels.astype(int) - expected).mean() < 8


@pytest.mark.parametrize(
    ("matrix", "quarters"),
    [
        ((0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), -1),
        ((0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30), 1),
        ((-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30), 2),
    ],
    ids=["clockwise", "counter-clockwise", "upside down"],
)
def test_the_turn_that_a_telephone_notes_is_applied(tmp_path: Path, matrix: tuple[int, ...], quarters: int) -> None:
    frames = write(tmp_path / "a.mp4", [0.0, 0.1])
    with video.open_video(turned(tmp_path / "a.mp4", matrix, tmp_path / "b.mp4")) as clip:
        first = next(iter(clip)).pixels
    expected = np.rot90(frames[0], quarters)
    assert first.shape == expected.shape
    assert np.abs(first.astype(int) - expected).mean() < 8


def test_a_broken_frame_is_skipped_and_counted_and_the_rest_is_read(tmp_path: Path, rng: np.random.Generator) -> None:
    write(tmp_path / "a.mp4", [k / 30 for k in range(60)])
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    start = data.index(b"mdat") + 8
    middle = (
        start + (data.index(b"moov") - start) // 2 if data.index(b"moov") > start else start + (len(data) - start) // 2
    )
    data[middle : middle + 64] = rng.bytes(64)
    (tmp_path / "b.mp4").write_bytes(data)
    with video.open_video(tmp_path / "b.mp4") as clip:
        read = list(clip)
    assert clip.broken >= 1
    assert len(read) + clip.broken >= 58
    assert all(later.time > sooner.time for sooner, later in itertools.pairwise(read))


def test_a_clip_that_breaks_off_gives_what_is_there(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for k in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(k), format="rgb24")))
        container.mux(stream.encode())
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(data[: len(data) // 2])
    with video.open_video(tmp_path / "b.mkv") as clip:
        assert 5 <= len(list(clip)) < 60


@pytest.mark.parametrize("content", [b"", b"not a video", b"\x00" * 5000], ids=["empty", "text", "zeros"])
def test_what_is_no_video_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(ImageError, match="as a video"):
        video.open_video(path)


def test_a_missing_file_a_folder_and_sound_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        video.open_video(tmp_path / "none.mp4")
    with pytest.raises(ImageError, match="is a folder"):
        video.open_video(tmp_path)
    with pytest.raises(ImageError, match="no camera 97"):
        video.open_camera(97)


def test_frames_beyond_the_pixel_limit_are_refused_before_decoding(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [0.0])
    with pytest.raises(ImageError, match="128x96 pixels, more than the limit of 1,000"):
        video.open_video(tmp_path / "a.mp4", max_pixels=1000)


def test_numbered_pictures_are_a_clip_whose_gaps_keep_their_time(tmp_path: Path) -> None:
    for number in (7, 8, 10, 11):
        image.write(picture(number), tmp_path / f"img_{number:04d}.png")
    (tmp_path / "img_0010.png").write_bytes(b"broken")
    (tmp_path / "other.png").write_bytes(b"not part of it")
    with video.open_video(tmp_path / "img_%04d.png", fps=10) as clip:
        read = list(clip)
    assert [(frame.index, frame.time) for frame in read] == [(0, 0.0), (1, 0.1), (4, 0.4)]
    assert clip.broken == 1
    np.testing.assert_array_equal(read[0].pixels, picture(7))
    with pytest.raises(ImageError, match="no pictures fit"):
        video.open_video(tmp_path / "none_%d.png")


def test_the_suffix_a_url_or_a_pattern_tells_a_video() -> None:
    for name in ("a.mp4", "b.MOV", "c/d.webm", "rtsp://host/live", "http://host/a", "f/img_%04d.png", "%d.jpg"):
        assert video.is_video(name)
    for name in ("a.jpg", "folder", "100%.png", "mp4"):
        assert not video.is_video(name)


def test_an_odd_row_or_column_is_cut_when_written(tmp_path: Path) -> None:
    writer = video.VideoWriter(tmp_path / "a.mp4")
    writer.write(picture(1, 97, 129), 0.0)
    writer.close()
    with video.open_video(tmp_path / "a.mp4") as clip:
        assert next(iter(clip)).pixels.shape == (96, 128, 3)


def test_a_clip_is_read_over_http(tmp_path: Path) -> None:
    frames = write(tmp_path / "a.mp4", [0.0, 0.1, 0.2])

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with video.open_video(f"http://127.0.0.1:{server.server_port}/a.mp4") as clip:
                read = list(clip)
            with pytest.raises(ImageError, match="cannot read"):
                video.open_video(f"http://127.0.0.1:{server.server_port}/none.mp4")
        finally:
            server.shutdown()
            thread.join()
    assert len(read) == len(frames)
    assert np.abs(read[2].pixels.astype(int) - frames[2]).mean() < 8


def test_a_camera_on_the_network_is_read_by_rtsp_as_a_live_source() -> None:
    shown = [picture(k) for k in range(15)]
    with rtsp.serve(shown) as address, video.open_video(address) as camera:
        assert camera.live
        frames = list(camera)
    assert len(frames) >= len(shown) - 1  # the stream breaks off: the last one may still have been on its way
    steps = np.diff([frame.time for frame in frames])
    np.testing.assert_allclose(steps, 1 / 25, atol=0.002)
    assert np.abs(frames[5].pixels.astype(int) - shown[5]).mean() < 12


def test_a_server_that_does_not_answer_is_refused_in_a_sentence() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for scheme in ("rtsp", "http"):
        with pytest.raises(ImageError, match=rf"cannot read {scheme}://127\.0\.0\.1.* as a video: connection refused"):
            video.open_video(f"{scheme}://127.0.0.1:{port}/live")


def test_a_camera_that_pushes_pictures_over_http_is_read(tmp_path: Path) -> None:
    parts = [image.encode(picture(k), "jpg") for k in range(5)]

    class Pushing(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            for part in parts:
                self.wfile.write(b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(part))
                self.wfile.write(part + b"\r\n")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pushing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with video.open_video(f"http://127.0.0.1:{server.server_port}/") as camera:
                frames = list(camera)
        finally:
            server.shutdown()
            thread.join()
    assert len(frames) >= len(parts) - 1
    assert np.abs(frames[2].pixels.astype(int) - picture(2)).mean() < 8


class Device:
    """Plays OpenCV's capture of a camera: shows pictures, fails now and then, and is unplugged in the end."""

    def __init__(self, index: int) -> None:
        self.index, self.shown, self.released = index, 0, False

    def isOpened(self) -> bool:
        return self.index == 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.shown += 1
        if self.shown > 12 or self.shown % 4 == 0:
            return False, None
        return True, picture(self.shown)[..., ::-1].copy()

    def release(self) -> None:
        self.released = True


def test_a_camera_gives_rgb_counts_failures_and_ends_when_it_is_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[Device] = []

    def capture(index: int) -> Device:
        devices.append(Device(index))
        return devices[-1]

    monkeypatch.setattr("cv2.VideoCapture", capture)
    with video.open_camera(0) as camera:
        frames = list(camera)
        assert camera.live
    assert [frame.index for frame in frames] == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    np.testing.assert_array_equal(frames[0].pixels, picture(1))
    assert camera.broken == 3 + 29
    assert devices[0].released
    with pytest.raises(ImageError, match="no camera 3"):
        video.open_camera(3)
