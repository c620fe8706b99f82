"""`mien predict`: pictures in; a table, JSON lines, csv and annotated pictures out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import output
from mien.errors import ImageError, MienError

if TYPE_CHECKING:
    from mien.recognition.pipeline import Recognizer
    from mien.results import Faces


def command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Pictures, folders (read recursively, in name order), tables (.parquet), clips, URLs, img_%04d.png; "
            "also in a store: s3://BUCKET/FOLDER."
        ),
    ] = None,
    json: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write one JSON line a picture or frame.")] = None,
    csv: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write one row a face.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Video: write the same rows as parquet.")] = None,
    annotate: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write annotated pictures and clips into a folder.")
    ] = None,
    timeline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Video: write a page of expressions over time (HTML).")
    ] = None,
    tracks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Video: write one row a person (.csv or .parquet).")
    ] = None,
    detect_every: Annotated[
        str, typer.Option(metavar="N|auto", help="Video: look for faces on every N-th frame, follow them in between.")
    ] = "auto",
    camera: Annotated[int | None, typer.Option(metavar="N", min=0, help="Read a camera until Ctrl-C.")] = None,
    fps: Annotated[float, typer.Option(min=0.01, help="Frames a second of numbered pictures.")] = 25.0,
    detector: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="Detector: mien, yunet, mediapipe, none, a model.")
    ] = "mien",
    crops: Annotated[bool, typer.Option("--crops", help="Treat each picture as the crop of one face.")] = False,
    model: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="Expression model, or vlm:SERVICE:MODEL.")
    ] = "expression",
    side: Annotated[str, typer.Option(metavar="PX|auto", help="Longest side at which faces are looked for.")] = "auto",
    min_face: Annotated[float | None, typer.Option(metavar="PX", min=0, help="Abstain below this face size.")] = None,
    min_confidence: Annotated[
        float | None, typer.Option(metavar="P", min=0, max=1, help="Abstain below this probability.")
    ] = None,
    compound: Annotated[
        bool, typer.Option("--compound", help="Add compound expressions, derived from the basic ones.")
    ] = False,
    pose: Annotated[
        bool, typer.Option("--pose", help="Add head pose, eyes, mouth and blinks from landmarks; abstain by them.")
    ] = False,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirror image: better, half as fast.")] = False,
    views: Annotated[str, typer.Option(help="Looks that are averaged: one, flip, five, ten (with spread).")] = "one",
    threads: Annotated[
        int | None, typer.Option("--threads", "--workers", metavar="N", min=1, help="Pictures read at the same time.")
    ] = None,
    on: Annotated[
        str, typer.Option("--on", metavar="KIND", help="Where work runs: threads, processes, ray or ray://HOST:PORT.")
    ] = "threads",
    shards: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Write parquet files of many pictures each; a run that broke off goes on."),
    ] = None,
    shard: Annotated[int, typer.Option(metavar="N", min=1, help="Pictures in each file of --shards.")] = 1024,
    labels: Annotated[str, typer.Option(metavar="SET", help="vlm: label set to choose from.")] = "ekman7",
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="vlm: server of the model.")] = None,
    price: Annotated[str | None, typer.Option(metavar="IN,OUT", help="vlm: dollars for a million tokens.")] = None,
    budget: Annotated[str | None, typer.Option(metavar="DOLLARS", help="vlm: most that may be spent in all.")] = None,
    send_images: Annotated[bool, typer.Option("--send-images", help="vlm: let faces leave this machine.")] = False,
) -> None:
    """Read the expressions of faces in pictures and videos.

    Without --json or --csv a table is printed. Exit code: 0 all read, 1 some pictures failed, 2 wrong usage or nothing
    readable.
    """
    from mien import parallel, storage
    from mien.cli import predict_many, predict_video, predict_vlm
    from mien.imaging import image
    from mien.imaging.video import is_video
    from mien.recognition.bulk import Reading
    from mien.recognition.compound import add as add_compound
    from mien.recognition.pipeline import Recognizer
    from mien.recognition.pose_reader import PoseReader

    videos: list[str | int] = [path for path in paths or () if is_video(path)]
    videos += [] if camera is None else [camera]
    stills = [path for path in paths or () if not is_video(path)]
    every = predict_video.parse_every(detect_every)

    found = "none" if crops else detector
    closing = ExitStack()
    if model.startswith("vlm:"):
        reader = closing.enter_context(predict_vlm.reader(model, labels, base_url, price, budget, send_images))
        recognizer = reader.recognizer(detector=found, side=parse_side(side))
    else:
        recognizer = Recognizer(
            detector=found, model=model, side=parse_side(side), workers=threads, flip=flip, views=views
        )
    changed = {"min_face": min_face, "min_confidence": min_confidence}
    recognizer.gate = recognizer.gate.model_copy(update={k: v for k, v in changed.items() if v is not None})
    many = parallel.check(on) != "threads" or shards is not None or any(path.endswith(".parquet") for path in stills)
    if many:
        if videos or model.startswith("vlm:") or pose:
            raise MienError("--on, --shards and tables are for pictures and models on this machine, without --pose")
        limits = tuple((name, value) for name, value in changed.items() if value is not None)
        reading = Reading(found, model, parse_side(side), flip, limits, views)
    if many and shards:
        if json or csv or annotate or compound:
            raise MienError("--shards writes all there is: give it without --json, --csv, --annotate, --compound")
        read, failed = predict_many.shards(stills, reading, shards, shard, on, threads)
        raise typer.Exit(2 if read == 0 else 1 if failed else 0)
    pictures = list_pictures([storage.locate(path) for path in stills]) if not many and (stills or not videos) else []
    with closing, ExitStack() as stack:
        sinks = _Sinks(json, csv, annotate, stack)
        measured = PoseReader() if pose else None
        moving = predict_video.Outputs(sinks.json, sinks.csv, parquet, annotate, timeline, tracks, compound, measured)
        read = failed = 0
        if videos:
            read, failed = predict_video.run(videos, recognizer, moving, every=every, fps=fps)
        quiet = "-" in (json, csv)
        stream = (
            predict_many.stream(stills, reading, on, threads) if many else _progress(recognizer, pictures, quiet=quiet)
        )
        for faces in stream:
            if measured is not None and len(faces) and faces.image:
                faces = measured.add(image.read(faces.image), faces)
            sinks.write(add_compound(faces) if compound else faces)
            read, failed = read + (faces.error is None), failed + (faces.error is not None)
    if failed:
        kind = "pictures and videos" if videos else "pictures"
        output.warn(f"{failed} of {read + failed} {kind} could not be read")
    raise typer.Exit(2 if read == 0 else 1 if failed else 0)


def parse_side(text: str) -> int | None:
    """Read the value of `--side`: pixels, or None for 'auto'.

    Raises:
        typer.BadParameter: neither.
    """
    if text == "auto":
        return None
    if not text.isdigit() or not 32 <= int(text) <= 8192:
        raise typer.BadParameter(f"'{text}' is neither 'auto' nor pixels from 32 to 8192", param_hint="--side")
    return int(text)


def list_pictures(paths: list[Path]) -> list[Path]:
    """Expand folders to their pictures; files are taken as they are.

    Raises:
        MienError: nothing was found.
    """
    from mien.imaging import image

    found: list[Path] = []
    problems: list[str] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        try:
            inside = list(image.find(path))
        except ImageError as error:
            problems.append(str(error))
            continue
        if not inside:
            problems.append(f"no pictures in {path}")
        found += inside
    for problem in problems:
        output.warn(problem)
    if not found:
        raise MienError("nothing to read: give pictures, or folders that hold some")
    return found


def _progress(recognizer: Recognizer, pictures: list[Path], *, quiet: bool) -> Iterator[Faces]:
    from rich.progress import track

    stream = recognizer.stream(pictures)
    if quiet or len(pictures) < 20:
        return stream
    return iter(track(stream, "reading", total=len(pictures), console=output.stderr, transient=True))


class _Sinks:
    """Everything that is done with the result of one picture."""

    def __init__(self, json: str | None, csv: str | None, annotate: Path | None, stack: ExitStack) -> None:
        self.json = output.JsonLines(output.open_text(json, stack)) if json else None
        self.csv = output.Csv(output.open_text(csv, stack)) if csv else None
        self._annotate, self._names = annotate, set[str]()
        self._table = not json and not csv

    def write(self, faces: Faces) -> None:
        if self.json:
            self.json.write(faces.to_dict())
        if self.csv:
            self.csv.write(faces)
        if faces.error and not self.json:
            output.warn(f"{faces.image}: {faces.error}")
        if self._annotate and faces.error is None and faces.image:
            self._draw(faces, self._annotate)
        if self._table and faces.error is None:
            _print(faces)

    def _draw(self, faces: Faces, folder: Path) -> None:
        from mien import storage
        from mien.imaging import draw, image

        path = storage.locate(faces.image or "picture")
        name, count = path.stem, 1
        while name in self._names:
            count += 1
            name = f"{path.stem}-{count}"
        self._names.add(name)
        pixels = draw.annotate(image.read(path), faces)
        target = folder / f"{name}.{'png' if path.suffix.lower() == '.png' else 'jpg'}"
        image.write(pixels, target)


def _print(faces: Faces) -> None:
    from rich.text import Text

    if not len(faces):
        output.stdout.print(f"{faces.image}: no face found", soft_wrap=True, highlight=False, markup=False)
        return
    rows = []
    for i in range(len(faces)):
        x1, y1, x2, y2 = (round(float(v)) for v in faces.xyxy[i])
        order = (-faces.scores[i]).argsort()[1:3]
        others = ", ".join(f"{faces.labels.labels[k]} {faces.scores[i, k]:.0%}" for k in order)
        answer = f"{faces.label[i]} {faces.confidence[i]:.0%}"
        note = f"abstained: {faces.abstained[i]}" if faces.abstained[i] else ""
        rows.append([str(i + 1), f"{x1},{y1} {x2 - x1}x{y2 - y1}", answer, others, f"{faces.quality[i]:.2f}", note])
    columns = ["face", "box", "perceived", "then", "quality#", "note"]
    made = output.table(None, columns, rows)
    output.stdout.print(Text(f"{faces.image}  {faces.width}x{faces.height}", style="bold"))
    output.stdout.print(made)
