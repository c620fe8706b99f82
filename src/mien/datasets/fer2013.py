"""FER-2013: 48x48 grey faces in one csv file (`emotion,pixels,Usage`), plain or packed, with FER+ votes beside it.

The original file has 35,887 rows: 28,709 Training, 3,589 PublicTest and 3,589 PrivateTest. Any part of it is read.
PublicTest becomes `val`, PrivateTest `test`.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import sys
import warnings
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import IO

import numpy as np

from mien.datasets import Info, Sample, ferplus
from mien.errors import DataError

INFO = Info(
    title="FER-2013",
    licence="pictures collected from the web for the ICML 2013 challenge, no licence over the photos: research and "
    "education",
    citation="Goodfellow et al., Challenges in representation learning: a report on three machine learning contests, "
    "ICONIP 2013",
    label_set="ekman7",
    home="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    extras=("ferplus8",),
)
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SIDE = 48


def _open(path: Path) -> IO[str]:
    """Open a plain, gzip or xz text file, told apart by its first bytes."""
    try:
        with path.open("rb") as raw:
            magic = raw.read(6)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror}") from error
    if magic[:2] == b"\x1f\x8b":
        return _unpacked(gzip.GzipFile(path))
    if magic == b"\xfd7zXZ\x00":
        return _unpacked(lzma.open(path))
    return path.open(newline="", encoding="utf-8-sig")


def _unpacked(stream: io.BufferedIOBase) -> IO[str]:
    # Unpacked in pieces of 1 MB: text streams ask for 8 KB at a time, a call each.
    return io.TextIOWrapper(io.BufferedReader(stream, 1 << 20), encoding="utf-8-sig", newline="")


def read(source: Path, *, votes: Path | None = None) -> Iterator[Sample]:
    """Yield the faces of a FER-2013 csv in file order.

    Args:
        source: the csv, plain, gz or xz.
        votes: FER+ `fer2013new.csv`; its rows must agree with the csv's in order and usage. One of the two files may
            end early as long as the other goes on with a usage that the shorter one does not have at all.

    Raises:
        DataError: what does not fit, with its line.
    """
    rows = _rows(Path(source))
    if votes is None:
        for number, (_, usage, label, pixels) in enumerate(rows):
            yield Sample(f"fer{number:07d}.png", pixels, label=label, split=ferplus.SPLITS[usage])
        return
    seen: set[str] = set()
    for number, (row, vote) in enumerate(zip_longest(rows, ferplus.read_samples(Path(votes)))):
        if row is None or vote is None:
            usage, longer, shorter = (vote[0], votes, source) if vote else (row[1], source, votes)
            if usage in seen:
                raise DataError(
                    f"'{shorter}' ends after {number:,} rows in the middle of {usage} while '{longer}' goes on; "
                    "both files must hold the same pictures in the same order"
                )
            if row is None:
                return
        line, usage, label, pixels = row
        name, split = f"fer{number:07d}.png", ferplus.SPLITS[usage]
        if vote is None:
            yield Sample(name, pixels, label=label, split=split)
            continue
        if vote[0] != usage:
            raise DataError(
                f"line {line} of '{source}' is {usage}, but the same row of '{votes}' is {vote[0]}; both files must "
                "hold the same pictures in the same order"
            )
        seen.add(usage)
        plus = vote[1]
        yield Sample(
            name,
            pixels,
            label=label,
            split=split,
            votes=plus.votes,
            votes_outside=plus.votes_outside,
            other_labels={"ferplus8": plus.label} if plus.label else {},
        )


def _rows(path: Path) -> Iterator[tuple[int, str, str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]]:
    """Yield ``(line, usage, label, pixels (48, 48))`` a row."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with _open(path) as stream:
            reader = csv.reader(stream)
            header = [name.strip().lower() for name in next(reader, [])]
            missing = {"emotion", "pixels", "usage"} - set(header)
            if missing:
                raise DataError(
                    f"'{path}' is no FER-2013 csv: column {', '.join(sorted(missing))} is missing; expected the header "
                    "emotion,pixels,Usage"
                )
            columns = [header.index(name) for name in ("emotion", "pixels", "usage")]
            for row in reader:
                where = f"line {reader.line_num} of '{path}'"
                if len(row) != len(header):
                    raise DataError(f"{where}: {len(row)} columns, expected {len(header)}")
                emotion, text, usage = (row[c].strip() for c in columns)
                if usage not in ferplus.SPLITS:
                    raise DataError(f"{where}: unknown usage '{usage}', expected one of {', '.join(ferplus.SPLITS)}")
                if not emotion.isdigit() or int(emotion) >= len(EMOTIONS):
                    raise DataError(f"{where}: emotion '{emotion}' is not a number from 0 to 6")
                yield reader.line_num, usage, EMOTIONS[int(emotion)], parse_pixels(text, where)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' is damaged or not a csv file: {error}") from error


def parse_pixels(text: str, where: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Parse one field of 48x48 grey values.

    Raises:
        DataError: another number of values, or values outside 0 to 255.
    """
    try:
        with warnings.catch_warnings():
            # numpy only warns of text behind the last number; here that is an error.
            warnings.simplefilter("error", DeprecationWarning)
            values = np.fromstring(text, dtype=np.int32, sep=" ")
    except (ValueError, DeprecationWarning) as error:
        raise DataError(f"{where}: the pixels are not whole numbers") from error
    if values.size != SIDE * SIDE or values.min() < 0 or values.max() > 255:
        raise DataError(
            f"{where}: expected {SIDE * SIDE} pixels from 0 to 255, got {values.size} from "
            f"{values.min(initial=255)} to {values.max(initial=0)}"
        )
    return values.astype(np.uint8).reshape(SIDE, SIDE)
