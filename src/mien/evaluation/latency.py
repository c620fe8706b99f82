"""How fast this machine is: each stage by itself, the whole way, and the way from nothing in a fresh process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.imaging import image as imaging
from mien.imaging.image import RGB
from mien.recognition.pipeline import Recognizer


@dataclass(frozen=True)
class Timing:
    """Repeated runs of one thing.

    Attributes:
        name: what ran.
        items: pictures (or crops) a run.
        first: seconds of the first run, before anything is warm.
        seconds: of every later run ``(runs,)``.
    """

    name: str
    items: int
    first: float
    seconds: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; times in milliseconds a run, and items a second at the median."""
        p50, p95 = np.quantile(self.seconds, [0.5, 0.95])
        return {
            "name": self.name,
            "items": self.items,
            "runs": len(self.seconds),
            "first_ms": round(1e3 * self.first, 3),
            "p50_ms": round(1e3 * float(p50), 3),
            "p95_ms": round(1e3 * float(p95), 3),
            "per_second": round(self.items / float(p50), 1),
        }


@dataclass(frozen=True)
class Ratio:
    """What something takes against something else that ran in turn with it.

    Attributes:
        name: what ran.
        value: median over the rounds of the second's seconds divided by the first's.
        low: end of the median's 95 % interval, from the order of the rounds' ratios (Conover 1999, section 3.2).
        high: its other end.
    """

    name: str
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, first: Timing, second: Timing) -> Ratio:
        """Compare two timings of the same rounds; whatever slows the machine down for a while slows both."""
        ratios = second.seconds / first.seconds
        reach = 0.98 / np.sqrt(len(ratios))  # ranks within 1.96 standard deviations of the middle one
        low, value, high = np.quantile(ratios, [max(0.5 - reach, 0.0), 0.5, min(0.5 + reach, 1.0)])
        return cls(first.name, float(value), float(low), float(high))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"name": self.name, **{key: round(getattr(self, key), 4) for key in ("value", "low", "high")}}


@dataclass(frozen=True)
class Step:
    """Something to be timed.

    Attributes:
        name: for the table.
        work: what is timed.
        items: pictures (or crops) that one run handles.
        least: runs after the first, however long they take.
    """

    name: str
    work: Callable[[], object]
    items: int = 1
    least: int = 5


def in_turn(steps: Sequence[Step], seconds: float = 2.0) -> list[Timing]:
    """Run things one after the other, again and again for a while.

    Args:
        steps: run once each in every round, forwards and backwards by turns, because what ran before leaves caches and
            clocks as it needs them. The first one says how many rounds there are at least.
        seconds: to go on for, for each of them.
    """

    def spent(work: Callable[[], object]) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    first = [spent(step.work) for step in steps]
    taken: list[list[float]] = [[] for _ in steps]
    order = list(range(len(steps)))
    end = time.perf_counter() + seconds * len(steps)
    while len(taken[0]) < steps[0].least or time.perf_counter() < end:
        for at in order:
            taken[at].append(spent(steps[at].work))
        order.reverse()
    return [
        Timing(step.name, step.items, start, np.array(rest))
        for step, start, rest in zip(steps, first, taken, strict=True)
    ]


def steps(recognizer: Recognizer, data: bytes) -> list[Step]:
    """List each stage on one encoded picture, then the whole way from its bytes, alone and as a stream.

    Args:
        recognizer: made with the detector and models to be measured.
        data: an encoded picture.
    """
    pixels = imaging.read(data)
    found = recognizer.detector.detect([pixels], recognizer.side)[0]
    whole = recognizer.detector.whole_picture
    crops = recognizer.expression.crops(pixels, found, whole=whole)
    heads = recognizer.expression.predict(crops)
    size = recognizer.expression.spec.size
    batch = np.zeros((64, size, size, 3), np.uint8)
    batch[:] = crops[0] if len(crops) else 0
    many = [data] * 128
    return [
        Step("decode", lambda: imaging.read(data)),
        Step("detect", lambda: recognizer.detector.detect([pixels], recognizer.side)),
        Step("crop", lambda: recognizer.expression.crops(pixels, found, whole=whole)),
        Step("classify", lambda: recognizer.expression.predict(crops), max(len(crops), 1)),
        Step("judge", lambda: recognizer.judge(pixels, found, crops, heads)),
        Step("classify, 64 crops", lambda: recognizer.expression.predict(batch), 64),
        Step("bytes to result", lambda: recognizer(data)),
        Step("bytes to result, stream", lambda: list(recognizer(many)), 128, least=2),
    ]


def stages(recognizer: Recognizer, data: bytes, *, seconds: float = 2.0) -> list[Timing]:
    """Time each of `steps` for some seconds."""
    return [in_turn([step], seconds)[0] for step in steps(recognizer, data)]


def pairs(
    first: Recognizer, second: Recognizer, data: bytes, *, seconds: float = 2.0
) -> list[tuple[Timing, Timing, Ratio]]:
    """Time each of `steps` for two recognizers in turn, and what the second takes against the first."""
    made = []
    for both in zip(steps(first, data), steps(second, data), strict=True):
        one, other = in_turn(both, seconds)
        made.append((one, other, Ratio.of(one, other)))
    return made


def faces_picture(face: RGB, count: int, width: int = 640, height: int = 480) -> bytes:
    """Paste one photo of a face several times onto a grey picture and return it as JPEG.

    Args:
        face: RGB, a photo that one face fills most of.
        count: of faces; one fills the height, more share the width.
        width: of the picture.
        height: of the picture.
    """
    if count < 1:
        raise ValueError(f"a picture with faces has at least one, not {count}")
    canvas = np.full((height, width, 3), 110, np.uint8)
    columns = int(np.ceil(np.sqrt(count * width / height)))
    rows = -(-count // columns)
    cell = min(width // columns, height // rows)
    scale = cell / max(face.shape[:2])
    small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    for i in range(count):
        y = (i // columns) * (height // rows) + (height // rows - h) // 2
        x = (i % columns) * (width // columns) + (width // columns - w) // 2
        canvas[y : y + h, x : x + w] = small
    return imaging.encode(canvas, "jpg")


def fresh(code: str, *, repeats: int = 5) -> list[float]:
    """Return the wall seconds that a fresh Python process takes for some code, once for each repeat."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return taken


def cold(picture: str, *, repeats: int = 5) -> dict[str, float]:
    """Measure fresh processes, the median of several: Python itself, the import, `--help`, a first result.

    Returns:
        Seconds: `python` (an empty process), `import` (what `import mien` adds to it), `help` and `first_result`
        (whole processes).
    """
    read = f"import mien; mien.load()({picture!r})"
    helps = "import sys; sys.argv=['mien','--help']; from mien.cli.main import main; main()"
    python = float(np.median(fresh("pass", repeats=repeats)))
    return {
        "python": python,
        "import": max(float(np.median(fresh("import mien", repeats=repeats))) - python, 0.0),
        "help": float(np.median(fresh(helps, repeats=repeats))),
        "first_result": float(np.median(fresh(read, repeats=repeats))),
    }


def machine() -> dict[str, Any]:
    """Describe the machine as far as speed depends on it."""
    import onnxruntime

    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "load": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def memory() -> float | None:
    """Return the largest resident memory of this process so far in megabytes; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024.0 if sys.platform != "darwin" else 1024.0**2), 1)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names: Sequence[str] = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
