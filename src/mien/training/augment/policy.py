"""What may happen to a training picture, and how much, as a section of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from mien.training.recipe import Section

Range = tuple[float, float]


class Augment(Section):
    """Says how strongly pictures are changed; every default is off.

    Attributes:
        flip: chance of a mirror image.
        rotate: largest turn in degrees.
        shift: largest shift as a part of the side.
        scale: range of the zoom (above 1 the face grows).
        stretch: largest change of the aspect, as a part.
        brightness: largest shift of the light, as a part of white.
        contrast: range of the contrast factor.
        gamma: range of the gamma exponent.
        blur: chance of a Gaussian blur.
        blur_sigma: its range in pixels.
        small: chance that the picture was smaller and is blown up.
        small_scale: range of its scale.
        noise: chance of Gaussian noise.
        noise_sigma: its range in grey levels.
        jpeg: chance of JPEG compression.
        jpeg_quality: its range.
        saturation: range of the factor on the colours' distance from grey; of colour pictures only.
        hue: largest turn of the colours about the grey axis, in degrees; of colour pictures only.
        auto: `trivial` (TrivialAugment, Mueller and Hutter 2021) or `rand` (RandAugment, Cubuk et al. 2020), before
            anything else; torchvision's own, drawn for every picture.
        auto_chance: chance that a picture passes it.
        auto_ops: changes a picture of `rand`.
        auto_magnitude: their strength, of 30.
        erase: chance that a rectangle is covered (Zhong et al. 2020).
        erase_area: its range as a part of the picture.
        mask: chance that mouth and nose are covered, as by a mask, where the template of the crops has them.
        shades: chance that both eyes are covered, as by sunglasses or a bar.
        mixup: alpha of mixup (Zhang et al. 2018); 0 is off.
        cutmix: alpha of CutMix (Yun et al. 2019); 0 is off. With both on, each batch draws one.
        mix_chance: chance that a batch is mixed.
        strength: ``[part of the run, factor]`` points in rising order; the chances of mixing, covering, `auto` and of
            camera faults are multiplied by the factor, in straight lines between the points. A rise from 0 is a
            warm-up, a fall at the end lets the network see clean pictures last.
    """

    flip: float = Field(0.0, ge=0, le=1)
    rotate: float = Field(0.0, ge=0, le=180)
    shift: float = Field(0.0, ge=0, le=0.5)
    scale: Range = (1.0, 1.0)
    stretch: float = Field(0.0, ge=0, lt=1)
    brightness: float = Field(0.0, ge=0, le=1)
    contrast: Range = (1.0, 1.0)
    gamma: Range = (1.0, 1.0)
    saturation: Range = (1.0, 1.0)
    hue: float = Field(0.0, ge=0, le=180)
    auto: Literal["trivial", "rand"] | None = None
    auto_chance: float = Field(1.0, ge=0, le=1)
    auto_ops: int = Field(2, ge=1)
    auto_magnitude: int = Field(9, ge=0, le=30)
    blur: float = Field(0.0, ge=0, le=1)
    blur_sigma: Range = (0.4, 1.4)
    small: float = Field(0.0, ge=0, le=1)
    small_scale: Range = (0.4, 0.9)
    noise: float = Field(0.0, ge=0, le=1)
    noise_sigma: Range = (2.0, 12.0)
    jpeg: float = Field(0.0, ge=0, le=1)
    jpeg_quality: tuple[int, int] = (30, 90)
    erase: float = Field(0.0, ge=0, le=1)
    erase_area: Range = (0.02, 0.2)
    mask: float = Field(0.0, ge=0, le=1)
    shades: float = Field(0.0, ge=0, le=1)
    mixup: float = Field(0.0, ge=0)
    cutmix: float = Field(0.0, ge=0)
    mix_chance: float = Field(1.0, ge=0, le=1)
    strength: tuple[tuple[float, Annotated[float, Field(ge=0, le=1)]], ...] = ((0.0, 1.0),)

    def at(self, done: float) -> Augment:
        """Return the policy that holds when a part of the run (0..1) is done."""
        places, factors = zip(*self.strength, strict=True)
        factor = float(np.interp(done, places, factors))
        chances = ("blur", "small", "noise", "jpeg", "erase", "mask", "shades", "auto_chance", "mix_chance")
        return self.model_copy(update={name: factor * getattr(self, name) for name in chances})
