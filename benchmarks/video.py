"""Measures how fast video is read, how steady labels are, and whether memory stays flat, on clips made from one photo.

`python benchmarks/video.py --faces ../shared/data/faces --memory 100000 --json docs/results/video.json` takes the
figures of docs/how-to/video.md (`python docs/results/table.py` writes them there). Clips are 640x480 with one face that
wanders; detector and model are those that `mien predict` takes by default. Label changes are counted on still photos of
faces over which the model hesitates, under sensor noise.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.fixtures.clips import Person, line, play  # noqa: E402

from mien.imaging import boxes, image  # noqa: E402
from mien.imaging.image import RGB  # noqa: E402
from mien.imaging.video import Frame, VideoWriter, open_video  # noqa: E402
from mien.recognition.pipeline import Recognizer  # noqa: E402
from mien.recognition.smoothing import Smoother  # noqa: E402
from mien.recognition.video import Every, VideoRecognizer  # noqa: E402

FPS = 30.0
RECOGNIZER = Recognizer()


def wander(t: float) -> tuple[float, float, float]:
    """Place a head that moves as people before a camera do: 60 px to and fro in some seconds."""
    return 320 + 60 * math.sin(0.9 * t), 240 + 15 * math.sin(1.7 * t), 150 + 15 * math.sin(0.6 * t)


def pixels(seconds: float, noise: float) -> list[Frame]:
    """Make a clip in memory."""
    photo = ROOT / "examples" / "astronaut.jpg"
    return [frame for frame, _ in play(photo, [Person(wander)], seconds, noise=noise)]


def around(frames: list[Frame], count: int) -> Iterator[Frame]:
    """Play a clip to and fro until `count` frames are given, so that it has no cuts."""
    there_and_back = [*frames, *frames[-2:0:-1]]
    for k in range(count):
        yield Frame(k, k / FPS, there_and_back[k % len(there_and_back)].pixels)


def speed(play_again: Callable[[], Iterable[Frame]], every: Every, runs: int = 3) -> dict[str, float]:
    """Read a clip some times and return frames a second by the clock (median), and processor time of that run."""
    taken = []
    for _ in range(runs):
        reader = VideoRecognizer(RECOGNIZER, every=every)
        count, searched, start, used = 0, 0, time.perf_counter(), time.process_time()
        for result in reader(play_again()):
            count += 1
            searched += bool(result.faces.columns["detected"].any())
        taken.append((time.perf_counter() - start, time.process_time() - used, count, searched))
    wall, cpu, count, searched = sorted(taken)[runs // 2]
    return {
        "frames": count,
        "fps": round(count / wall, 1),
        "processor_ms_a_frame": round(1000 * cpu / count, 2),
        "searched": round(searched / count, 3),
    }


def decoded(path: Path) -> Iterator[Frame]:
    """Play a clip from its file."""
    with open_video(path) as clip:
        yield from clip


def memory(recognizer: Recognizer, frames: list[Frame], count: int) -> dict[str, float]:
    """Read many frames and return how the resident set grows after the first tenth."""
    process, sizes = psutil.Process(), []
    for result in VideoRecognizer(recognizer)(around(frames, count)):
        if result.index % (count // 100) == 0:
            sizes.append((result.index, process.memory_info().rss / 2**20))
    at, mib = np.array(sizes[len(sizes) // 10 :]).T
    slope = float(np.polyfit(at, mib, 1)[0]) * 100_000
    return {
        "frames": count,
        "first_mib": round(float(mib[0]), 1),
        "last_mib": round(float(mib[-1]), 1),
        "slope_mib_per_100000_frames": round(slope, 2),
    }


def unsure(faces: Path, count: int) -> list[Path]:
    """Name photos whose largest face the shipped model hesitates over: there labels flicker."""
    found = []
    for path in sorted(faces.glob("images/oasis_*face*.jpg")):
        result = RECOGNIZER.read([image.read(path)])[0]
        if len(result) == 1 and min(result.xyxy[0, 2:] - result.xyxy[0, :2]) >= 60:
            best = np.sort(result.scores[0])[::-1]
            found.append((float(best[0] - best[1]), path))
    return [path for _, path in sorted(found)[:count]]


def flips(photos: list[Path], seconds: float, noise: float) -> dict[str, float]:
    """Count label changes a minute on photos that stand still under sensor noise, raw and as they are shown."""
    rng = np.random.default_rng(0)
    changes = np.zeros(2)
    faces = 0
    for photo in photos:
        still = image.read(photo)

        def clip(still: RGB = still) -> Iterator[Frame]:
            for k in range(round(seconds * FPS)):
                grain = rng.normal(0, noise, still.shape)
                yield Frame(k, k / FPS, np.clip(np.rint(still + grain), 0, 255).astype(np.uint8))

        labels: list[tuple[str, str]] = []
        for result in VideoRecognizer(RECOGNIZER)(clip()):
            if len(result.faces) == 1:
                labels.append((result.faces.heads["raw"].label[0], result.faces.label[0]))
        changes += [sum(a[k] != b[k] for a, b in pairwise(labels)) for k in (0, 1)]
        faces += 1
    minutes = faces * seconds / 60
    return {
        "faces": faces,
        "noise_grey_levels": noise,
        "raw_a_minute": round(changes[0] / minutes, 1),
        "shown_a_minute": round(changes[1] / minutes, 1),
        "fall": round(1 - changes[1] / max(changes[0], 1.0), 3),
        "lag_ms": round(1000 * lag(photos), 1),
    }


def lag(photos: list[Path]) -> float:
    """Return the mean seconds until a change of expression is shown: one face's scores give way to another's."""
    scores = [RECOGNIZER.read([image.read(photo)])[0] for photo in photos]
    heads = [result.heads[result.primary][:1] for result in scores]
    waits = []
    for before in heads:
        for after in heads:
            if before.label == after.label:
                continue
            smoother = Smoother()
            for k in range(round(2 * FPS)):
                now = before if k < FPS else after
                shown = smoother.update(np.array([1]), k / FPS, {"h": now})["h"]
                if k >= FPS and shown.label == after.label:
                    waits.append(k / FPS - 1.0)
                    break
    return float(np.mean(waits)) if waits else math.nan


def crossings() -> dict[str, float]:
    """Count number changes of two people who cross, on two clips at 30 frames a second."""
    photo = ROOT / "examples" / "astronaut.jpg"
    scenes = {
        "walking": (line((90, 240), (550, 240), 3), line((550, 250), (90, 250), 3, 120)),
        "hurrying": (line((80, 230), (560, 230), 1.6, 110), line((560, 245), (80, 245), 1.6, 120)),
    }
    changes = met = 0
    for one, other in scenes.values():
        clip = list(play(photo, [Person(one), Person(other, mirrored=True, light=0.8)], 3.0, noise=3.0))
        last: dict[int, int] = {}
        for result, (_, truth) in zip(VideoRecognizer(RECOGNIZER)(f for f, _ in clip), clip, strict=True):
            if boxes.iou(truth[:1], truth[1:])[0, 0] > 0.25 or not len(result.faces):
                continue
            overlap = boxes.iou(truth, result.faces.xyxy)
            for person, row in enumerate(overlap):
                if row.max() >= 0.5 and result.faces.tracker_id is not None:
                    number = int(result.faces.tracker_id[row.argmax()])
                    changes += last.get(person, number) != number
                    last[person], met = number, met + 1
    return {"clips": len(scenes), "faces_compared": met, "number_changes": changes}


def landmarks(count: int = 100) -> dict[str, float]:
    """Measure how many faces a second the landmarker reads, one thread."""
    from mien.detection.mediapipe import Landmarker

    landmarker = Landmarker(faces=1)
    crop = image.read(ROOT / "examples" / "astronaut.jpg")[20:220, 125:325]
    landmarker.read([crop] * 5)
    start = time.perf_counter()
    found = sum(len(one) for one in landmarker.read([crop] * count))
    return {"faces": found, "faces_a_second": round(found / (time.perf_counter() - start), 1)}


def main() -> None:
    """Print the figures, and write them as JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--memory", type=int, default=0, help="frames of the memory run; 0 leaves it out")
    parser.add_argument("--small", action="store_true", help="memory: frames of 160x120, to be done sooner")
    parser.add_argument("--only", choices=["speed", "steadiness", "landmarks", "memory"], action="append")
    parser.add_argument("--faces", type=Path, help="folder of photos (images/*.jpg) to count label changes on")
    parser.add_argument("--json", type=Path, help="file to write; figures that were not taken again are kept")
    options = parser.parse_args()
    wanted = set(options.only or ["speed", "steadiness", "landmarks", *(["memory"] if options.memory else [])])
    recognizer = RECOGNIZER
    frames = pixels(3.0, noise=3.0)
    list(VideoRecognizer(recognizer)(around(frames, 60)))
    figures: dict[str, Any] = {}
    if options.json and options.json.is_file():
        figures = json.loads(options.json.read_text(encoding="utf-8"))["video"]

    def note(name: str, values: dict[str, float]) -> None:
        figures[name] = values
        print(f"{name}: {values}", flush=True)

    if "speed" in wanted:
        note("decoded frames, every auto", speed(lambda: around(frames, options.frames), "auto"))
        note("decoded frames, every 1", speed(lambda: around(frames, options.frames), 1))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            writer = VideoWriter(path)
            for frame in around(frames, options.frames):
                writer.write(frame.pixels, frame.time)
            writer.close()
            note("with decoding, every auto", speed(lambda: decoded(path), "auto"))
    if "steadiness" in wanted:
        note("crossing people", crossings())
        if options.faces:
            note("label changes on still faces", flips(unsure(options.faces, 6), 10.0, 6.0))
    if "landmarks" in wanted:
        note("landmarks", landmarks())
    if "memory" in wanted:
        if options.small:
            frames = [Frame(f.index, f.time, cv2.resize(f.pixels, (160, 120))) for f in frames]
        note("memory", memory(Recognizer(side=160) if options.small else recognizer, frames, options.memory))
    if options.json:
        options.json.write_text(json.dumps({"video": figures}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
