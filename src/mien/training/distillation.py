"""Distillation within a step: the teacher sees the very pictures that the student sees (Beyer et al. 2022).

Or it was asked once about the plain pictures: then a step costs no more than without a teacher, and any number of
teachers may stand behind the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from mien.losses import masked
from mien.losses.distillation import Distillation


class Teacher(Protocol):
    """Answers pictures with probabilities a head."""

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return ``(n, classes)`` a head of pictures ``(n, channels, h, w)`` with values 0..255."""


@dataclass(frozen=True)
class Lesson:
    """What a student learns from its teacher.

    Attributes:
        teacher: answers the augmented pictures; None where the batches bring the answers along.
        temperature: see `losses.distillation`.
        share: of the teacher in a head's loss; 1 leaves the targets out.
    """

    teacher: Teacher | None
    temperature: float
    share: float

    def __deepcopy__(self, memo: dict[int, Any]) -> Lesson:
        """Share the teacher with copies of the student: a moving average of its weights needs no second one."""
        return self

    def losses(self, images: Tensor, logits: Mapping[str, Tensor], taught: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean divergence a head that both have.

        Args:
            images: that the student has answered.
            logits: its answers.
            taught: what the batch brings along of the teacher's answers, probabilities a head.
        """
        answers = taught
        if self.teacher is not None:
            with torch.no_grad():
                answers = self.teacher(images)
        return {
            name: masked(Distillation(logits[name].shape[1], self.temperature), logits[name], answers[name].float())
            for name in logits
            if name in answers
        }
