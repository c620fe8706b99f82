"""Moving pictures in and out: clips, image sequences, streams by URL and cameras, all as a stream of `Frame`s.

A frame carries the time that the container gives it, so clips with a variable frame rate keep their clock. The rotation
that telephones write beside the picture is applied. A frame that cannot be decoded is skipped and counted. Only one
frame is held at a time.
"""

from __future__ import annotations

import os
import re
import time as clock
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mien.errors import ImageError, MissingExtraError
from mien.imaging import image
from mien.imaging.image import MAX_PIXELS, RGB

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp", ".mjpeg"}
)
_URL = re.compile(r"^(rtsps?|https?|rtmp|udp|tcp)://", re.IGNORECASE)
_NUMBER = re.compile(r"%(?:0(\d+))?d")
# Two frames that are closer than this in seconds bear the same time.
_INSTANT = 1e-6
# The clock of written clips: 1/90000 s, the MPEG clock, holds every usual frame rate without rounding.
_TICKS = 90_000
# Without B-frames the length that the container states is right also where the frame rate varies.
_H264 = {"preset": "veryfast", "crf": "23", "bf": "0"}


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Attributes:
        index: position in the stream, from 0; a skipped frame keeps its number.
        time: seconds since the video began; for a camera, since it was opened.
        pixels: RGB ``uint8 (H, W, 3)``, turned upright.
    """

    index: int
    time: float
    pixels: RGB


class Video:
    """A stream of frames. Iterate over it once, and close it (or use `with`).

    Attributes:
        name: what was opened, as it is shown to people.
        length: seconds, where the container knows; None for live sources.
        frames: number of frames, where it is known or can be reckoned from length and rate.
        live: frames come at their own pace and are lost when nobody takes them.
        broken: frames skipped so far because they could not be decoded.
    """

    def __init__(
        self,
        name: str,
        source: Callable[[Video], Iterator[Frame]],
        close: Callable[[], None],
        *,
        length: float | None = None,
        frames: int | None = None,
        live: bool = False,
    ) -> None:
        self.name, self.length, self.frames, self.live = name, length, frames, live
        self.broken = 0
        self._source, self._close = source, close

    def __iter__(self) -> Iterator[Frame]:
        return self._source(self)

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or the device."""
        self._close()


def is_video(path: str | os.PathLike[str]) -> bool:
    """Say whether a path is to be read as a video: by its suffix, as a URL, or as a pattern like ``img_%04d.png``."""
    text = os.fspath(path)
    return Path(text).suffix.lower() in SUFFIXES or bool(_URL.match(text)) or bool(_NUMBER.search(text))


def open_video(source: str | os.PathLike[str], *, fps: float = 25.0, max_pixels: int = MAX_PIXELS) -> Video:
    """Open a clip, a URL or a numbered image sequence.

    Args:
        source: a file; an ``http``, ``https`` or ``rtsp`` URL; or a pattern such as ``frames/img_%04d.png``.
        fps: frames a second of an image sequence, which has no clock of its own.
        max_pixels: larger frames are refused.

    Raises:
        ImageError: nothing there, or nothing that can be read as a video.
        MissingExtraError: the video library is not installed.
    """
    text = os.fspath(source)
    if _NUMBER.search(text) and not _URL.match(text):
        return _open_sequence(text, fps, max_pixels)
    return _open_clip(text, max_pixels)


def open_camera(index: int = 0) -> Video:
    """Open a camera of this machine.

    Raises:
        ImageError: there is no such camera, or it gives no picture.
    """
    import cv2

    device = cv2.VideoCapture(index)
    if not device.isOpened():
        raise ImageError(f"no camera {index}: none answers under this number; give a clip, or another number")

    def frames(video: Video) -> Iterator[Frame]:
        start, number, failures = clock.monotonic(), 0, 0
        while failures < 30:
            done, picture = device.read()
            if done:
                failures = 0
                pixels = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
                yield Frame(number, clock.monotonic() - start, pixels)
            else:
                failures += 1
                video.broken += 1
            number += 1

    return Video(f"camera {index}", frames, device.release, live=True)


