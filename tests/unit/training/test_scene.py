from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.fixtures import tables

from mien.curation.table import write_table

pytest.importorskip("torch", reason="needs the extra 'train'")

from mien.errors import DataError
from mien.training import scene


def photos(rng: np.random.Generator, themes: int = 40, noise: float = 0.08) -> scene.Photos:
    """Photos of themes, three each: features tell of valence through a few directions, arousal through others."""
    group = np.repeat([f"theme {i}" for i in range(themes)], 3)
    look = np.repeat(rng.normal(0, 1, (themes, 60)), 3, axis=0) + rng.normal(0, 0.5, (3 * themes, 60))
    weight = np.zeros((60, 2))
    weight[:4, 0], weight[4:8, 1] = 0.12, -0.1
    target = look @ weight + rng.normal(0, noise, (3 * themes, 2))
    both = np.stack([look, look + rng.normal(0, 0.05, look.shape)], axis=1)
    return scene.Photos(both.astype(np.float32), np.clip(target, -1, 1), group)


def test_themes_never_part_between_folds(rng: np.random.Generator) -> None:
    made = photos(rng)
    seen = np.zeros(len(made), int)
    for train, rest in scene._folds(made.group, 5, 0):
        assert not set(made.group[train]) & set(made.group[rest])
        seen[rest] += 1
    assert (seen == 1).all()


def test_what_features_tell_is_found_with_the_spread_of_the_truth(rng: np.random.Generator) -> None:
    made = photos(rng)
    found = scene.crossval(made)
    figures = scene.figures(made.target, found, draws=200)
    for value in ("valence", "arousal"):
        assert figures[value]["ccc"].value > 0.4
        assert figures[value]["ccc"].low < figures[value]["ccc"].value < figures[value]["ccc"].high
    np.testing.assert_allclose(found.std(axis=0), made.target.std(axis=0), rtol=0.35)


def test_of_chance_nothing_is_found(rng: np.random.Generator) -> None:
    made = photos(rng)
    shuffled = scene.Photos(made.features, rng.permutation(made.target), made.group)
    assert scene.figures(shuffled.target, scene.crossval(shuffled), draws=50)["valence"]["ccc"].value < 0.3


def test_the_network_computes_what_the_probe_says(shared: Path, rng: np.random.Generator) -> None:
    import torch

    net = scene.network(shared / "models" / "mobilenet_v1_0.75_224.npz")
    width = net.backbone.width
    probe = scene.Probe(rng.normal(0, 0.01, (width, 2)), np.array([0.1, -0.2]), (1.0, 1.0), (1.0, 1.0))
    scene.install(net, probe)
    pictures = torch.from_numpy(rng.integers(0, 256, (2, 3, 64, 64), dtype=np.uint8))
    with torch.inference_mode():
        features = net.backbone(net.prepare(pictures)).numpy()
        answers = net.heads[scene.HEAD].probabilities(net(pictures)[scene.HEAD]).numpy()
    np.testing.assert_allclose(answers, probe(features), atol=1e-4)


def test_few_themes_and_photos_without_ratings_are_refused(shared: Path, tmp_path: Path) -> None:
    net = scene.network(shared / "models" / "mobilenet_v1_0.75_224.npz")
    with pytest.raises(DataError, match="10 groups of photos; folds within folds need at least 25"):
        scene.read(tables.spots(tmp_path / "few", train=7, val=3), net)
    unrated = write_table(tmp_path / "unrated.parquet", [{"image": "a.png", "source": "made", "width": 1, "height": 1}])
    with pytest.raises(DataError, match=r"a\.png has no valence and arousal"):
        scene.read(unrated, net)
