"""One way from anything that holds a picture to RGB ``uint8 (H, W, 3)``.

The header is checked against a pixel limit before anything is decoded. EXIF orientation is applied, alpha is flattened
on black, 16-bit, grey, palette and CMYK pictures are converted, and an animation gives its first frame.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import io
import os
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from mien import storage
from mien.errors import DataError, ImageError

RGB: TypeAlias = NDArray[np.uint8]
Source: TypeAlias = "str | os.PathLike[str] | bytes | NDArray[Any] | Any"

MAX_PIXELS = 80_000_000
SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".avif",
        ".heic",
        ".heif",
    }
)


def read(source: Source, *, color: Literal["rgb", "bgr"] | None = None, max_pixels: int = MAX_PIXELS) -> RGB:
    """Read a picture as RGB ``uint8 (H, W, 3)``.

    Args:
        source: a path, encoded bytes, a PIL image, or an array ``(H, W)``, ``(H, W, 1|3|4)``.
        color: the channel order of an array with three or four channels; required for those.
        max_pixels: width times height above which a picture is refused before decoding.

    Raises:
        ImageError: the picture is missing, empty, damaged, not a picture or too large.
        ValueError: an array comes without `color`, or with a shape or type that is no picture.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, color)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(bytes(source), max_pixels)
    if isinstance(source, (str, os.PathLike)) or storage.is_path(source):
        return _decode(_file_bytes(storage.locate(source)), max_pixels)
    if hasattr(source, "getbands") and hasattr(source, "convert"):
        return _from_pil(source)
    raise TypeError(f"a picture is a path, bytes, an array or a PIL image, not {type(source).__name__}")


def from_base64(text: str, *, max_pixels: int = MAX_PIXELS) -> RGB:
    """Read a picture from base64 text, with or without a ``data:`` prefix.

    Raises:
        ImageError: the text is not base64 or not a picture.
    """
    payload = text.partition(",")[2] if text.startswith("data:") else text
    try:
        data = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError("not base64: expected the encoded bytes of a picture") from error
    return _decode(data, max_pixels)


def find(root: Path) -> Iterator[Path]:
    """Walk a folder recursively in name order and yield the files whose suffix is a picture's.

    Links to folders are not followed, so that a loop cannot trap the walk.

    Raises:
        ImageError: the folder cannot be listed.
    """
    if storage.is_remote(root):
        yield from (path for path in storage.walk(root) if path.suffix.lower() in SUFFIXES)
        return
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError as error:
        raise ImageError(f"cannot read the folder {root}: {error.strerror or error}") from error
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from find(path)
        elif path.suffix.lower() in SUFFIXES:
            yield path


def encode(image: RGB, format: Literal["jpg", "png", "webp"] = "png", *, quality: int = 92) -> bytes:
    """Encode RGB pixels to the bytes of a picture file."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if format == "jpg" else []
    done, data = cv2.imencode(f".{format}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"cannot encode a picture of shape {image.shape} as {format}")
    return data.tobytes()


def write(image: RGB, path: Path) -> None:
    """Write RGB pixels to a file, here or in a store; the suffix chooses the format (jpg, png or webp).

    Raises:
        DataError: it cannot be written.
    """
    suffix = path.suffix.lower().lstrip(".")
    format: Literal["jpg", "png", "webp"] = "png" if suffix == "png" else "webp" if suffix == "webp" else "jpg"
    storage.write(path, encode(image, format))


def _file_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ImageError(f"{path} is a folder; expected a picture file")
        with storage.problems(str(path)) if storage.is_remote(path) else nullcontext():
            return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"no such file: {path}") from error
    except DataError as error:
        raise ImageError(str(error)) from error
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _decode(data: bytes, max_pixels: int, *, first: bool = True) -> RGB:
    if not data:
        raise ImageError("the file is empty; expected a picture")
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise ImageError(f"the picture has {width}x{height} pixels, more than the limit of {max_pixels:,}")
            if picture.format in {"JPEG", "MPO"} and picture.mode in {"RGB", "L"}:
                decoded = _decode_jpeg(data, picture)
                if decoded is not None:
                    return decoded
            return _from_pil(picture)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        if first and _reads_heic():
            return _decode(data, max_pixels, first=False)
        raise ImageError("not a picture: the format is not known") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"the picture has more pixels than the limit of {max_pixels:,}") from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        MemoryError,
        OverflowError,
    ) as error:
        raise ImageError(f"the picture is damaged: {str(error).strip() or type(error).__name__}") from error
    except Exception as error:  # Pillow's plugins raise struct.error, KeyError, zlib.error ... on hostile bytes
        raise ImageError(f"the picture is damaged: {type(error).__name__}: {error}") from error


@cache
def _reads_heic() -> bool:
    """Teach Pillow HEIC, where the plugin is installed, once a file of unknown format comes; say whether it can now."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    import pillow_heif

    pillow_heif.register_heif_opener()
    return True


def _decode_jpeg(data: bytes, picture: Any) -> RGB | None:
    """Decode a plain JPEG with OpenCV, which is twice as fast; None leaves a file that it refuses to Pillow.

    A truncated file is left to Pillow too, because OpenCV fills what is missing with grey.
    """
    if b"\xff\xd9" not in data[-1024:]:
        return None
    turned = picture.getexif().get(0x0112, 1) != 1
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if decoded is None:
        return None
    expected = picture.size if not turned else None
    if expected is not None and decoded.shape[1::-1] != expected:
        return None
    return np.ascontiguousarray(decoded)


def _from_pil(picture: Any) -> RGB:
    from PIL import Image, ImageOps

    picture.load()
    if picture.width == 0 or picture.height == 0:
        raise ImageError("the picture has no pixels")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}:
        return _stack_grey(_to_8_bit(np.asarray(picture)))
    if picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, rgba)
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"), np.uint8))


def _to_8_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale grey values of 16 bits (or floats in 0..1) to 8 bits; values that already fit stay as they are."""
    data = np.nan_to_num(np.asarray(values, np.float64))
    if np.issubdtype(values.dtype, np.floating) and data.size and data.max() <= 1.0:
        data = data * 255.0
    elif data.size and data.max() > 255.0:
        data = data / 257.0
    return np.clip(np.rint(data), 0, 255).astype(np.uint8)


def _stack_grey(grey: NDArray[np.uint8]) -> RGB:
    return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))


def _from_array(array: NDArray[Any], color: Literal["rgb", "bgr"] | None) -> RGB:
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(f"a picture array is (H, W) or (H, W, 1|3|4) with pixels, not {array.shape}")
    if array.dtype == np.uint16:
        array = np.rint(array / 257.0).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(f"a picture array is uint8 (or uint16), not {array.dtype}; scale it to 0..255 first")
    if array.ndim == 2 or array.shape[2] == 1:
        return _stack_grey(array.reshape(array.shape[:2]))
    if array.shape[2] not in (3, 4):
        raise ValueError(f"a picture array has 1, 3 or 4 channels, not {array.shape[2]}")
    if color not in ("rgb", "bgr"):
        raise ValueError("an array with color channels needs color='rgb' or color='bgr'")
    if array.shape[2] == 4:
        array = np.rint(array[:, :, :3] * (array[:, :, 3:4] / 255.0)).astype(np.uint8)
    return np.ascontiguousarray(array if color == "rgb" else array[:, :, ::-1])