def _open_sequence(pattern: str, fps: float, max_pixels: int) -> Video:
    path = Path(pattern)
    before, _, after = _NUMBER.sub("\0", path.name, count=1).partition("\0")
    digits = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    try:
        numbered = [
            (int(found[1]), entry) for entry in path.parent.iterdir() if (found := digits.fullmatch(entry.name))
        ]
    except OSError as error:
        raise ImageError(f"cannot read the folder {path.parent}: {error.strerror or error}") from error
    if not numbered:
        raise ImageError(f"no pictures fit the pattern {pattern}")
    numbered.sort()
    first = numbered[0][0]

    def frames(video: Video) -> Iterator[Frame]:
        for number, file in numbered:
            try:
                pixels = image.read(file, max_pixels=max_pixels)
            except ImageError:
                video.broken += 1
                continue
            yield Frame(number - first, (number - first) / fps, pixels)

    return Video(pattern, frames, lambda: None, length=(numbered[-1][0] - first + 1) / fps, frames=len(numbered))


def _open_clip(text: str, max_pixels: int) -> Video:
    av = _library()
    live = bool(_URL.match(text)) and not text.lower().startswith("http")
    if not _URL.match(text) and not Path(text).is_file():
        raise ImageError(f"{text} is a folder; expected a video" if Path(text).is_dir() else f"no such file: {text}")
    # An RTSP stream over UDP loses packets, and a dead server must not hang the reader.
    options = {"rtsp_transport": "tcp"} if text.lower().startswith("rtsp") else {}
    try:
        container = av.open(text, options=options, timeout=(10.0, 10.0) if _URL.match(text) else None)
    except (av.FFmpegError, ValueError) as error:
        raise ImageError(f"cannot read {text} as a video: {_reason(error)}") from error
    if not container.streams.video:
        container.close()
        raise ImageError(f"{text} has no picture track; expected a video")
    stream = container.streams.video[0]
    if stream.width * stream.height > max_pixels:
        size = f"{stream.width}x{stream.height}"
        container.close()
        raise ImageError(f"{text} has frames of {size} pixels, more than the limit of {max_pixels:,}")
    stream.thread_type = "AUTO"
    length = float(container.duration / av.time_base) if container.duration else None
    count = stream.frames or (round(length * stream.average_rate) if length and stream.average_rate else None)

    def frames(video: Video) -> Iterator[Frame]:
        yield from _decode(av, container, stream, video)

    return Video(text, frames, container.close, length=length, frames=count, live=live)


def _decode(av: Any, container: Any, stream: Any, video: Video) -> Iterator[Frame]:
    """Decode packet by packet, so that what is damaged costs only itself."""
    number, rate = 0, float(stream.average_rate or 25)
    start: float | None = None
    last = -1.0 / rate
    for packet in _packets(av, container, stream, video):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            video.broken += 1
            number += 1
            continue
        for frame in decoded:
            index, number = number, number + 1
            if frame.is_corrupt:
                video.broken += 1
                continue
            stamp = float(frame.time) if frame.time is not None else None
            if stamp is not None and start is None:
                # Network cameras may show pictures before they tell the time: it goes on from there.
                start = stamp - (last + 1.0 / rate)
            # A clock that is missing or runs backwards is continued at the mean rate.
            time = stamp - (start or 0.0) if stamp is not None else last + 1.0 / rate
            last = time if time > last + _INSTANT else last + 1.0 / rate
            yield Frame(index, last, _upright(frame))


def _packets(av: Any, container: Any, stream: Any, video: Video) -> Iterator[Any]:
    """Read packets to the end of the file; a file that breaks off ends there, and its decoder is still emptied."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError:
        video.broken += 1
        last = av.Packet()
        last.stream = stream
        yield last


def _upright(frame: Any) -> RGB:
    """Convert a frame to RGB and undo the turn that its display matrix asks for (degrees, counter-clockwise)."""
    pixels = frame.to_ndarray(format="rgb24")
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels


class VideoWriter:
    """Writes RGB frames with their own times to an H.264 clip. The first frame decides the size.

    Raises:
        MissingExtraError: the video library is not installed.
        ImageError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._av = _library()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container = self._av.open(str(path), "w")
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise ImageError(f"cannot write {path}: {_reason(error)}") from error
        self._stream: Any = None
        self._last = -1

    def write(self, pixels: RGB, time: float) -> None:
        """Append a frame shown from `time` seconds on; an odd last row or column is cut off."""
        height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=30, options=_H264)
            self._stream.width, self._stream.height = width, height
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, _TICKS)
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="rgb24")
        self._last = max(self._last + 1, round(time * _TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        if self._stream is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()


def _library() -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading and writing video", "video") from error
    return av


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower()
