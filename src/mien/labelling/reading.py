"""An annotator in the place of the expression model, so that a `Recognizer` reads faces with a language model."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from mien.errors import MienError
from mien.imaging import align
from mien.imaging import image as imaging
from mien.imaging.image import RGB
from mien.labelling.annotators import Annotator
from mien.labelling.answer import Answer
from mien.labelling.items import MARGIN, Item
from mien.labels import LabelSet
from mien.manifest import Gate
from mien.recognition.expression import ExpressionModel
from mien.recognition.pipeline import Recognizer
from mien.remote.campaign import Campaign, Limits
from mien.remote.ledger import Ledger
from mien.remote.work import Work
from mien.results import Detections, Scores

SIZE = 224


class Reader:
    """Reads expressions through an annotator; what was asked before is taken from the ledger.

    It has what a `Recognizer` needs of an expression model. It belongs to one thread, so its recognizer has one worker.

    Args:
        annotator: who judges the faces.
        labels: what it answers over.
        ledger: where answers and money are written down.
        limits: concurrency, budget, attempts.
    """

    primary = "expression"
    gate = Gate()

    def __init__(self, annotator: Annotator, labels: LabelSet, ledger: Ledger, limits: Limits | None = None) -> None:
        self.annotator, self.labels, self.ledger, self.limits = annotator, labels, ledger, limits or Limits()
        self._loop = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self.annotator.close())
        self._loop.close()
        self.ledger.close()

    def recognizer(self, **options: Any) -> Recognizer:
        """Make a recognizer that reads with this; `options` as of `Recognizer`, but for model and workers."""
        made = Recognizer(**options, workers=1)
        made.expression = cast(ExpressionModel, self)
        made.gate, made.chance = self.gate, None
        return made

    def crops(self, image: RGB, detections: Detections, *, whole: bool = False) -> NDArray[np.uint8]:
        """Cut every face out with a margin, upright as it stands: ``uint8 (n, 224, 224, 3)``."""
        out = np.zeros((len(detections), SIZE, SIZE, 3), np.uint8)
        for i in range(len(detections)):
            out[i] = (
                align.whole(image, SIZE)
                if whole
                else align.box_crop(image, align.widen(detections.xyxy[i], MARGIN), SIZE)
            )
        return out

    def predict(self, crops: NDArray[np.uint8]) -> dict[str, Scores]:
        """Ask about every crop; one that shows no face gets equal scores.

        Raises:
            MienError: the annotator had no answer for a crop; those it had are kept.
        """
        answers = self._loop.run(self._ask(crops)) if len(crops) else {}
        values = np.full((len(crops), len(self.labels)), 1.0 / len(self.labels), np.float32)
        for i, answer in answers.items():
            if answer.scores:
                values[i] = [answer.scores[label] for label in self.labels]
        return {self.primary: Scores(self.labels, values)}

    async def _ask(self, crops: NDArray[np.uint8]) -> dict[int, Answer]:
        found: dict[int, Answer] = {}
        with tempfile.TemporaryDirectory() as folder:
            async for outcome in Campaign(self.annotator, self.ledger, self.limits).run(
                self._works(crops, Path(folder))
            ):
                if outcome.answer is None:
                    raise MienError(f"{self.annotator.name} has no answer: {outcome.reason}")
                found[int(outcome.work.key)] = Answer.model_validate(outcome.answer)
        return found

    def _works(self, crops: NDArray[np.uint8], folder: Path) -> Iterator[Work]:
        for i, crop in enumerate(crops):
            imaging.write(crop, folder / f"{i}.png")
            yield self.annotator.work(Item(str(i), f"{i}.png", None, folder))
