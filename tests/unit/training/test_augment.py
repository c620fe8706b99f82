from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torchmetrics.functional.classification import multiclass_accuracy
from torchvision.transforms.functional import adjust_saturation

from mien.imaging.align import TEMPLATES
from mien.training.augment import Augment, agreement, augment, mix
from mien.training.augment.auto import automatic
from mien.training.augment.camera import blurred
from mien.training.augment.cover import cover, erase, rectangle
from mien.training.augment.frame import frame
from mien.training.augment.light import colour


@pytest.fixture
def faces() -> torch.Tensor:
    torch.manual_seed(4)
    return torch.randint(0, 256, (16, 1, 24, 24), dtype=torch.uint8)


def test_nothing_is_changed_by_default(faces: torch.Tensor) -> None:
    torch.testing.assert_close(augment(faces, Augment(), 24), faces.float(), atol=2e-3, rtol=0)


def test_a_sure_flip_is_the_mirror_image(faces: torch.Tensor) -> None:
    torch.testing.assert_close(frame(faces.float(), Augment(flip=1.0), 24), faces.float().flip(-1), atol=2e-3, rtol=0)


def test_a_turn_is_opencvs(faces: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    smooth = torch.from_numpy(gaussian_filter(faces.float().numpy(), (0, 0, 2, 2)))
    torch.manual_seed(1)
    found = frame(smooth, Augment(rotate=30), 24)
    torch.manual_seed(1)
    angles = torch.rand(16) * 60 - 30
    for picture, turned, angle in zip(smooth, found, angles, strict=True):
        matrix = cv2.getRotationMatrix2D((11.5, 11.5), float(angle), 1.0)
        expected = cv2.warpAffine(picture[0].numpy(), matrix, (24, 24), flags=cv2.INTER_LINEAR)
        # Compare where no border rule matters.
        np.testing.assert_allclose(turned[0, 8:16, 8:16], expected[8:16, 8:16], atol=2.0)


def test_zoom_keeps_the_centre_and_scales_about_it() -> None:
    ramp = torch.arange(24.0).repeat(24, 1)[None, None] * 10
    torch.manual_seed(0)
    found = frame(ramp, Augment(scale=(2.0, 2.0)), 24)
    assert found[0, 0, 12, 12] - found[0, 0, 12, 11] == pytest.approx(5.0, abs=1e-3)
    assert float(found[0, 0, 12].mean()) == pytest.approx(115.0, abs=1e-2)


def test_the_result_has_the_asked_side_and_stays_in_range(faces: torch.Tensor) -> None:
    torch.manual_seed(2)
    strong = Augment(
        flip=0.5, rotate=40, shift=0.3, scale=(0.5, 2.0), stretch=0.3, brightness=0.5, contrast=(0.3, 3.0),
        gamma=(0.4, 2.5), blur=0.5, small=0.5, noise=0.5, noise_sigma=(20.0, 60.0), jpeg=0.5, erase=0.5,
    )  # fmt: skip
    for _ in range(5):
        found = augment(faces, strong, 32)
        assert found.shape == (16, 1, 32, 32)
        assert found.isfinite().all()
        assert found.min() >= 0
        assert found.max() <= 255


def test_colour_pictures_pass_every_step() -> None:
    torch.manual_seed(2)
    policy = Augment(blur=1.0, small=1.0, jpeg=1.0, noise=1.0, erase=1.0)
    assert augment(torch.full((3, 3, 20, 20), 128, dtype=torch.uint8), policy, 20).shape == (3, 3, 20, 20)


def test_each_picture_is_blurred_with_its_own_sigma_as_scipy_does(faces: torch.Tensor) -> None:
    sigma = torch.linspace(0.5, 2.0, 16)
    found = blurred(faces.float(), sigma)
    for picture, s, one in zip(faces, sigma, found, strict=True):
        expected = gaussian_filter(picture[0].numpy().astype(float), float(s), mode="nearest", radius=6)
        np.testing.assert_allclose(one[0].numpy(), expected, atol=0.6)


def test_erasing_covers_a_share_of_the_picture_within_its_range(faces: torch.Tensor) -> None:
    torch.manual_seed(3)
    blank = torch.full((400, 1, 48, 48), -1.0)
    covered = (erase(blank, Augment(erase=1.0, erase_area=(0.1, 0.2))) >= 0).float().mean(dim=(1, 2, 3))
    assert covered.min() > 0.05
    assert covered.max() < 0.25
    assert float(covered.mean()) == pytest.approx(0.15, abs=0.02)


def test_mixup_mixes_pictures_targets_and_weights_alike() -> None:
    torch.manual_seed(5)
    value = torch.rand(32)
    x, targets, weights = mix(
        value.view(-1, 1, 1, 1).expand(32, 1, 4, 4).clone(), {"a": value[:, None]}, value, Augment(mixup=1.0)
    )
    torch.testing.assert_close(x[:, 0, 0, 0], targets["a"][:, 0])
    torch.testing.assert_close(weights, targets["a"][:, 0])
    assert not torch.equal(weights, value)


def test_cutmix_shares_follow_the_area_that_is_really_covered() -> None:
    torch.manual_seed(6)
    value = torch.arange(64.0)
    x, targets, _ = mix(
        value.view(-1, 1, 1, 1).expand(64, 1, 16, 16).clone(), {"a": value[:, None]}, value, Augment(cutmix=1.0)
    )
    torch.testing.assert_close(x.mean(dim=(1, 2, 3)), targets["a"][:, 0], atol=1e-4, rtol=1e-4)
    assert x.std(dim=(1, 2, 3)).max() > 0


def test_a_target_that_is_missing_on_one_side_is_missing_in_the_mixture() -> None:
    torch.manual_seed(7)
    target = torch.tensor([[float("nan")], [1.0], [0.0], [1.0]])
    _, targets, _ = mix(torch.zeros(4, 1, 2, 2), {"a": target}, torch.ones(4), Augment(mixup=1.0))
    assert targets["a"].isnan()[0]


def test_a_rectangle_over_the_whole_picture_covers_all_of_it() -> None:
    zero, one = torch.zeros(1), torch.ones(1)
    assert rectangle(zero, zero, one, one, 5, 7).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["trivial", "rand"])
