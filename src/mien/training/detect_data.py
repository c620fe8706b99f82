"""Batches for the face detector: decoded photos in one memory-mapped file, crops drawn in loader processes.

Every batch is drawn from its own seed (recipe seed and batch number), so that a resumed training sees the batches that
an uninterrupted one would have seen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from mien.datasets.faces import Photo
from mien.errors import DataError
from mien.imaging import image as imaging
from mien.training.detect_crops import CropPolicy, Sample, draw
from mien.training.detect_light import LightPolicy, relight
from mien.training.detect_loss import FaceBatch
from mien.training.recipe import Section

GROUP = 16
"""Held-out photos in one validation step."""


class BatchPolicy(Section):
    """Says what a batch is made of.

    Attributes:
        sides: crop sides; each batch has one of them.
        sizes: crops a batch, for each of the sides.
        shares: how often each of the sides is drawn.
        sources: weight of a photo by its source; a source that is not named has weight 1.
        faceless: weight of a photo without faces, on top of its source's.
        crops: scale, place and turn.
        light: colour and camera faults.
    """

    sides: tuple[int, ...] = (256, 384, 640)
    sizes: tuple[int, ...] = (32, 14, 5)
    shares: tuple[float, ...] = (0.74, 0.18, 0.08)
    sources: dict[str, float] = {"wider": 2.5, "mask": 1.3}  # noqa: RUF012 (pydantic copies it)
    faceless: float = 1.0
    crops: CropPolicy = CropPolicy()
    light: LightPolicy = LightPolicy()


class PhotoCache:
    """Holds decoded photos in one file that all processes map.

    Args:
        photos: what to hold.
        path: of the file; it is written when it does not exist or has another size.
        longest: photos are shrunk to this longest side.
    """

    def __init__(self, photos: Sequence[Photo], path: Path, longest: int = 640) -> None:
        self.scales = [min(1.0, longest / max(photo.width, photo.height)) for photo in photos]
        self.shapes = [
            (max(round(photo.height * scale), 1), max(round(photo.width * scale), 1))
            for photo, scale in zip(photos, self.scales, strict=True)
        ]
        self.offsets = np.concatenate([[0], np.cumsum([height * width * 3 for height, width in self.shapes])])
        total = int(self.offsets[-1])
        if not path.is_file() or path.stat().st_size != total:
            self._write(photos, path, total)
        self.pixels = np.memmap(path, np.uint8, "r", shape=(total,))

    def _write(self, photos: Sequence[Photo], path: Path, total: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two trainings may begin at the same time: each writes a file of its own, and the last to end puts it in place.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.stem}-") as own:
            partial = Path(own) / path.name
            pixels = np.memmap(partial, np.uint8, "w+", shape=(total,))
            for at, (photo, (height, width)) in enumerate(zip(photos, self.shapes, strict=True)):
                image = imaging.read(photo.path)
                if image.shape[:2] != (photo.height, photo.width):
                    raise DataError(
                        f"{photo.path.name} is {image.shape[1]}x{image.shape[0]}, its annotation says "
                        f"{photo.width}x{photo.height}: boxes would not fit"
                    )
                if image.shape[:2] != (height, width):
                    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
                pixels[self.offsets[at] : self.offsets[at + 1]] = image.reshape(-1)
            pixels.flush()
            partial.replace(path)

    def __getitem__(self, at: int) -> NDArray[np.uint8]:
        height, width = self.shapes[at]
        return np.asarray(self.pixels[self.offsets[at] : self.offsets[at + 1]]).reshape(height, width, 3)


class FaceCrops(Dataset[FaceBatch]):
    """Offers whole batches by number; a batch depends on the seed and its number only.

    Args:
        photos: to draw from.
        cache: their pixels, in the same order.
        policy: what batches are made of.
        seed: of the training.
    """

    def __init__(self, photos: Sequence[Photo], cache: PhotoCache, policy: BatchPolicy, seed: int) -> None:
        if not photos:
            raise DataError("no photos to train the face detector on")
        self.cache, self.policy, self.seed = cache, policy, seed
        self.annotations = [
            (photo.xyxy * scale, photo.points * scale, photo.ignore)
            for photo, scale in zip(photos, cache.scales, strict=True)
        ]
        weights = np.array(
            [policy.sources.get(photo.source, 1.0) * (policy.faceless if photo.faceless else 1.0) for photo in photos]
        )
        if weights.sum() <= 0:
            raise DataError("every photo has weight 0: look at data.sources and data.faceless of the recipe")
        self.chances = np.cumsum(weights / weights.sum())

    def __getitem__(self, number: int) -> FaceBatch:
        policy = self.policy
        rng = np.random.default_rng([self.seed, number])
        shape = int(rng.choice(len(policy.sides), p=np.array(policy.shares) / sum(policy.shares)))
        side = policy.sides[shape]
        samples = [draw(lambda: self._pick(rng), side, policy.crops, rng) for _ in range(policy.sizes[shape])]
        return collate([Sample(relight(s.image, policy.light, rng), s.xyxy, s.points, s.ignore) for s in samples])

    def _pick(self, rng: np.random.Generator) -> Sample:
        at = min(int(np.searchsorted(self.chances, rng.random())), len(self.chances) - 1)
        return Sample(self.cache[at], *self.annotations[at])


class BatchNumbers(Sampler[int]):
    """Counts the batches of a run through, so that an epoch never repeats another's."""

    def __init__(self, batches: int) -> None:
        self.batches, self.epoch = batches, 0

    def set_epoch(self, epoch: int) -> None:
        """Start at an epoch; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.epoch * self.batches, (self.epoch + 1) * self.batches))


def collate(samples: Sequence[Sample]) -> FaceBatch:
    """Join crops of one size to a batch."""

    def rows(arrays: Sequence[NDArray[np.float32]], shape: tuple[int, ...]) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(arrays).reshape(-1, *shape).astype(np.float32))

    def owners(counts: Sequence[int]) -> torch.Tensor:
        return torch.from_numpy(np.repeat(np.arange(len(counts)), counts).astype(np.int64))

    wanted = [~sample.ignore for sample in samples]
    return FaceBatch(
        images=torch.from_numpy(np.stack([sample.image for sample in samples])),
        faces=rows([s.xyxy[w] for s, w in zip(samples, wanted, strict=True)], (4,)),
        points=rows([s.points[w] for s, w in zip(samples, wanted, strict=True)], (5, 2)),
        face_image=owners([int(w.sum()) for w in wanted]),
        ignore=rows([s.xyxy[~w] for s, w in zip(samples, wanted, strict=True)], (4,)),
        ignore_image=owners([int((~w).sum()) for w in wanted]),
    )


class FaceData(LightningDataModule):
    """Loads training batches in processes of their own, and held-out photos one group after the other.

    Args:
        crops: training batches by number.
        held: number of held-out photos.
        batches: training batches an epoch.
        workers: loader processes.
    """

    def __init__(self, crops: FaceCrops, held: int, batches: int, workers: int) -> None:
        super().__init__()
        self.crops, self.held, self.batches, self.workers = crops, held, batches, workers

    def train_dataloader(self) -> DataLoader[FaceBatch]:
        """Return the loader whose epochs go on where the one before ended."""
        return DataLoader(
            self.crops,
            batch_size=None,
            sampler=BatchNumbers(self.batches),
            num_workers=self.workers,
            prefetch_factor=6 if self.workers else None,
            persistent_workers=self.workers > 0,
            worker_init_fn=_single_thread,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the loader of groups of held-out photos, each photo by its place among them."""
        groups = [list(range(at, min(at + GROUP, self.held))) for at in range(0, self.held, GROUP)]
        return DataLoader(groups, batch_size=None)  # type: ignore[arg-type]


def _single_thread(worker: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
