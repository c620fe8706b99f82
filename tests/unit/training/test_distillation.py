"""What a copy of a student does with its teacher."""

import copy
import threading

import torch
from torch import Tensor

from mien.training.distillation import Lesson


class Teacher:
    """Holds what cannot be copied, as a session of onnxruntime does."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        return {"expression": torch.full((len(images), 2), 0.5)}


def test_a_moving_average_of_the_student_shares_the_teacher() -> None:
    lesson = Lesson(Teacher(), temperature=2.0, share=0.5)
    copied = copy.deepcopy({"student": torch.zeros(1), "lesson": lesson})
    assert copied["lesson"].teacher is lesson.teacher


def test_answers_that_were_given_once_teach_as_the_teacher_would() -> None:
    pictures, logits = torch.rand(6, 1, 8, 8), {"expression": torch.randn(6, 2)}
    asked = Lesson(Teacher(), temperature=2.0, share=0.5).losses(pictures, logits, {})
    told = Lesson(None, temperature=2.0, share=0.5).losses(pictures, logits, Teacher()(pictures))
    torch.testing.assert_close(told, asked)
    assert Lesson(None, temperature=2.0, share=0.5).losses(pictures, logits, {}) == {}
