"""The video side of `mien predict`: frames in; JSON lines, tables, an annotated clip and a timeline out.

Everything is written as it comes, and finished also when the run is broken off with Ctrl-C.
"""

from __future__ import annotations

import csv as csv_module
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mien.cli import output
from mien.cli._signals import held_back
from mien.errors import ImageError, MienError, MissingExtraError

if TYPE_CHECKING:
    from mien.imaging.video import Video
    from mien.recognition.pipeline import Recognizer
    from mien.recognition.pose_reader import PoseReader
    from mien.recognition.tracks import TrackLog
    from mien.recognition.video import Every, FrameFaces
    from mien.results import Faces


@dataclass(frozen=True)
class Outputs:
    """Where the results of videos go, beside what all pictures share.

    Attributes:
        json: one line a frame.
        csv: one row a face and frame.
        parquet: the same rows as parquet.
        annotate: folder for annotated clips.
        timeline: HTML page; of several videos each gets its own, named after it.
        tracks: csv or parquet file with one row a person.
        compound: whether compound expressions are added, derived from the basic ones.
        pose: measures head, eyes and mouth, and makes them reasons to abstain; None leaves that out.
    """

    json: output.JsonLines | None = None
    csv: output.Csv | None = None
    parquet: Path | None = None
    annotate: Path | None = None
    timeline: Path | None = None
    tracks: Path | None = None
    compound: bool = False
    pose: PoseReader | None = None

    def __post_init__(self) -> None:
        if self.tracks is not None and self.tracks.suffix not in {".csv", ".parquet"}:
            raise MienError(f"cannot write '{self.tracks}': expected a name that ends in .csv or .parquet")


def run(
    sources: Sequence[str | int], recognizer: Recognizer, outputs: Outputs, *, every: Every = "auto", fps: float = 25.0
) -> tuple[int, int]:
    """Read videos one after another and return how many could be read and how many not.

    Args:
        sources: files, URLs, patterns of numbered pictures, or numbers of cameras.
        recognizer: reads the faces.
        outputs: where the results go.
        every: see `VideoRecognizer`.
        fps: of image sequences.
    """
    from mien.imaging import video

    read = failed = 0
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        table = stack.enter_context(closing(_Parquet(outputs.parquet))) if outputs.parquet else None
        if outputs.tracks is not None:
            stack.callback(_write_rows, outputs.tracks, rows)
        for source in sources:
            try:
                opened = video.open_camera(source) if isinstance(source, int) else video.open_video(source, fps=fps)
            except ImageError as error:
                output.warn(str(error))
                if outputs.json:
                    outputs.json.write({"video": str(source), "error": str(error)})
                failed += 1
                continue
            with opened:
                one = _One(opened, source, outputs, table, rows, several=len(sources) > 1)
                one.read(recognizer, every)
            read, failed = read + (one.log.frames > 0), failed + (one.log.frames == 0)
    return read, failed


