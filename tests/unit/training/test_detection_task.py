from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import mien
from mien.datasets.faces import Photo, held_out, read_photos
from mien.errors import DataError, RecipeError
from mien.models.face import FaceNet
from mien.models.face_decode import FaceDetector
from mien.runtime.session import open_graph
from mien.training import checkpoint
from mien.training import recipe as recipes
from mien.training.detect_data import BatchNumbers, BatchPolicy, FaceCrops, PhotoCache
from mien.training.job import Inputs
from mien.training.run import train
from mien.training.tasks import detection

TINY = {
    "task": "detection",
    "name": "tiny",
    "model": {"widths": [8, 8, 8, 8, 8], "depths": [0, 0, 0, 0], "neck": 8, "compile": False},
    "photos": {"batches": 2, "workers": 0, "longest": 128},
    "batches": {"sides": [64], "sizes": [4], "shares": [1.0]},
    "judge": {"side": 64, "threshold": 0.05},
    "optim": {"name": "adamw", "lr": 1e-3, "momentum": 0.9},
    "run": {"epochs": 2, "precision": "32-true", "accelerator": "cpu", "ema": 0.9, "monitor": "val/ap16"},
}


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty photos with a bright square for a face."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        name = f"{number}.png"
        x, y, side = (int(v) for v in rng.integers(20, 60, 3))
        image = rng.integers(0, 60, (128, 160, 3), dtype=np.uint8)
        image[y : y + side, x : x + side] = 220
        cv2.imwrite(str(folder / name), image)
        face = {"box": [x, y, side, side], "ignore": False, "by": "dataset", "points": [[x + 5, y + 5]] * 5}
        faces = [] if number % 5 == 0 else [face]
        rows.append(json.dumps({"image": name, "width": 160, "height": 128, "source": "made", "faces": faces}))
    (folder / "faces.jsonl").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def photos(annotations: Path) -> list[Photo]:
    return list(read_photos(annotations))


def crops(photos: list[Photo], folder: Path, seed: int = 3) -> FaceCrops:
    policy = BatchPolicy(sides=(64, 96), sizes=(3, 2), shares=(0.5, 0.5))
    return FaceCrops(photos, PhotoCache(photos, folder / "photos.u8"), policy, seed)


def test_the_cache_holds_the_pixels_and_is_written_once(photos: list[Photo], tmp_path: Path) -> None:
    path = tmp_path / "photos.u8"
    cache = PhotoCache(photos, path)
    bgr = cv2.imread(str(photos[7].path))
    assert bgr is not None
    assert (cache[7] == bgr[..., ::-1]).all()
    written = path.stat().st_mtime_ns
    PhotoCache(photos, path)
    assert path.stat().st_mtime_ns == written


def test_large_photos_are_shrunk_with_their_boxes(photos: list[Photo], tmp_path: Path) -> None:
    cache = PhotoCache(photos, tmp_path / "small.u8", longest=80)
    assert cache[1].shape == (64, 80, 3)
    data = FaceCrops(photos, cache, BatchPolicy(), 0)
    np.testing.assert_allclose(data.annotations[1][0], photos[1].xyxy / 2)


def test_an_annotation_of_another_size_is_refused(photos: list[Photo], tmp_path: Path) -> None:
    wrong = Photo(**{**vars(photos[1]), "width": 300})
    with pytest.raises(DataError, match=r"is 160x128, its annotation says 300x128"):
        PhotoCache([wrong], tmp_path / "wrong.u8")
    assert not list(tmp_path.iterdir())


def test_trainings_that_begin_together_all_get_a_cache(photos: list[Photo], tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: PhotoCache(photos, tmp_path / "photos.u8"), range(4)))
    for cache in made:
        assert (cache[7] == made[0][7]).all()
        assert cache[7].any()
    assert [path.name for path in tmp_path.iterdir()] == ["photos.u8"]


def test_a_batch_depends_on_seed_and_number_only(photos: list[Photo], tmp_path: Path) -> None:
    first, second = crops(photos, tmp_path), crops(photos, tmp_path)
    first[4]
    assert torch.equal(first[5].images, second[5].images)
    assert torch.equal(first[5].faces, second[5].faces)
    assert not torch.equal(first[5].faces[:1], crops(photos, tmp_path, seed=4)[5].faces[:1])


def test_a_batch_names_the_crop_of_each_face(photos: list[Photo], tmp_path: Path) -> None:
    for number in range(6):
        batch = crops(photos, tmp_path)[number]
        assert len(batch.faces) == len(batch.points) == len(batch.face_image)
        for box, crop in zip(batch.faces, batch.face_image, strict=True):
            x1, y1, x2, y2 = (int(v) for v in box.round())
            assert 0 <= int(crop) < len(batch.images)
            assert x2 <= batch.images.shape[2]
            assert y2 <= batch.images.shape[1]
            assert x1 < x2
            assert y1 < y2


