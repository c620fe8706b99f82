"""The Lightning module of tasks with heads: augment, mix, one pass, a loss a head; judged with one pass and flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from mien.imaging.align import TEMPLATES
from mien.losses import Loss, masked
from mien.models.network import Network
from mien.training.augment import Augment, agreement, augment, mix
from mien.training.augment.cover import Places
from mien.training.distillation import Lesson
from mien.training.judges import Judge
from mien.training.optim import optimiser, parameter_groups, scheduler
from mien.training.recipe import Recipe

Combination = Literal["fixed", "learned"]
#: How figures of batches become those of an epoch: their mean by rows, over all processes.
_TAUGHT = "taught "
_OVER_EPOCH: dict[str, Any] = {"on_step": False, "on_epoch": True, "sync_dist": True}


@dataclass(frozen=True)
class Objective:
    """What one head is trained and judged by.

    Attributes:
        loss: compares its logits with targets.
        weight: of its loss in the sum.
        judge: of its answers on the validation split.
    """

    loss: Loss
    weight: float
    judge: Judge


@dataclass(frozen=True)
class Frozen:
    """Says which stages of the backbone stand still, and how long.

    Attributes:
        stages: number of stages from the picture on; 0 is none.
        epochs: after so many epochs all stages move; 0 is never.
    """

    stages: int = 0
    epochs: int = 0


class HeadsModule(LightningModule):
    """Trains a network with several heads on batches of ``{"images", "targets", "hard", "weights"}``.

    Args:
        network: the model.
        objectives: what each head learns.
        recipe: optimiser, schedule and run.
        policy: augmentation.
        sizes: ``(part of the run, side)`` in rising order: the side of training pictures from that part on (Tan and
            Le 2021: small pictures first make early epochs cheap).
        combination: `learned` weighs the heads' losses by an uncertainty that is learnt a head (Kendall et al. 2018,
            ``exp(-s) * loss + s / 2``); `fixed` takes the weights as they are.
        frozen: stages that stand still.
        lesson: a teacher to learn from, beside or instead of the targets.
        points: five points of the crops' template in parts of the side (`imaging.align.TEMPLATES`), for covers.
    """

    def __init__(
        self,
        network: Network,
        objectives: Mapping[str, Objective],
        recipe: Recipe,
        policy: Augment,
        sizes: Sequence[tuple[float, int]],
        *,
        combination: Combination = "fixed",
        frozen: Frozen | None = None,
        lesson: Lesson | None = None,
        points: Places = TEMPLATES["fer"],
    ) -> None:
        super().__init__()
        self.network, self.recipe, self.policy, self.sizes = network, recipe, policy, tuple(sizes)
        self.objectives, self.points = dict(objectives), points
        self.losses = nn.ModuleDict({name: objective.loss for name, objective in objectives.items()})
        self.frozen, self.lesson = frozen or Frozen(), lesson
        self.uncertainty = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(())) for name in objectives} if combination == "learned" else {}
        )

    def done(self) -> float:
        """Return the part of the run's epochs that are done."""
        return self.trainer.current_epoch / max(self.trainer.max_epochs or 1, 1)

    def size(self) -> int:
        """Return the side of training pictures at this moment of the run."""
        return [side for start, side in self.sizes if start <= self.done()][-1]

    def on_train_epoch_start(self) -> None:
        """Let stages stand still or move, by epoch; norms of still stages keep their statistics."""
        still = self.frozen.stages if not self.frozen.epochs or self.current_epoch < self.frozen.epochs else 0
        for number, stage in enumerate(self.network.backbone.stages()):
            stage.requires_grad_(number >= still)
            stage.train(number >= still)

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> Tensor:
        """Return the combined loss of the heads on the augmented batch."""
        policy = self.policy.at(self.done())
        images = augment(batch["images"], policy, self.size(), self.points)
        taught = batch.get("taught", {})
        wanted = batch["targets"] | {f"{_TAUGHT}{name}": value for name, value in taught.items()}
        images, targets, weights = mix(images, wanted, batch["weights"], policy)
        taught = {name: targets[f"{_TAUGHT}{name}"] for name in taught}
        images = images.contiguous(memory_format=torch.channels_last)
        logits = self.network(images)
        lessons = self.lesson.losses(images, logits, taught) if self.lesson else {}
        total = images.new_zeros(())
        for name, objective in self.objectives.items():
            loss = masked(objective.loss, logits[name], targets[name], weights)
            if self.lesson and name in lessons:
                loss = (1 - self.lesson.share) * loss + self.lesson.share * lessons[name]
            if name in self.uncertainty:
                loss = torch.exp(-self.uncertainty[name]) * loss + self.uncertainty[name] / 2
            total = total + objective.weight * loss
            if objective.judge.main == "accuracy":
                # Also without a labelled row: where several processes train, all of them log the same figures.
                share, rows = agreement(logits[name].detach(), targets[name])
                self.log(f"train/{name}_accuracy", share, batch_size=rows, **_OVER_EPOCH)
        self.log("train/loss", total, batch_size=len(images), **_OVER_EPOCH)
        return total

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Judge the mean answer to the picture and its mirror image."""
        images = batch["images"].contiguous(memory_format=torch.channels_last)
        first, second = self.network(images), self.network(images.flip(-1))
        for name, objective in self.objectives.items():
            head = self.network.heads[name]
            answers = (head.probabilities(first[name].float()) + head.probabilities(second[name].float())) / 2  # type: ignore[operator]
            objective.judge.to(answers.device).update(answers, batch["targets"][name], batch["hard"][name])

    def on_validation_epoch_end(self) -> None:
        """Log each head's figures, the mean of the main ones as `val/accuracy`, the sum of losses as `val/loss`."""
        figures: dict[str, Tensor] = {}
        main, small = [], []
        for name, objective in self.objectives.items():
            found = objective.judge.compute()
            figures |= {f"val/{name}_{key}": value for key, value in found.items()}
            main.append(found[objective.judge.main])
            small.append(found["nll"] if "nll" in found else found["error"])
        figures["val/accuracy"], figures["val/loss"] = torch.stack(main).mean(), torch.stack(small).sum()
        self.log_dict(figures, sync_dist=False)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the confusion matrix a head of the last validation, as plain lists."""
        matrices = {name: objective.judge.confusion for name, objective in self.objectives.items()}
        checkpoint["confusion"] = {name: m.tolist() for name, m in matrices.items() if m is not None}

    def configure_optimizers(self) -> Any:
        """Make optimiser and schedule from the recipe."""
        groups = parameter_groups(self, self.network.backbone.stages(), self.recipe.optim)
        chosen = optimiser(groups, self.recipe.optim)
        steps = int(self.trainer.estimated_stepping_batches)
        return {
            "optimizer": chosen,
            "lr_scheduler": scheduler(chosen, self.recipe.schedule, steps, self.recipe.run.monitor),
        }
