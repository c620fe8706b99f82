"""Training data in memory: pictures and targets as tensors, in an order that follows from seed and epoch alone.

Small crops fit in memory whole (FER-2013 is 74 MB), so a batch is one indexing operation and loading costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mien.curation.table import Table
from mien.errors import DataError
from mien.training import targets as reading
from mien.training.job import Fold
from mien.training.targets import Target

Batch = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """One split in memory.

    Attributes:
        images: ``uint8 (n, channels, size, size)``.
        targets: a head's targets ``float32 (n, classes)``; rows without one are NaN.
        hard: a head's label to be judged against ``int64 (n,)``; -1 for none.
        weights: each row's share in the loss ``float32 (n,)``.
        groups: each row's subject or group, None where the table says none; they stay together in a fold.
        taught: a head's answers by teachers ``float32 (n, classes)``, where they were asked once and for all.
    """

    images: Tensor
    targets: dict[str, Tensor]
    hard: dict[str, Tensor]
    weights: Tensor
    groups: tuple[str | None, ...]
    taught: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, rows: Any) -> Batch:
        """Return the rows (any tensor index) as what a training step takes."""
        return {
            "images": self.images[rows],
            "targets": {name: value[rows] for name, value in self.targets.items()},
            "hard": {name: value[rows] for name, value in self.hard.items()},
            "weights": self.weights[rows],
            "taught": {name: value[rows] for name, value in self.taught.items()},
        }

    def subset(self, rows: NDArray[np.int64]) -> Split:
        """Return some rows as a split of its own."""
        part = self.batch(torch.from_numpy(rows))
        return Split(**part, groups=tuple(self.groups[row] for row in rows))


def join(split: Split, images: Tensor) -> Split:
    """Append pictures ``(m, channels, size, size)`` that nobody has labelled: no head has a target for them."""
    count = len(images)

    def empty(value: Tensor, filler: float) -> Tensor:
        return torch.cat([value, value.new_full((count, *value.shape[1:]), filler)])

    return Split(
        torch.cat([split.images, images]),
        {name: empty(value, float("nan")) for name, value in split.targets.items()},
        {name: empty(value, -1) for name, value in split.hard.items()},
        empty(split.weights, 1.0),
        (*split.groups, *([None] * count)),
    )


def load_pictures(table: Table, split: str, *, size: int, channels: int, limit: int | None = None) -> Tensor:
    """Read the pictures of a split without their labels, ``uint8 (n, channels, size, size)``.

    Args:
        table: where they are listed.
        split: which of them.
        size: side that they must have.
        channels: 1 for grey, 3 for colour.
        limit: pictures at most, spread evenly over the split; None is all.

    Raises:
        DataError: the split is empty, or a picture does not decode or has the wrong size.
    """
    names = _at_most([row["image"] for row in table.read(["image"], split=split).to_pylist()], limit)
    if not names:
        raise DataError(f"'{table.path}' has no rows in split '{split}'")
    return torch.from_numpy(np.stack(_pictures([table.root / name for name in names], size, channels)))


def _at_most(rows: list[Any], limit: int | None) -> list[Any]:
    """Return rows spread evenly over all of them, as some sets are sorted by class."""
    if limit is None or limit >= len(rows):
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, limit).astype(int)]


def _pictures(paths: Sequence[Path], size: int, channels: int) -> list[NDArray[np.uint8]]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda path: _picture(path, size, channels), paths))


def load_split(
    table: Table, split: str, targets: Mapping[str, Target], *, size: int, channels: int, limit: int | None = None
) -> Split:
    """Read a split of a table into memory.

    Raises:
        DataError: the split is empty, a picture does not decode or has the wrong size, a label is unknown, or a head
            has no row with a target.
    """
    rows: list[dict[str, Any]] = _at_most(table.read(split=split).to_pylist(maps_as_pydicts="strict"), limit)
    if not rows:
        raise DataError(f"'{table.path}' has no rows in split '{split}'; mien data split makes one")
    pictures = _pictures([table.root / row["image"] for row in rows], size, channels)
    made = {
        name: reading.read(rows, target, f"head '{name}', split '{split}' of '{table.path}'")
        for name, target in targets.items()
    }
    weights = np.array([1.0 if row["weight"] is None else row["weight"] for row in rows], np.float32)
    return Split(
        torch.from_numpy(np.stack(pictures)),
        {name: torch.from_numpy(soft) for name, (soft, _) in made.items()},
        {name: torch.from_numpy(hard) for name, (_, hard) in made.items()},
        torch.from_numpy(weights),
        tuple(row["subject"] or row["group"] for row in rows),
    )


def _picture(path: Path, size: int, channels: int) -> NDArray[np.uint8]:
    """Decode a crop as ``(channels, size, size)``."""
    found = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR_RGB)
    if found is None:
        raise DataError(f"'{path}' is missing or no picture")
    if found.shape[:2] != (size, size):
        raise DataError(
            f"'{path}' is {found.shape[1]}x{found.shape[0]}, the recipe wants crops of {size}x{size}; mien data crop "
            "makes them"
        )
    return np.asarray(found, np.uint8).reshape(size, size, channels).transpose(2, 0, 1)


def counts(targets: Tensor) -> list[float]:
    """Return how many rows each label has, ``(classes,)``, a spread target counting in parts."""
    return [float(value) for value in targets.nan_to_num(0.0).sum(dim=0)]


def balancing_weights(hard: Tensor) -> Tensor:
    """Return each row's chance to be drawn so that every label comes up equally often; rows without one as the mean."""
    number = torch.bincount(hard[hard >= 0]).clamp(min=1).float()
    chance = torch.where(hard >= 0, 1.0 / number[hard.clamp(min=0)], 0.0)
    return torch.where(hard >= 0, chance, chance[hard >= 0].mean())


