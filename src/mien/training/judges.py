"""Judges: what a head's answers on the validation split are worth, by the kind of its targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score
from torchmetrics.utilities import dim_zero_cat

from mien.evaluation import multilabel
from mien.training.targets import Kind


class Judge(nn.Module):
    """Collects answers over an epoch. The figure named `main` is what heads are averaged by.

    Attributes:
        confusion: rows by true label (first) and answer (second) ``(classes, classes)`` of the last epoch that was
            computed; None where answers are no labels.
    """

    main: str
    confusion: Tensor | None = None

    def update(self, answers: Tensor, targets: Tensor, hard: Tensor) -> None:
        """Take in a batch: answers ``(n, classes)``, targets ``(n, classes)`` with NaN for none, labels ``(n,)``."""
        raise NotImplementedError

    def compute(self) -> dict[str, Tensor]:
        """Return the figures and begin anew; `nll` or `error` is the one that is small when all is well."""
        raise NotImplementedError


class Categorical(Judge):
    """Accuracy, balanced accuracy (mean recall of labels), macro-F1 and log-loss against the targets."""

    main = "accuracy"

    def __init__(self, classes: int) -> None:
        super().__init__()
        # Where several processes train, each judges all rows, so that nothing is to be added up over them.
        own: dict[str, Any] = {"ignore_index": -1, "sync_on_compute": False}
        self.accuracy = MulticlassAccuracy(classes, average="micro", **own)
        self.balanced = MulticlassAccuracy(classes, average="macro", **own)
        self.f1 = MulticlassF1Score(classes, average="macro", **own)
        self.counts = MulticlassConfusionMatrix(classes, **own)
        self.nll = MeanMetric(sync_on_compute=False)

    def update(self, answers: Tensor, targets: Tensor, hard: Tensor) -> None:
        """Take in a batch of probabilities."""
        for metric in (self.accuracy, self.balanced, self.f1, self.counts):
            metric.update(answers, hard)
        known = ~targets.isnan().any(dim=-1)
        if bool(known.any()):
            self.nll.update(-(targets[known] * answers[known].clamp(min=1e-7).log()).sum(dim=-1))

    def compute(self) -> dict[str, Tensor]:
        """Return accuracy, balanced, f1 and nll; keep the confusion matrix."""
        named = {"accuracy": self.accuracy, "balanced": self.balanced, "f1": self.f1, "nll": self.nll}
        found = {name: metric.compute() for name, metric in named.items()}
        self.confusion = self.counts.compute()
        for metric in (*named.values(), self.counts):
            metric.reset()
        return found


class _Collected(Judge):
    """Keeps all answers of an epoch, for figures that are no mean over rows."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Tensor] = []
        self.targets: list[Tensor] = []

    def update(self, answers: Tensor, targets: Tensor, hard: Tensor) -> None:
        """Take in the rows of a batch that have a target."""
        known = ~targets.isnan().any(dim=-1)
        self.answers.append(answers[known].detach().cpu())
        self.targets.append(targets[known].detach().cpu())

    def taken(self) -> tuple[Tensor, Tensor]:
        """Return all answers and targets, and forget them."""
        found = dim_zero_cat(self.answers), dim_zero_cat(self.targets)
        self.answers, self.targets = [], []
        return found


class Present(_Collected):
    """Macro-F1 with each label's best threshold on these rows, mean average precision, binary log-loss."""

    main = "f1"

    def compute(self) -> dict[str, Tensor]:
        """Return f1, map and nll."""
        answers, targets = self.taken()
        scores, truth = answers.double().numpy(), targets.numpy() > 0.5
        once = np.ones((1, len(truth)))
        figures = multilabel.metrics(truth, scores, multilabel.tune(truth, scores), once)
        nll = nn.functional.binary_cross_entropy(answers.float().clamp(1e-6, 1 - 1e-6), targets.float())
        return {
            "f1": torch.tensor(float(figures["f1_macro"][0])),
            "map": torch.tensor(float(figures["map"][0])),
            "nll": nll,
        }


class Continuous(_Collected):
    """Concordance correlation coefficient (Lin 1989), mean over the values, and mean absolute error."""

    main = "ccc"

    def compute(self) -> dict[str, Tensor]:
        """Return ccc and error."""
        v, t = (x.double() for x in self.taken())
        error = (v - t).abs().mean()
        dv, dt = v - v.mean(dim=0), t - t.mean(dim=0)
        shift = (v.mean(dim=0) - t.mean(dim=0)).square()
        ccc = 2 * (dv * dt).mean(dim=0) / (dv.square().mean(dim=0) + dt.square().mean(dim=0) + shift + 1e-12)
        return {"ccc": ccc.mean().float(), "error": error.float()}


def judge(kind: Kind, classes: int) -> Judge:
    """Return the judge for a kind of target."""
    if kind in ("label", "votes"):
        return Categorical(classes)
    return Present() if kind == "present" else Continuous()
