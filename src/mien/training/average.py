"""One network whose weights are the mean of several courses' weights: a model soup, which answers at no extra cost.

It holds where the courses began at the same weights or one at the other's end, so that the way between them stays low
(Wortsman et al. 2022, arXiv 2203.05482; between a start and its fine-tuning, arXiv 2109.01903). Norms are measured
anew on training pictures, because their statistics do not average.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from torch.optim.swa_utils import update_bn

from mien.curation.table import Table
from mien.errors import RecipeError
from mien.training import checkpoint
from mien.training.checkpoint import Checkpoint
from mien.training.run import without_advice
from mien.training.tasks.expression import ExpressionRecipe, Teaching, assemble, load_splits

PICTURES = 8192
"""Training pictures, spread evenly, that norms are measured on."""
_BATCH = 512


def average(paths: Sequence[Path], shares: Sequence[float], table: Table, out: Path) -> dict[str, float]:
    """Write the mean of checkpoints as ``best.ckpt`` into a folder.

    Args:
        paths: of checkpoints of one network, two or more; the recipe of the last one is kept.
        shares: weight of each; they are brought to a sum of 1.
        table: its training split is what norms are measured on, its `val` split what the result is judged by.
        out: folder to write.

    Returns:
        Validation figures, as of a run.

    Raises:
        RecipeError: fewer than two checkpoints, shares that do not fit them, or networks that differ.
        ModelError: a file is no checkpoint of mien.
        DataError: the table does not hold what the heads need.
    """
    if len(paths) < 2 or len(shares) != len(paths):
        raise RecipeError(
            f"an average needs two checkpoints or more and a share of each, not {len(paths)} and {len(shares)}"
        )
    if min(shares) < 0 or sum(shares) <= 0:
        raise RecipeError(f"shares must not be negative, and one must be above 0, got {', '.join(map(str, shares))}")
    found = [checkpoint.load(path) for path in paths]
    recipe = _common(found)
    states = [each.network.state_dict() for each in found]
    mean = dict(states[-1])
    for name, value in mean.items():
        if value.is_floating_point():
            parts = (share / sum(shares) * state[name].double() for share, state in zip(shares, states, strict=True))
            mean[name] = torch.stack(list(parts)).sum(dim=0).to(value.dtype)
    train, val = load_splits(recipe, table)
    # Nothing is trained here: neither a start nor teachers are loaded to judge the network.
    plain = recipe.model_copy(update={"teaching": Teaching(), "model": recipe.model.model_copy(update={"start": None})})
    job = assemble(plain, train, val, table.digest())
    network = job.module.network
    assert isinstance(network, torch.nn.Module)
    network.load_state_dict(mean)
    rows = torch.linspace(0, len(train) - 1, min(PICTURES, len(train))).long()
    update_bn([train.images[part] for part in torch.split(rows, _BATCH)], network)
    judge = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    with without_advice():
        figures = judge.validate(job.module, job.data, verbose=False)[0]
    metrics = {name: float(value) for name, value in figures.items()}
    named = recipe.model_copy(update={"averaged": tuple(str(path) for path in paths)})
    facts = {
        "version": 1,
        "recipe": named.model_dump(mode="json"),
        "labels": {head: list(labels) for head, labels in job.labels.items()},
        "data_digest": job.data_digest,
        "epoch": found[-1].epoch,
        "metrics": metrics,
    }
    out.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": job.module.state_dict(), "mien": facts}, out / "best.ckpt")
    return metrics


def _common(found: Sequence[Checkpoint]) -> ExpressionRecipe:
    """Return the last one's recipe, if all networks have the same layers and answer with the same labels."""
    last = found[-1]
    if not isinstance(last.recipe, ExpressionRecipe):
        raise RecipeError(
            f"'{last.path}' is a checkpoint of the task '{last.recipe.task}'; 'expression' can be averaged"
        )
    shapes = {name: value.shape for name, value in last.network.state_dict().items()}
    for other in found[:-1]:
        own = {name: value.shape for name, value in other.network.state_dict().items()}
        if own != shapes or dict(other.labels) != dict(last.labels):
            raise RecipeError(f"'{other.path}' and '{last.path}' are not of one network: layers or labels differ")
    return last.recipe
