"""Makes the pictures, tables, models and clips that a page talks about, before its blocks are run.

A page says what it needs in a comment that the site does not show, `<!-- given: table data/faces, clip clip.mp4 -->`.
Adding a kind is adding a function here; its name is the kind. Paths are relative to the page's folder, the working one.
"""

from __future__ import annotations

import json
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien import labels
from mien.imaging import image
from tests.fixtures import clips, layouts, models, patterns

ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "examples" / "astronaut.jpg"


def photo(path: Path) -> None:
    """One portrait, in the format of the name's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.imread(str(PHOTO)))


def photos(folder: Path) -> None:
    """Three photos with a face each, one of them in a folder below."""
    for number, name in enumerate(("one.jpg", "two.png", "more/three.jpg")):
        write(folder / name, face(number))


def classes(folder: Path) -> None:
    """A folder a label, eight photos with a face in each."""
    for label, words in enumerate(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")):
        for number in range(8):
            write(folder / words / f"{number:02d}.jpg", face(100 * label + number, label))


def table(folder: Path) -> None:
    """A table of crops with labels and votes, in which every label has its own pattern."""
    patterns.tiny_faces(folder, train=60, val=40)


def fer2013(path: Path) -> None:
    """The csv of FER-2013 with 140 made pictures, one of them in both splits; packed where the name ends with xz."""
    usages = ["Training"] * 105 + ["PublicTest"] * 35
    lines = [f"{at % 7},{layouts.pixels_text(at % 139)},{usage}" for at, usage in enumerate(usages)]
    text = "emotion,pixels,Usage\n" + "\n".join(lines) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(text.encode()) if path.suffix == ".xz" else text.encode())


def votes(path: Path) -> None:
    """The votes of FER+ for the rows of `fer2013`."""
    ferplus = [4, 5, 6, 1, 3, 2, 0]
    lines = ["Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"]
    for at in range(140):
        counts = [0] * 10
        counts[ferplus[at % 7]], counts[(ferplus[at % 7] + 1) % 8], counts[8] = 7, 2, 1
        usage = "Training" if at < 105 else "PublicTest"
        lines.append(f"{usage},fer{at:07d}.png,{','.join(map(str, counts))}")
    path.write_text("\n".join(lines) + "\n")


def recipe(path: Path) -> None:
    """The expression recipe of the project, with a network and a number of epochs that take a second."""
    text = (ROOT / "recipes" / "expression.toml").read_text(encoding="utf-8")
    small = {"widths = [32, 64, 128, 256]": "widths = [8, 16]", "blocks = [1, 2, 2, 2]": "blocks = [1, 1]"}
    for old, new in small.items():
        assert old in text, f"recipes/expression.toml does not have '{old}' any more"
        text = text.replace(old, new)
    lines = ["epochs = 2" if line.startswith("epochs =") else line for line in text.splitlines()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rafce(folder: Path) -> None:
    """RAF-CE in its own layout: four photos of each compound expression, with two or three action units each."""
    units = labels.get("rafau18").labels
    lines: dict[str, list[str]] = {"emolabel": [], "partition": [], "AUlabel": []}
    for number in range(4 * 14):
        label, name = number % 14, f"{number + 1:04d}.jpg"
        write(folder / "original" / name, face(number, label))
        seen = [units[label].removeprefix("AU"), "L" + units[(label + 5) % 18].removeprefix("AU"), "25"]
        fields = {"emolabel": label, "partition": "0012"[number // 14], "AUlabel": "+".join(seen)}
        for file, value in fields.items():
            lines[file].append(f"{name} {value}")
    for file, rows in lines.items():
        (folder / f"RAFCE_{file}.txt").write_text("\n".join(rows) + "\n")


def posts(folder: Path) -> None:
    """A list of photos in which one or two of the eight emotions of social media hold."""
    names = labels.get("social8").labels
    rows = ["image,labels,split"]
    for number in range(40):
        held = {names[number % 8], names[(number * 3 + 1) % 8]}
        write(folder / f"{number:04d}.jpg", face(number, number % 8))
        rows.append(f"{number:04d}.jpg,{'|'.join(sorted(held))},{'train' if number < 24 else 'val'}")
    (folder / "list.csv").write_text("\n".join(rows) + "\n")


def boxed(folder: Path) -> None:
    """Thirty photos with a face each, and `faces.jsonl` with a box about it."""
    lines = []
    for number in range(30):
        write(folder / f"images/{number:02d}.jpg", face(number))
        box = {"box": [90, 50, 140, 140], "ignore": False, "by": "teacher", "points": None}
        line = {"image": f"images/{number:02d}.jpg", "width": 320, "height": 240, "source": "made", "faces": [box]}
        lines.append(json.dumps(line) + "\n")
    (folder / "faces.jsonl").write_text("".join(lines))


def people(folder: Path) -> None:
    """A list of photos of eight people with seven expressions each."""
    rows = ["image,label,subject"]
    for number, label in enumerate(labels.get("ekman7").labels * 8):
        name = f"{number // 7}/{number % 7}.jpg"
        write(folder / name, face(number, number % 7))
        rows.append(f"{name},{label},person {number // 7}")
    (folder / "list.csv").write_text("\n".join(rows) + "\n")


def checkpoint(path: Path) -> None:
    """A checkpoint with random weights."""
    from tests.fixtures import checkpoints

    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoints.tiny_checkpoint(path.parent).rename(path)


def model(folder: Path) -> None:
    """A model folder with random weights."""
    models.tiny_expression(folder)


def clip(path: Path) -> None:
    """A second of video in which a face crosses the picture."""
    person = clips.Person(clips.line((150, 240), (450, 240), 1.0))
    film(path, [frame.pixels for frame, _ in clips.play(PHOTO, [person], 1.0, fps=15)], 15)


def frames(folder: Path) -> None:
    """Numbered pictures of the same."""
    for frame, _ in clips.play(PHOTO, [clips.Person(clips.still())], 0.4, fps=15):
        write(folder / f"img_{frame.index + 1:04d}.png", frame.pixels)


def policy(path: Path) -> None:
    """The reaction policy inside the package."""
    shutil.copy(ROOT / "src" / "mien" / "reactions.toml", path)


def project(path: Path) -> None:
    """A file or folder of the project itself, at the same place."""
    (shutil.copytree if (ROOT / path).is_dir() else _copy)(ROOT / path, path)


def mediapipe(path: Path) -> None:
    """Google's landmark model where the shared data has it; without it the page is skipped."""
    pytest.importorskip("mediapipe")
    source = Path(os.environ.get("MIEN_SHARED", ROOT.parent / "shared")) / "models" / "face_landmarker.task"
    if not source.is_file():
        pytest.skip("needs face_landmarker.task of the shared data (MIEN_SHARED)")
    _copy(source, path)