def fold(split: Split, head: str, part: Fold, seed: int) -> tuple[Split, Split]:
    """Cut a split into what a fold trains on and what it is judged on.

    Folds are stratified by the head's labels, and rows of one subject or group stay together.

    Raises:
        DataError: fewer subjects or rows than folds.
    """
    hard = split.hard[head].numpy()
    places = {name: number for number, name in enumerate(dict.fromkeys(split.groups))}
    groups = np.array([places[name] if name is not None else len(places) + i for i, name in enumerate(split.groups)])
    if len(np.unique(groups)) < part.count:
        raise DataError(
            f"{part.count} folds need as many subjects or rows; the training split has {len(np.unique(groups))}"
        )
    cutter = StratifiedGroupKFold(part.count, shuffle=True, random_state=seed)
    train, val = list(cutter.split(np.zeros(len(hard)), hard, groups))[part.index]
    return split.subset(train), split.subset(val)


class _Rows(Dataset[Batch]):
    """Answers a list of row numbers with one batch."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, rows: Any) -> Batch:
        return self.split.batch(rows)


class EpochSampler(Sampler[list[int]]):
    """Yields batches of row numbers in an order that follows from seed and epoch alone.

    Args:
        count: rows.
        batch_size: rows a batch over all processes; a last batch that is not full is left out where another exists.
        seed: of the run.
        weights: chance of each row, ``(count,)``, to be drawn with replacement; None takes every row once.
        rank: number of this process.
        world: number of processes; each takes its share of every batch.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int, weights: Tensor | None = None, rank: int = 0, world: int = 1
    ) -> None:
        self.count, self.batch_size, self.seed, self.weights = count, min(batch_size, count), seed, weights
        self.rank, self.world, self.epoch = rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        """Tell the epoch; the trainer calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        if self.weights is None:
            order = torch.randperm(self.count, generator=generator)
        else:
            order = torch.multinomial(self.weights.double(), self.count, replacement=True, generator=generator)
        for batch in order[: len(self) * self.batch_size].view(-1, self.batch_size):
            yield batch[self.rank :: self.world].tolist()


class CropData(LightningDataModule):
    """Loaders over splits in memory.

    Args:
        train: training split.
        val: validation split.
        batch_size: rows a step, over all processes.
        seed: of the run.
        weights: chance of each training row, None for every row once.
    """

    def __init__(self, train: Split, val: Split, batch_size: int, seed: int, weights: Tensor | None = None) -> None:
        super().__init__()
        self.train, self.val, self.batch_size, self.seed, self.weights = train, val, batch_size, seed, weights

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the shuffled loader; its batches are made by the sampler."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sampler = EpochSampler(len(self.train), self.batch_size, self.seed, self.weights, rank, world)
        return DataLoader(_Rows(self.train), sampler=sampler, batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation loader, in table order."""
        rows = [list(range(i, min(i + 512, len(self.val)))) for i in range(0, len(self.val), 512)]
        return DataLoader(_Rows(self.val), sampler=rows, batch_size=None)
