"""What whole pictures convey: a linear probe of valence and arousal on the frozen features of a network of others.

900 photos are too few to train millions of weights, and enough for a ridge regression on what a network has learned
from a million pictures of things. The strength of the penalty is chosen within the training photos, and so is a factor
that gives the answers the spread of the truth (a penalised regression is too timid, which concordance punishes).
Folds never part photos of one theme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mien import labels
from mien.curation.table import Table
from mien.errors import DataError, MissingExtraError
from mien.evaluation import bootstrap, continuous
from mien.evaluation.bootstrap import Figure
from mien.imaging import align, image
from mien.models import backbones
from mien.models.backbones import mobilenet_v1
from mien.models.heads import Head
from mien.models.network import Network
from mien.results import Float

SET = "affect2"
HEAD = "affect"
# Larger than the network was trained at, because a picture's bars take a part of it.
SIZE = 320
MULTIPLIER = 0.75
# Every block's pooled output counts: early ones hold colour and texture, late ones things.
TAPS = tuple(range(1, 14))
#: Penalties that are tried, for features of unit variance and a kernel that is divided by their number.
PENALTIES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_EVEN = 1e-3  # A feature that never changes is not blown up.

Double = NDArray[np.float64]


@dataclass(frozen=True)
class Photos:
    """Photos with features and ratings.

    Attributes:
        features: ``float32 (n, 2, width)``, of the photo as it is and of its mirror image.
        target: ``(n, 2)``, valence and arousal from -1 to 1.
        group: theme of each photo ``(n,)``.
    """

    features: Float
    target: Double
    group: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.target)

    def at(self, rows: NDArray[np.int64]) -> Photos:
        """Return some of the photos."""
        return Photos(self.features[rows], self.target[rows], self.group[rows])


@dataclass(frozen=True)
class Probe:
    """A linear map from features to valence and arousal.

    Attributes:
        weight: ``(width, 2)``.
        bias: ``(2,)``.
        penalty: that was chosen for each value.
        stretch: factor of each value's deviations from the mean.
    """

    weight: Double
    bias: Double
    penalty: tuple[float, ...]
    stretch: tuple[float, ...]

    def __call__(self, features: Float) -> Double:
        """Return values ``(n, 2)`` of features ``(n, width)``, cut off at -1 and 1 as the graph does."""
        return np.asarray(np.clip(features @ self.weight + self.bias, -1.0, 1.0), np.float64)


def network(start: Path) -> Network:
    """Make the network with the weights of others and an empty head.

    Args:
        start: weights of Keras' MobileNetV1, see `backbones.mobilenet_v1.convert`.

    Raises:
        ModelError: they do not fit.
    """
    trunk = backbones.build("mobilenet_v1", 3, multiplier=MULTIPLIER, taps=TAPS, spread=True, framed=True)
    assert isinstance(trunk, mobilenet_v1.MobileNet)
    mobilenet_v1.convert(trunk, start)
    head = Head(trunk.width, len(labels.get(SET)), activation="clamp")
    return Network(trunk, {HEAD: head}, 3, normalise="half").eval().requires_grad_(False)


def read(table: Table, net: Network, *, say: Callable[[str], None] = lambda line: None) -> Photos:
    """Read a table's photos and return their features.

    Raises:
        DataError: a photo lacks valence or arousal, or there are too few groups for folds.
    """
    rows = list(table.rows(["image", "valence", "arousal", "group"]))
    for row in rows:
        if row["valence"] is None or row["arousal"] is None:
            raise DataError(f"{row['image']} has no valence and arousal; expected a table such as OASIS gives")
    group = [row["group"] or row["image"] for row in rows]
    if len(set(group)) < 25:
        raise DataError(f"{table.path} has {len(set(group))} groups of photos; folds within folds need at least 25")
    features = []
    for number, row in enumerate(rows, start=1):
        crop = align.whole(image.read(table.root / row["image"]), SIZE)
        both = torch.from_numpy(np.stack([crop, crop[:, ::-1]])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            features.append(net.backbone(net.prepare(both)).numpy())
        if number % 100 == 0:
            say(f"{number} photos")
    target = np.array([(row["valence"], row["arousal"]) for row in rows], np.float64)
    return Photos(np.stack(features), target, np.array(group))


def fit(photos: Photos, *, folds: int = 5, seed: int = 0) -> Probe:
    """Fit ridge regressions, their penalties and the spread of their answers chosen by grouped cross-validation."""
    ridge = _ridge()
    # A photo and its mirror image convey the same, so they stand as one row.
    flat = photos.features.mean(axis=1, dtype=np.float64)
    centre, spread = flat.mean(axis=0), photos.features.std(axis=(0, 1), dtype=np.float64) + _EVEN
    scale = spread * np.sqrt(flat.shape[1])
    z = (flat - centre) / scale
    kernel = z @ z.T
    weights, chosen, stretches = [], [], []
    for truth in photos.target.T:
        held = {penalty: _held(kernel, truth, photos.group, penalty, folds, seed) for penalty in PENALTIES}
        best = max(PENALTIES, key=lambda penalty: float(np.corrcoef(held[penalty], truth)[0, 1]))
        stretch = float(truth.std() / held[best].std())
        dual = ridge(best, kernel="precomputed").fit(kernel, truth - truth.mean()).dual_coef_
        weights.append(stretch * (z.T @ dual) / scale)
        chosen.append(best)
        stretches.append(stretch)
    weight = np.stack(weights, axis=1)
    return Probe(weight, photos.target.mean(axis=0) - centre @ weight, tuple(chosen), tuple(stretches))


def crossval(photos: Photos, *, folds: int = 5, seed: int = 0) -> Double:
    """Return what probes that had not seen a photo's theme say of it, from one look ``(n, 2)``."""
    out = np.zeros_like(photos.target)
    for train, rest in _folds(photos.group, folds, seed):
        out[rest] = fit(photos.at(train), folds=folds, seed=seed)(photos.features[rest, 0])
    return out


