"""A model that can only use one part of the face must be explained by that part, whatever the method."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.errors import MienError, UnknownNameError
from mien.explain import METHODS, Subject, explain
from mien.explain.methods import kernel_shap, rise
from mien.explain.network import Inside
from mien.imaging.align import TEMPLATES
from mien.labels import of
from mien.manifest import Crop

SIZE = 32
LABELS = of("two", ["dull", "bright"])
PLACE = (slice(20, 28), slice(8, 24))
"""Where the mouth is, and the only pixels that the planted model looks at."""
OPTIONS = {
    "rise": {"masks": 600},
    "lime": {"samples": 400},
    "kernel_shap": {"samples": 400},
    "smooth_grad": {"copies": 10},
}


class Planted(nn.Module):
    """Answers 'bright' when the mouth is brighter than grey; other pixels do not reach the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 1)
        nn.init.constant_(self.features.weight, 1 / 3 / 64)
        with torch.no_grad():
            self.features.weight[1::2] *= -1
            self.features.bias.copy_(torch.tensor([-1.0, 3.0, -1.0, 3.0]))
        seen = torch.zeros(1, 1, SIZE, SIZE)
        seen[:, :, PLACE[0], PLACE[1]] = 1.0
        self.register_buffer("seen", seen)
        self.stage = Masked(self.features, seen)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stage(images)
        mean = maps.sum(dim=(2, 3)) / self.get_buffer("seen").sum()
        bright, dull = mean[:, ::2].mean(dim=1), mean[:, 1::2].mean(dim=1)
        return torch.stack([dull, bright], dim=1)


class Masked(nn.Module):
    """Feature maps that are zero outside the mouth."""

    def __init__(self, features: nn.Module, seen: Tensor) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("seen", seen)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.features(images).relu() * self.get_buffer("seen")
        return out


@pytest.fixture(scope="module")
def subject() -> Subject:
    torch.set_num_threads(1)
    network = Planted().eval().requires_grad_(False)
    inside = Inside(network, (network.stage,))
    crop = Crop(kind="align", size=SIZE, template=TEMPLATES["fer"])
    return Subject("planted", LABELS, crop, inside.answers, inside)


@pytest.fixture
def crops(rng: np.random.Generator) -> NDArray[np.uint8]:
    made = rng.integers(40, 120, (3, SIZE, SIZE, 3)).astype(np.uint8)
    made[:, PLACE[0], PLACE[1]] = rng.integers(200, 255, (3, 8, 16, 3))
    return made


@pytest.mark.parametrize("method", METHODS.names())
def test_the_only_region_that_matters_explains_the_answer(
    method: str, subject: Subject, crops: NDArray[np.uint8]
) -> None:
    found = explain(subject, crops, method=method, **OPTIONS.get(method, {}))
    assert found.maps.shape == (3, SIZE, SIZE)
    assert np.isfinite(found.maps).all()
    assert [LABELS.labels[t] for t in found.targets] == ["bright"] * 3
    for one in np.maximum(found.maps, 0):
        inside = one[PLACE].mean()
        outside = np.delete(one.ravel(), np.ravel_multi_index(np.mgrid[PLACE].reshape(2, -1), one.shape)).mean()
        assert inside > 4 * outside
        y, x = np.unravel_index(one.argmax(), one.shape)
        assert 18 <= y < 30
        assert 6 <= x < 26


@pytest.mark.parametrize("method", ["occlusion", "rise", "lime", "kernel_shap", "integrated_gradients"])
def test_the_same_region_speaks_against_the_other_label(
    method: str, subject: Subject, crops: NDArray[np.uint8]
) -> None:
    found = explain(subject, crops, method=method, target="dull", **OPTIONS.get(method, {}))
    assert (found.maps[:, PLACE[0], PLACE[1]].mean(axis=(1, 2)) < 0).all()


@pytest.mark.parametrize("method", METHODS.names())
def test_a_map_does_not_depend_on_its_neighbours(method: str, subject: Subject, crops: NDArray[np.uint8]) -> None:
    if method == "smooth_grad":
        pytest.skip("the noise is drawn for the whole batch")
    together = explain(subject, crops, method=method, **OPTIONS.get(method, {})).maps
    alone = explain(subject, crops[1:2], method=method, **OPTIONS.get(method, {})).maps
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", METHODS.names())
def test_a_method_prints_nothing(
    method: str, subject: Subject, crops: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    explain(subject, crops[:1], method=method, **OPTIONS.get(method, {}))
    said = capsys.readouterr()
    assert said.out == said.err == ""


def test_no_crops_give_no_maps(subject: Subject) -> None:
    assert explain(subject, np.zeros((0, SIZE, SIZE, 3), np.uint8), target="bright").maps.shape == (0, SIZE, SIZE)


def test_a_target_that_is_no_label_is_named(subject: Subject, crops: NDArray[np.uint8]) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'bright'"):
        explain(subject, crops, target="brihgt")


def test_a_method_that_looks_inside_needs_a_checkpoint(subject: Subject, crops: NDArray[np.uint8]) -> None:
    closed = Subject("graph", LABELS, subject.crop, subject.answers)
    with pytest.raises(MienError, match="give the checkpoint"):
        explain(closed, crops, method="grad_cam")


def test_crops_of_another_size_are_a_programming_mistake(subject: Subject) -> None:
    with pytest.raises(ValueError, match="crops must be uint8"):
        explain(subject, np.zeros((1, 48, 48, 3), np.uint8))


def test_kernel_shap_finds_the_shapley_values_of_a_game_with_interactions(rng: np.random.Generator) -> None:
    parts = 4
    table = rng.random(2**parts)

    def value(coalition: frozenset[int]) -> float:
        return float(table[sum(1 << i for i in coalition)])

    exact = np.zeros(parts)
    orders = list(permutations(range(parts)))
    for order in orders:
        for at, part in enumerate(order):
            before = frozenset(order[:at])
            exact[part] += (value(before | {part}) - value(before)) / len(orders)
    shown = kernel_shap.coalitions(parts, 40_000, seed=1).astype(np.float64)
    answers = np.array([value(frozenset(np.flatnonzero(row))) for row in shown])
    whole, hidden = value(frozenset(range(parts))), value(frozenset())
    found = kernel_shap.solve(shown, answers, hidden, whole)
    np.testing.assert_allclose(found, exact, atol=0.01)
    assert found.sum() == pytest.approx(whole - hidden)


def test_rise_masks_show_half_of_the_picture_softly() -> None:
    masks = rise.draw(48, 500, 7, 0.5, 0)
    assert masks.shape == (500, 48, 48)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert abs(masks.mean() - 0.5) < 0.02
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 0.1
