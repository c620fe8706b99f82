"""What the world does to a face crop before a model sees it, at five severities (after Hendrycks and Dietterich 2019).

Sizes are in parts of the crop's side, so that severities mean the same for every model. Each function takes one crop
``uint8 (s, s, 3)``, a severity from 1 to 5 and a random generator, and returns a crop of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.imaging.image import RGB

Corruption = Callable[[RGB, int, np.random.Generator], RGB]
SEVERITIES = (1, 2, 3, 4, 5)
_SMALLER = (0.66, 0.5, 0.4, 0.3, 0.22)
"""Parts of the side that are left at low resolution."""


def _pick(values: tuple[float, ...], severity: int) -> float:
    if severity not in SEVERITIES:
        raise ValueError(f"a severity is a whole number from 1 to 5, not {severity}")
    return values[severity - 1]


def _bytes(values: NDArray[np.float64] | NDArray[np.float32]) -> RGB:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def blur(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Blur with a Gaussian."""
    sigma = _pick((0.012, 0.02, 0.03, 0.042, 0.06), severity) * len(crop)
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.uint8)


def noise(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Add Gaussian noise to every value."""
    return _bytes(crop + rng.normal(0, _pick((6, 12, 20, 30, 42), severity), crop.shape))


def dark(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Take light away, and the depth of eight bits with it."""
    return _bytes(crop * _pick((0.7, 0.5, 0.35, 0.22, 0.12), severity))


def bright(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Over-expose: what was bright becomes white."""
    return _bytes(crop * _pick((1.25, 1.5, 1.8, 2.2, 2.8), severity) + 10.0)


def side_light(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Leave one side of the face, left or right by chance, in shadow."""
    low = _pick((0.75, 0.55, 0.4, 0.25, 0.12), severity)
    ramp = np.linspace(low, 1.0, crop.shape[1])
    if rng.random() < 0.5:
        ramp = ramp[::-1]
    return _bytes(crop * ramp[None, :, None])


def jpeg(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Compress as JPEG."""
    quality = int(_pick((60, 40, 25, 15, 8), severity))
    data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def occlusion(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Cover a square at a random place with grey."""
    size = len(crop)
    side = round(_pick((0.15, 0.25, 0.33, 0.42, 0.5), severity) * size)
    y, x = rng.integers(0, size - side + 1, 2)
    out = crop.copy()
    out[y : y + side, x : x + side] = 128
    return out


def rotation(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Turn in the picture plane, to either side by chance."""
    degrees = _pick((6, 12, 18, 26, 36), severity) * rng.choice([-1, 1])
    centre = ((crop.shape[1] - 1) / 2, (crop.shape[0] - 1) / 2)
    return _warp(crop, np.asarray(cv2.getRotationMatrix2D(centre, degrees, 1.0), np.float64))


def low_resolution(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Shrink by averaging and enlarge again."""
    size = len(crop)
    small = max(remaining_side("low resolution", severity, size), 2)
    down = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(down, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def remaining_side(name: str, severity: int, size: int) -> int:
    """Return the side in pixels that the detail of a corrupted crop of a size is worth."""
    return round(_pick(_SMALLER, severity) * size) if name == "low resolution" else size


def crop_jitter(crop: RGB, severity: int, rng: np.random.Generator) -> RGB:
    """Move and scale the frame, as a detector that errs does."""
    size, amount = len(crop), _pick((0.03, 0.06, 0.1, 0.14, 0.18), severity)
    dx, dy = rng.uniform(-amount, amount, 2) * size
    scale = float(np.exp(rng.uniform(-amount, amount)))
    middle = (size - 1) / 2
    return _warp(crop, np.array([[scale, 0, middle - scale * middle + dx], [0, scale, middle - scale * middle + dy]]))


def _warp(crop: RGB, matrix: NDArray[np.float64]) -> RGB:
    size = (crop.shape[1], crop.shape[0])
    return np.asarray(
        cv2.warpAffine(crop, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


CORRUPTIONS: Mapping[str, Corruption] = {
    "blur": blur,
    "noise": noise,
    "dark": dark,
    "bright": bright,
    "side light": side_light,
    "jpeg": jpeg,
    "occlusion": occlusion,
    "rotation": rotation,
    "low resolution": low_resolution,
    "crop jitter": crop_jitter,
}