def figures(truth: Double, found: Double, *, draws: int = bootstrap.DRAWS) -> dict[str, dict[str, Figure]]:
    """Return figures with 95 % intervals over photos, by value and name; see `evaluation.continuous`."""
    out: dict[str, dict[str, Figure]] = {}
    for k, name in enumerate(labels.get(SET)):

        def measured(w: Double, k: int = k) -> Any:
            return continuous.metrics(truth[:, k], found[:, k], w)

        out[name] = bootstrap.measure(measured, len(truth), draws=draws)
    return out


def same_sign(truth: Double, found: Double, *, beyond: float = 0.3) -> tuple[int, int]:
    """Count photos that a probe calls clearly pleasant or unpleasant, and those of them that raters put on that side.

    Args:
        truth: ``(n, 2)``.
        found: ``(n, 2)``.
        beyond: valence from which, on either side, a photo is called so.
    """
    clear = np.abs(found[:, 0]) >= beyond
    return int(clear.sum()), int((np.sign(found[:, 0]) == np.sign(truth[:, 0]))[clear].sum())


def install(net: Network, probe: Probe) -> None:
    """Put a probe into the network's head."""
    linear = net.heads[HEAD].linear
    linear.weight.data = torch.from_numpy(probe.weight.T.astype(np.float32).copy())  # type: ignore[union-attr]
    linear.bias.data = torch.from_numpy(probe.bias.astype(np.float32))  # type: ignore[union-attr]


def _held(kernel: Double, truth: Double, group: NDArray[np.str_], penalty: float, folds: int, seed: int) -> Double:
    """Predict every photo by a ridge regression on the folds that lack its theme."""
    out = np.zeros_like(truth)
    for train, rest in _folds(group, folds, seed):
        mean = truth[train].mean()
        model = _ridge()(penalty, kernel="precomputed").fit(kernel[np.ix_(train, train)], truth[train] - mean)
        out[rest] = model.predict(kernel[np.ix_(rest, train)]) + mean
    return out


def _folds(group: NDArray[np.str_], folds: int, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import GroupKFold

    yield from GroupKFold(folds, shuffle=True, random_state=seed).split(group, groups=group)


def _ridge() -> Any:
    try:
        from sklearn.kernel_ridge import KernelRidge
    except ModuleNotFoundError as error:
        raise MissingExtraError("training on whole pictures", "train") from error
    return KernelRidge
