"""FER+: ten taggers' votes for the FER-2013 pictures, and the paper's rules for making targets of them.

The file `fer2013new.csv` has a row a picture of FER-2013, in the same order. Eight columns are emotions, two say that
the tagger could not tell (`unknown`) or that no face is there (`NF`).

What mien makes of a row (Barsoum et al. 2016, "Training deep networks for facial expression recognition with
crowd-sourced label distribution", and the authors' published code):

* A single vote is an outlier: any of the ten columns with exactly one vote counts as zero.
* `majority`: the column with the most votes, if it has more than half of what is left over all ten columns and is one
  of the eight emotions. Otherwise the row has no majority label and is left out of the majority protocol.
* `distribution`: the votes over the eight emotions in proportion, after the outlier rule. Votes for `unknown` and `NF`
  carry no emotion and are dropped. A row in which those two together hold more than half, or in which no emotion
  has two votes, has no distribution: the head's loss skips it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.datasets import Info, Sample, Split
from mien.errors import DataError
from mien.parallel import batches

INFO = Info(
    title="FER+",
    licence="MIT for the labels; the pictures are those of FER-2013",
    citation="Barsoum et al., Training deep networks for facial expression recognition with crowd-sourced label "
    "distribution, ICMI 2016",
    label_set="ferplus8",
    home="https://github.com/microsoft/FERPlus",
)
EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
OUTSIDE = ("unknown", "NF")
SPLITS: dict[str, Split] = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}


def read_votes(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield ``(usage, votes (10,))`` a row: the eight emotions, then unknown and NF.

    Raises:
        DataError: a column is missing, a usage is unknown or a vote is not a count; the line is named.
    """
    try:
        stream = path.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read the votes file '{path}': {error.strerror}") from error
    with stream:
        rows = csv.DictReader(stream)
        missing = {"Usage", *EMOTIONS, *OUTSIDE} - set(rows.fieldnames or ())
        if missing:
            raise DataError(
                f"'{path}' is no FER+ votes file: column {', '.join(sorted(missing))} is missing; expected "
                f"Usage, Image name, {', '.join(EMOTIONS + OUTSIDE)}"
            )
        for row in rows:
            where = f"line {rows.line_num} of '{path}'"
            usage = row["Usage"]
            if usage not in SPLITS:
                raise DataError(f"{where}: unknown usage '{usage}', expected one of {', '.join(SPLITS)}")
            try:
                votes = np.array([int(row[name]) for name in EMOTIONS + OUTSIDE], np.float32)
            except (TypeError, ValueError) as error:
                raise DataError(f"{where}: votes must be whole numbers in all ten columns") from error
            if votes.min() < 0 or votes.sum() == 0:
                raise DataError(f"{where}: votes must be at least 0 and not all 0, got {votes.astype(int).tolist()}")
            yield usage, votes


def read(source: Path) -> Iterator[Sample]:
    """Yield the votes alone, a sample a row without pixels; the reader of FER-2013 joins them to pictures."""
    return (sample for _, sample in read_samples(Path(source)))


def read_samples(path: Path) -> Iterator[tuple[str, Sample]]:
    """Yield ``(usage, sample without pixels)`` a row.

    Raises:
        DataError: see `read_votes`.
    """
    number = 0
    # Many rows at a time: numpy takes longer for its calls than for a row's ten votes.
    for rows in batches(read_votes(path), 512):
        votes = np.stack([row for _, row in rows])
        inside, outside = votes[:, : len(EMOTIONS)], votes[:, len(EMOTIONS) :]
        winners = majority(inside, outside).tolist()
        for at, ((usage, _), winner) in enumerate(zip(rows, winners, strict=True)):
            yield (
                usage,
                Sample(
                    f"fer{number:07d}.png",
                    label=EMOTIONS[winner] if winner >= 0 else None,
                    votes={"ferplus8": inside[at]},
                    votes_outside=outside[at],
                    split=SPLITS[usage],
                ),
            )
            number += 1


def without_outliers(votes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set single votes to zero, as the paper does; any shape."""
    return np.where(votes <= 1.0, np.float32(0.0), votes).astype(np.float32)


def majority(votes: NDArray[np.float32], outside: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return each row's strict majority ``(n,)`` as an index into the labels, -1 for none.

    Args:
        votes: votes for the labels, ``(n, k)``.
        outside: votes for none of them, ``(n, m)``, a column a way of saying so.
    """
    kept = without_outliers(np.concatenate([votes, outside], axis=1))
    best = kept.argmax(axis=1)
    strict = kept.max(axis=1) > 0.5 * kept.sum(axis=1)
    return np.where(strict & (best < votes.shape[1]), best, -1).astype(np.int64)


def distribution(votes: NDArray[np.float32], outside: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each row's distribution over the labels ``(n, k)``, NaN for none; arguments as in `majority`."""
    inside, rest = without_outliers(votes), without_outliers(outside)
    total = inside.sum(axis=1, keepdims=True)
    usable = (total > 0) & (total >= rest.sum(axis=1, keepdims=True))
    return np.where(usable, inside / np.maximum(total, 1.0), np.float32(np.nan)).astype(np.float32)