def test_automatic_changes_are_drawn_for_every_picture_by_itself_and_repeat_by_seed(kind: str, channels: int) -> None:
    gradient = torch.arange(24).repeat(24, 1).to(torch.uint8) * 10
    same = gradient.expand(40, channels, 24, 24).clone()
    policy = Augment.model_validate({"auto": kind})
    torch.manual_seed(1)
    found = automatic(same, policy)
    torch.manual_seed(1)
    torch.testing.assert_close(automatic(same, policy), found)
    assert found.shape == same.shape
    assert found.dtype == torch.uint8
    assert len({picture.numpy().tobytes() for picture in found}) > 15


def test_automatic_changes_touch_the_share_of_pictures_that_was_asked() -> None:
    torch.manual_seed(3)
    pictures = torch.randint(0, 256, (300, 1, 12, 12), dtype=torch.uint8)
    found = automatic(pictures, Augment(auto="rand", auto_chance=0.25, auto_magnitude=20))
    changed = (found != pictures).flatten(1).any(dim=1).float().mean()
    assert 0.1 < float(changed) < 0.32
    assert automatic(pictures, Augment(auto="rand", auto_chance=0.0)) is pictures


def test_saturation_is_torchvisions_and_grey_stays_grey() -> None:
    torch.manual_seed(1)
    pictures = torch.randint(0, 256, (4, 3, 8, 8)).float()
    found = colour(pictures, Augment(saturation=(0.4, 0.4)))
    expected = adjust_saturation(pictures / 255, 0.4) * 255
    torch.testing.assert_close(found, expected, atol=0.3, rtol=0)
    grey = pictures[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(colour(grey, Augment(saturation=(0.5, 2.0), hue=90)), grey, atol=1e-2, rtol=0)
    one = pictures[:, :1]
    assert colour(one, Augment(saturation=(0.5, 2.0), hue=90)) is one


def test_a_third_of_a_turn_of_the_hue_moves_red_to_green_to_blue(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = torch.rand(3, 3, 5, 5) * 255
    # All of the range is drawn at its upper end: 120 degrees.
    monkeypatch.setitem(colour.__globals__, "uniform", lambda n, low, high: torch.full((n,), float(high)))
    found = colour(pictures, Augment(hue=120))
    torch.testing.assert_close(found, pictures.roll(1, dims=1), atol=1e-2, rtol=0)


def test_covers_lie_over_the_parts_of_the_face_that_they_name() -> None:
    torch.manual_seed(2)
    blank = torch.full((60, 1, 48, 48), -1.0)
    eyes, nose, mouth = TEMPLATES["fer"][:2], TEMPLATES["fer"][2], TEMPLATES["fer"][3:]

    def covered(x: torch.Tensor, place: tuple[float, float]) -> torch.Tensor:
        return x[:, 0, int(48 * place[1]), int(48 * place[0])] >= 0

    masked, shaded = (cover(blank, Augment.model_validate({key: 1.0}), TEMPLATES["fer"]) for key in ("mask", "shades"))
    assert all(covered(masked, place).all() for place in mouth)
    assert float(covered(masked, nose).float().mean()) > 0.3
    assert not any(covered(masked, place).any() for place in eyes)
    assert all(covered(shaded, place).all() for place in eyes)
    assert not any(covered(shaded, place).any() for place in (nose, *mouth))
    half = cover(torch.full((400, 1, 16, 16), -1.0), Augment(mask=0.5), TEMPLATES["fer"])
    assert 0.4 < float((half >= 0).flatten(1).any(dim=1).float().mean()) < 0.6


def test_warm_up_multiplies_the_chances_of_everything_that_it_names() -> None:
    policy = Augment(mix_chance=0.8, mask=0.4, auto="trivial", strength=((0.0, 0.0), (0.5, 1.0)))
    assert [policy.at(done).mask for done in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.0, 0.2, 0.4, 0.4])
    assert policy.at(0.25).auto_chance == pytest.approx(0.5)
    assert policy.at(0.25).mix_chance == pytest.approx(0.4)


def test_agreement_with_hard_labels_is_accuracy_and_with_mixed_ones_the_share_of_the_answer() -> None:
    torch.manual_seed(6)
    logits, hard = torch.randn(200, 5), torch.randint(5, (200,))
    one_hot = torch.nn.functional.one_hot(hard, 5).float()
    accuracy = multiclass_accuracy(logits, hard, 5, average="micro")
    torch.testing.assert_close(agreement(logits, one_hot), (accuracy, len(logits)))
    other = torch.randint(5, (200,))
    mixed = 0.7 * one_hot + 0.3 * torch.nn.functional.one_hot(other, 5).float()
    expected = 0.7 * accuracy + 0.3 * multiclass_accuracy(logits, other, 5, average="micro")
    torch.testing.assert_close(agreement(logits, mixed), (expected, len(logits)))
    holed = torch.cat([mixed, torch.full((7, 5), float("nan"))])
    found = agreement(torch.cat([logits, torch.randn(7, 5)]), holed)
    torch.testing.assert_close(found, (expected, len(logits)))
    torch.testing.assert_close(agreement(logits, torch.full_like(logits, torch.nan)), (torch.tensor(0.0), 0))