def test_epochs_count_on(photos: list[Photo], tmp_path: Path) -> None:
    numbers = BatchNumbers(3)
    first = list(numbers)
    numbers.set_epoch(2)
    assert (first, list(numbers), len(numbers)) == ([0, 1, 2], [6, 7, 8], 3)
    loader = DataLoader(crops(photos, tmp_path), batch_size=None, sampler=numbers)
    assert len(list(loader)) == 3


def test_no_weight_for_any_photo_is_refused(photos: list[Photo], tmp_path: Path) -> None:
    cache = PhotoCache(photos, tmp_path / "photos.u8")
    with pytest.raises(DataError, match="weight 0"):
        FaceCrops(photos, cache, BatchPolicy(sources={"made": 0.0}), 0)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # Lightning's own
def test_two_epochs_leave_a_checkpoint_that_loads_into_the_network(annotations: Path, tmp_path: Path) -> None:
    recipe = recipes.parse(TINY)
    outcome = train(recipe, Inputs(table=annotations, cache=tmp_path), tmp_path / "run", progress=False)
    assert {"val/ap16", "val/ap32", "val/point_error", "val/clean"} <= set(outcome.metrics)
    saved = torch.load(outcome.best, weights_only=True)
    state = {k.removeprefix("network."): v for k, v in saved["state_dict"].items() if k.startswith("network.")}
    assert isinstance(recipe, detection.DetectionRecipe)
    detection.network(recipe).load_state_dict(state)


def test_training_needs_photos(tmp_path: Path, annotations: Path) -> None:
    recipe = recipes.parse(TINY)
    with pytest.raises(RecipeError, match=r"faces\.jsonl"):
        detection.build(recipe, Inputs())  # type: ignore[arg-type]
    lines = (annotations / "faces.jsonl").read_text().splitlines()
    (tmp_path / "faces.jsonl").write_text("\n".join(line for line in lines if held_out(json.loads(line)["image"])))
    with pytest.raises(DataError, match="0 photos to train on"):
        detection.build(recipe, Inputs(table=tmp_path))  # type: ignore[arg-type]


def test_an_unknown_key_of_a_crop_policy_names_the_near_one() -> None:
    with pytest.raises(RecipeError, match=r"Did you mean 'batches\.crops\.mosaic'"):
        recipes.parse({**TINY, "batches": {"crops": {"mosaik": 0.2}}})


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # Lightning's own
def test_a_larger_network_starts_where_a_smaller_one_ended(annotations: Path, tmp_path: Path) -> None:
    inputs = Inputs(table=annotations, cache=tmp_path)
    short = TINY | {"run": {**TINY["run"], "epochs": 1}}  # type: ignore[dict-item]
    small = train(recipes.parse(short), inputs, tmp_path / "small", progress=False).best
    grown = TINY | {"model": {**TINY["model"], "widths": [8, 8, 16, 8, 8], "start": str(small)}}  # type: ignore[dict-item]
    net = detection.build(recipes.parse(grown), inputs).module.network  # type: ignore[arg-type]
    assert isinstance(net, FaceNet)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        for ours, theirs in zip(net.eval()(x), checkpoint.load(small).network(x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    less = grown | {"model": {**grown["model"], "widths": [8, 8, 4, 8, 8]}}  # type: ignore[dict-item]
    with pytest.raises(RecipeError, match=r"model\.start: .* does not fit into the network of this recipe"):
        detection.build(recipes.parse(less), inputs)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_the_shipped_detector_is_trained_on_from_its_folder(annotations: Path, tmp_path: Path) -> None:
    folder = Path(mien.__file__).parent / "assets" / "face"
    shipped = {"widths": [16, 32, 64, 64, 96], "depths": [0, 2, 2, 1], "neck": 64, "compile": False}
    recipe = recipes.parse(TINY | {"model": shipped | {"start": str(folder)}})
    net: Any = detection.build(recipe, Inputs(table=annotations, cache=tmp_path)).module.network  # type: ignore[arg-type]
    images = torch.randint(0, 256, (1, 96, 96, 3), dtype=torch.uint8)
    ours = FaceDetector(net.eval())(images)
    theirs = open_graph(folder / "model.onnx").run(None, {"image": images.numpy()})
    for mine, graph in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine[:, :20], torch.from_numpy(graph[:, :20]), atol=0.01, rtol=1e-3)


@pytest.mark.parametrize("name", ["face", "face-small", "face-tuned", "face-muon"])
def test_the_shipped_recipes_are_valid(name: str) -> None:
    recipe = recipes.load(Path(__file__).resolve().parents[3] / f"recipes/{name}.toml")
    assert isinstance(recipe, detection.DetectionRecipe)
    assert sum(p.numel() for p in detection.network(recipe).parameters()) <= 500_000