class _One:
    """One video on its way through all outputs."""

    def __init__(
        self,
        opened: Video,
        source: str | int,
        outputs: Outputs,
        table: _Parquet | None,
        rows: list[dict[str, Any]],
        *,
        several: bool,
    ) -> None:
        from mien.recognition.tracks import TrackLog

        self.video, self.outputs, self.table, self.rows = opened, outputs, table, rows
        self.file = Path(source) if isinstance(source, str) and Path(source).is_file() else None
        stem = self.file.stem if self.file else f"camera-{source}" if isinstance(source, int) else "video"
        self.stem = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in stem)
        self.timeline = outputs.timeline
        if several and outputs.timeline is not None:
            self.timeline = outputs.timeline.with_name(f"{outputs.timeline.stem}-{self.stem}{outputs.timeline.suffix}")
        self.log: TrackLog = TrackLog(thumbnails=outputs.timeline is not None)

    def read(self, recognizer: Recognizer, every: Every) -> None:
        """Read all frames; whatever ends the reading, what was read is written to its end."""
        from mien.recognition.video import VideoRecognizer

        frames = VideoRecognizer(recognizer, every=every)(self.video)
        with ExitStack() as stack:
            stack.callback(self._finish)
            writer = None
            if self.outputs.annotate is not None:
                from mien.imaging.video import VideoWriter

                writer = stack.enter_context(closing(VideoWriter(self.outputs.annotate / f"{self.stem}.mp4")))
            for plain in self._progress(frames):
                frame = replace(plain, faces=self._more(plain))
                self._write(frame)
                if writer is not None:
                    from mien.imaging import draw

                    writer.write(draw.annotate(frame.pixels, frame.faces), frame.time)

    def _more(self, frame: FrameFaces) -> Faces:
        """Return a frame's faces with what was asked for beyond expressions."""
        from mien.recognition import compound

        faces = frame.faces
        if self.outputs.pose is not None:
            faces = self.outputs.pose.add(frame.pixels, faces, frame.time)
        return compound.add(faces) if self.outputs.compound else faces

    def _write(self, frame: FrameFaces) -> None:
        """Write a frame to all outputs; a Ctrl-C in the middle waits, so that they tell of the same frames."""
        with held_back(signal.SIGINT):
            self._write_all(frame)

    def _write_all(self, frame: FrameFaces) -> None:
        self.log.add(frame)
        if self.outputs.json:
            self.outputs.json.write(frame.to_dict())
        if self.outputs.csv or self.table:
            rows = [
                {"video": frame.video, "frame": frame.index, "time": round(frame.time, 4), **row}
                for row in frame.faces.to_table()
            ]
            for row in rows:
                del row["image"]
            if self.outputs.csv:
                self.outputs.csv.write_rows(rows)
            if self.table:
                self.table.write(rows)

    def _finish(self) -> None:
        """Write what is known of the whole video."""
        if self.video.broken:
            output.warn(f"{self.video.name}: {self.video.broken} broken frames were skipped")
        if not self.log.frames:
            output.warn(f"{self.video.name}: no frame could be decoded")
        self.rows += [{"video": self.video.name, **row} for row in self.log.rows()]
        if self.timeline is not None and self.log.frames:
            from mien.recognition import timeline

            timeline.write(self.log, self.timeline, title=self.video.name, video=self.file, broken=self.video.broken)
        if not (self.outputs.json or self.outputs.csv):
            self._print()

    def _progress(self, frames: Iterator[FrameFaces]) -> Iterator[FrameFaces]:
        from rich.progress import track

        if self.video.live or not output.stderr.is_terminal:
            return frames
        return iter(track(frames, "reading", total=self.video.frames, console=output.stderr, transient=True))

    def _print(self) -> None:
        found = [
            [
                str(row["tracker_id"]), f"{row['first']:.1f} s", f"{row['last']:.1f} s", f"{row['dwell']:.1f} s",
                row["dominant"], str(row["transitions"]),
            ]
            for row in self.log.rows()
        ]  # fmt: skip
        output.stdout.print(f"{self.video.name}  {self.log.frames} frames", highlight=False, markup=False)
        if not found:
            output.stdout.print("no face found")
            return
        columns = ["person", "first#", "last#", "in sight#", "mostly", "changes#"]
        output.stdout.print(output.table(None, columns, found))


class _Parquet:
    """Writes rows to a parquet file, a row group at a time; the first rows decide the columns."""

    GROUP = 4096

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ModuleNotFoundError as error:
            raise MissingExtraError("writing parquet", "data") from error
        self._pa, self._pq, self._path = pyarrow, pyarrow.parquet, path
        self._writer: Any = None
        self._rows: list[dict[str, Any]] = []
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, rows: list[dict[str, Any]]) -> None:
        self._rows += rows
        if len(self._rows) >= self.GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        schema = self._writer.schema if self._writer is not None else self._schema(self._rows[0])
        if self._writer is None:
            self._writer = self._pq.ParquetWriter(self._path, schema, compression="zstd")
        self._writer.write_table(self._pa.Table.from_pylist(self._rows, schema=schema))
        self._rows.clear()

    def _schema(self, row: dict[str, Any]) -> Any:
        """Take types from a row; a column that is empty there (no reason to abstain) holds text."""
        kinds = {bool: self._pa.bool_(), int: self._pa.int64(), float: self._pa.float64()}
        return self._pa.schema([(name, kinds.get(type(value), self._pa.string())) for name, value in row.items()])

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one row a person to csv or parquet."""
    if path.suffix == ".parquet":
        with closing(_Parquet(path)) as table:
            table.write(rows)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="", errors="surrogateescape") as stream:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv_module.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


def parse_every(text: str) -> Every:
    """Read the value of `--detect-every`.

    Raises:
        typer.BadParameter: neither 'auto' nor a number of frames.
    """
    if text == "auto":
        return "auto"
    if not text.isdigit() or int(text) < 1:
        raise typer.BadParameter(f"'{text}' is neither 'auto' nor a number of frames", param_hint="--detect-every")
    return int(text)
