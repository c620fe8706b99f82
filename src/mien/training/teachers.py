"""Teachers: checkpoints and model folders whose mean answer a student learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from torch import Tensor

from mien.errors import RecipeError
from mien.models.network import Network
from mien.recognition.expression import ExpressionModel
from mien.training import checkpoint
from mien.training.distillation import Teacher

Labels = Mapping[str, tuple[str, ...]]


class CheckpointTeacher:
    """Answers with the network of a checkpoint, at the side it was trained for."""

    def __init__(self, path: Path) -> None:
        loaded = checkpoint.load(path)
        if not isinstance(loaded.network, Network):
            raise RecipeError(f"'{path}' is a checkpoint of the task '{loaded.recipe.task}' and cannot teach heads")
        self.network, self.labels = loaded.network, loaded.labels

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Return probabilities a head."""
        network = self.network.to(images.device)
        if images.shape[1] < network.channels:
            images = images.expand(-1, network.channels, -1, -1)
        return {
            name: network.heads[name].probabilities(logits.float())  # type: ignore[operator]
            for name, logits in network(images).items()
        }


class FolderTeacher:
    """Answers with the shipped graph of a model folder; pictures are resized to the side it takes."""

    def __init__(self, path: Path) -> None:
        self.model = ExpressionModel(path, precision="fp32")
        self.labels = {head.name: tuple(head.labels) for head in self.model.manifest.heads}

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Return probabilities a head."""
        crop = self.model.manifest.crop
        assert crop is not None  # a model with heads has a crop: the manifest's schema says so
        resized = F.interpolate(images, size=(crop.size, crop.size), mode="bilinear", antialias=True)
        pixels = (resized.expand(-1, 3, -1, -1) + 0.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        scores = self.model.predict(np.ascontiguousarray(pixels.cpu().numpy()))
        return {name: torch.from_numpy(found.values).to(images.device) for name, found in scores.items()}


class MeanTeacher:
    """Answers with the mean over teachers, a head for itself; teachers that lack a head are not asked for it."""

    def __init__(self, teachers: Sequence[Teacher]) -> None:
        self.teachers = tuple(teachers)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Return probabilities a head."""
        answers = [teacher(images) for teacher in self.teachers]
        names = {name for answer in answers for name in answer}
        return {name: torch.stack([answer[name] for answer in answers if name in answer]).mean(dim=0) for name in names}


def ask(teacher: Teacher, images: Tensor, batch: int = 256) -> dict[str, Tensor]:
    """Ask a teacher about pictures as they are and mirrored, and return its mean answers a head ``(n, classes)``.

    A terminal shows how far it is: ten thousands of pictures take minutes on a CPU.

    Args:
        teacher: is asked in bfloat16.
        images: ``uint8 (n, channels, h, w)``.
        batch: pictures a question.
    """
    parts: dict[str, list[Tensor]] = {}
    with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16):
        questions = torch.split(images, batch)
        for part in track(questions, "asking the teachers", console=Console(stderr=True), transient=True):
            views = [
                teacher(view.float().contiguous(memory_format=torch.channels_last)) for view in (part, part.flip(-1))
            ]
            for name in views[0]:
                parts.setdefault(name, []).append(torch.stack([view[name].float() for view in views]).mean(dim=0))
    return {name: torch.cat(found) for name, found in parts.items()}


def load(paths: Sequence[Path], heads: Labels) -> MeanTeacher:
    """Load teachers and check that they speak of the student's labels.

    Args:
        paths: checkpoint files, and folders or names of models.
        heads: the student's labels a head.

    Raises:
        RecipeError: a teacher shares no head with the student, or has other labels in a head of the same name.
        ModelError: a file or folder cannot be loaded.
    """
    teachers: list[Teacher] = []
    for path in paths:
        teacher = CheckpointTeacher(path) if checkpoint.meant(path) else FolderTeacher(path)
        shared = heads.keys() & teacher.labels.keys()
        if not shared:
            raise RecipeError(
                f"the teacher '{path}' has the heads {', '.join(teacher.labels)}, none of the student's: "
                f"{', '.join(heads)}"
            )
        for name in shared:
            if tuple(heads[name]) != tuple(teacher.labels[name]):
                raise RecipeError(f"the teacher '{path}' has other labels than the student in the head '{name}'")
        teachers.append(teacher)
    return MeanTeacher(teachers)
