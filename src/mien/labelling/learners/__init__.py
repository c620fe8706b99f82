"""Learners, one a file: what a labelling loop trains each round. `network` is a recipe, `probe` takes a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.labels import LabelSet

Float = NDArray[np.float32]


class Learner(Protocol):
    """Learns from the labelled rows of a table and says what it thinks of pictures."""

    @property
    def labels(self) -> LabelSet:
        """The label set that it learns."""

    def facts(self) -> dict[str, Any]:
        """Return what it is, in plain JSON types; a loop goes on only with the same."""

    def learn(self, table: Path, folder: Path, seed: int, *, pool: Sequence[Path], val: Sequence[Path]) -> Scored:
        """Train anew and score.

        Args:
            table: whose train split has labels.
            folder: of this round, for what training leaves behind.
            seed: of training.
            pool: pictures that may be asked about, the same in every call.
            val: pictures that judge, the same in every call.
        """


#: Distributions over the label set of the pool ``(n, k)`` and of val ``(m, k)``.
Scored = tuple[Float, Float]
