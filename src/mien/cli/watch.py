"""`mien watch`: a steady one-screen view of a camera or a clip in the terminal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mien.recognition.tracks import TrackLog
    from mien.recognition.video import FrameFaces

# Redraws a second; more would only flicker.
_REDRAWS = 8
_BAR = 24


def command(
    source: Annotated[
        str | None, typer.Argument(help="A clip, a URL, numbered pictures, or a camera's number; nothing is a camera.")
    ] = None,
    camera: Annotated[int, typer.Option(metavar="N", min=0, help="Camera to watch when no source is given.")] = 0,
    detector: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Face detector.")] = "mien",
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Expression model.")] = "expression",
    detect_every: Annotated[str, typer.Option(metavar="N|auto", help="Look for faces on every N-th frame.")] = "auto",
    fast: Annotated[bool, typer.Option("--fast", help="Do not keep to the clip's own pace.")] = False,
) -> None:
    """Watch a camera or a clip until it ends, or until Ctrl-C.

    Exit code: 0 seen to the end or stopped, 2 nothing could be read.
    """
    from rich.live import Live

    from mien.cli.predict_video import parse_every
    from mien.imaging import video
    from mien.recognition.pipeline import Recognizer
    from mien.recognition.tracks import TrackLog
    from mien.recognition.video import VideoRecognizer

    reader = VideoRecognizer(Recognizer(detector=detector, model=model), every=parse_every(detect_every), batch=1)
    number = camera if source is None else int(source) if source.isdigit() else None
    opened = video.open_camera(number) if number is not None else video.open_video(str(source))
    log, pace = TrackLog(thumbnails=False), Pace(keep=not (fast or opened.live))
    drawn = float("-inf")
    with opened, Live(console=output.stdout, auto_refresh=False, screen=output.stdout.is_terminal) as live:
        try:
            for frame in reader(opened):
                log.add(frame)
                pace.step(frame.time)
                if pace.now() - drawn >= 1 / _REDRAWS:
                    drawn = pace.now()
                    live.update(view(frame, log, pace.fps), refresh=True)
        except KeyboardInterrupt:
            pass
    for row in log.rows():
        output.stdout.print(
            f"person {row['tracker_id']}: in sight {row['dwell']:.1f} s, mostly {row['dominant']}", highlight=False
        )
    if opened.broken:
        output.warn(f"{opened.broken} broken frames were skipped")
    raise typer.Exit(0 if log.frames else 2)


def view(frame: FrameFaces, log: TrackLog, fps: float) -> RenderableType:
    """Draw one screen: a line for each face in sight, in the order of their numbers, with bars of the top three."""
    from rich.console import Group
    from rich.text import Text

    faces = frame.faces
    rows = []
    numbers = faces.tracker_id if faces.tracker_id is not None else range(len(faces))
    for i in sorted(range(len(faces)), key=lambda at: int(numbers[at])):
        order = (-faces.scores[i]).argsort()[:3]
        bars = "  ".join(f"{faces.labels.labels[k]:<10} {bar(float(faces.scores[i, k]))}" for k in order)
        note = f"abstained: {faces.abstained[i]}" if faces.abstained[i] else ""
        rows.append([str(int(numbers[i])), faces.label[i], bars, note])
    head = Text(f"{frame.video}   {frame.time:7.1f} s   frame {frame.index}   {fps:5.1f} frames/s   {len(log)} seen")
    if not rows:
        return Group(head, Text("no face in sight"))
    return Group(head, output.table(None, ["#", "perceived expression", "scores", "note"], rows))


def bar(part: float, width: int = _BAR) -> str:
    """Draw a number from 0 to 1 as a bar of fixed width and a percentage."""
    full = round(min(max(part, 0.0), 1.0) * width)
    return "█" * full + "·" * (width - full) + f" {part:4.0%}"


class Pace:
    """Keeps a clip to its own clock, and measures how many frames a second are read.

    Args:
        keep: wait where reading is faster than the clip plays.
        now: the clock, in seconds.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        *,
        keep: bool,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.keep, self.now, self._sleep = keep, now, sleep
        self._start: float | None = None
        self._stamps: deque[float] = deque(maxlen=60)

    def step(self, played: float) -> None:
        """Take the next frame, which is to be seen `played` seconds after the first."""
        moment = self.now()
        self._start = moment - played if self._start is None else self._start
        ahead = self._start + played - moment
        if self.keep and ahead > 0:
            self._sleep(ahead)
        elif self.keep and ahead < -1.0:
            # Reading is too slow for the clip: go on from here instead of hurrying for ever.
            self._start = moment - played
        self._stamps.append(self.now())

    @property
    def fps(self) -> float:
        """Frames a second over the last 60 frames."""
        if len(self._stamps) < 2:
            return 0.0
        return (len(self._stamps) - 1) / max(self._stamps[-1] - self._stamps[0], 1e-9)