def face(seed: int, label: int = 0) -> NDArray[np.uint8]:
    """Make a photo of a face that differs by seed in place, size, light and what lies over it; the label tints it."""
    rng = np.random.default_rng(seed)
    person = clips.Person(
        clips.still(*rng.uniform((120, 110), (200, 130)), rng.uniform(110, 150)), bool(seed % 2), rng.uniform(0.6, 1)
    )
    frame, _ = next(clips.play(PHOTO, [person], 0.1, size=(320, 240), seed=seed))
    picture = frame.pixels.astype(np.float32)
    shade = cv2.resize(rng.uniform(0.5, 1.2, (3, 4, 3)).astype(np.float32), (320, 240), interpolation=cv2.INTER_CUBIC)
    tint = np.ones(3, np.float32)
    tint[label % 3] += 0.1 * label
    return np.clip(picture * shade * tint, 0, 255).astype(np.uint8)


def write(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write an RGB picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture[..., ::-1])


def film(path: Path, pictures: list[image.RGB], fps: int) -> None:
    """Write RGB pictures as an H.264 or VP9 clip, by the name's ending."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "libx264", rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _copy(source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, path)


KINDS: dict[str, Callable[[Path], None]] = {
    "boxed": boxed, "checkpoint": checkpoint, "classes": classes, "clip": clip, "fer2013": fer2013, "frames": frames,
    "mediapipe": mediapipe, "model": model, "people": people, "photo": photo, "photos": photos, "policy": policy,
    "posts": posts, "project": project, "rafce": rafce, "recipe": recipe, "table": table, "votes": votes,
}  # fmt: skip
