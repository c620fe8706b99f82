"""The Recognizer: pictures in, `Faces` out, for one picture or a stream of any length with flat memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from mien import detection, storage
from mien.errors import ImageError
from mien.imaging import image as imaging
from mien.imaging.image import RGB, Source
from mien.manifest import Gate
from mien.parallel import map_batches
from mien.recognition import quality
from mien.recognition.expression import ExpressionModel
from mien.results import Detections, Faces, Scores

Color = Literal["rgb", "bgr"]


@dataclass(frozen=True)
class _Picture:
    """One item of a stream: its pixels, or why there are none."""

    name: str | None
    pixels: RGB | None
    error: str | None = None


class Recognizer:
    """Finds faces in pictures and reads the expression that each shows.

    `recognizer(picture)` returns the `Faces` of one picture. `recognizer([...])`, or of a folder, returns an iterator
    that reads ahead a little, runs batches on `workers` threads and yields in the order of the input; a picture that
    cannot be read gives a result whose `error` says why, and the stream goes on.

    Args:
        detector: name ('mien', 'yunet', 'none'), name or folder of a model that finds faces, or a detector object.
        model: name or folder of the expression model.
        side: longest side at which faces are looked for; None leaves it to the detector.
        gate: limits for abstention; None takes the model's own.
        workers: pictures' batches under way at once in a stream.
        batch: pictures a batch.
        max_pixels: larger pictures are refused before decoding.
        flip: see `ExpressionModel`.
        views: see `ExpressionModel`.
        options: `precision`, `threads`, `provider` (see `runtime.Session`).
    """

    def __init__(
        self,
        *,
        detector: str | os.PathLike[str] | detection.Detector = "mien",
        model: str | os.PathLike[str] = "expression",
        side: int | None = None,
        gate: Gate | None = None,
        workers: int | None = None,
        batch: int = 8,
        max_pixels: int = imaging.MAX_PIXELS,
        flip: bool = False,
        views: str = "one",
        **options: Any,
    ) -> None:
        self.expression = ExpressionModel(model, flip=flip, views=views, **options)
        self.detector = detection.given(detector, **options)
        self.side, self.batch, self.max_pixels = side, batch, max_pixels
        self.gate = gate or self.expression.manifest.gate
        self.chance = self.expression.manifest.quality
        self.workers = workers or min(os.cpu_count() or 1, 4)

    @overload
    def __call__(
        self, source: list[Any] | tuple[Any, ...] | Iterator[Any], *, color: Color | None = None
    ) -> Iterator[Faces]: ...
    @overload
    def __call__(self, source: Source, *, color: Color | None = None) -> Any: ...
    def __call__(self, source: Any, *, color: Color | None = None) -> Any:
        """Read one picture, or many.

        Args:
            source: a path, bytes, an array (with `color`) or a PIL image; or a folder, a list or an iterator of those.
            color: channel order of arrays.

        Raises:
            ImageError: the one picture cannot be read.
        """
        if (isinstance(source, str) or storage.is_path(source)) and storage.locate(source).is_dir():
            return self.stream(imaging.find(storage.locate(source)), color=color)
        if isinstance(source, (list, tuple)) or (isinstance(source, Iterable) and _is_stream(source)):
            return self.stream(source, color=color)
        pixels = imaging.read(source, color=color, max_pixels=self.max_pixels)
        return self.read([pixels], [_name(source)])[0]

    def stream(self, sources: Iterable[Source], *, color: Color | None = None) -> Iterator[Faces]:
        """Read any number of pictures with flat memory and yield their faces in order."""

        def work(batch: Sequence[Source]) -> list[Faces]:
            return self._many([self._open(source, color) for source in batch])

        for faces in map_batches(work, sources, size=self.batch, workers=self.workers):
            yield from faces

    def read(
        self,
        images: Sequence[RGB],
        names: Sequence[str | None] | None = None,
        *,
        gates: Sequence[Gate] | None = None,
        lap: Callable[[str], None] = lambda stage: None,
    ) -> list[Faces]:
        """Read decoded pictures ``uint8 (H, W, 3)`` as one batch.

        Args:
            images: the pictures.
            names: what each is called in its result.
            gates: limits for abstention of each picture; default the recognizer's own for all.
            lap: called with 'detect', 'crop', 'classify' and 'judge' when that stage of the batch is done.
        """
        found = self.detector.detect(images, self.side) if images else []
        lap("detect")
        whole = self.detector.whole_picture
        crops = [self.expression.crops(image, faces, whole=whole) for image, faces in zip(images, found, strict=True)]
        lap("crop")
        heads = self.expression.predict(np.concatenate(crops)) if crops else {}
        lap("classify")
        results = list(self._assemble(images, found, crops, heads, gates or [self.gate] * len(images)))
        lap("judge")
        if names is None:
            return results
        return [replace(faces, image=name) for faces, name in zip(results, names, strict=True)]

    def _open(self, source: Source, color: Color | None) -> _Picture:
        try:
            return _Picture(_name(source), imaging.read(source, color=color, max_pixels=self.max_pixels))
        except ImageError as error:
            return _Picture(_name(source), None, str(error))

    def _many(self, pictures: Sequence[_Picture]) -> list[Faces]:
        readable = [picture for picture in pictures if picture.pixels is not None]
        images = [picture.pixels for picture in readable if picture.pixels is not None]
        results = iter(self.read(images, [picture.name for picture in readable]))
        return [
            next(results)
            if picture.pixels is not None
            else Faces.failed(picture.error or "cannot be read", image=picture.name)
            for picture in pictures
        ]

    def _assemble(
        self,
        images: Sequence[RGB],
        found: Sequence[Detections],
        crops: Sequence[NDArray[np.uint8]],
        heads: dict[str, Scores],
        gates: Sequence[Gate],
    ) -> Iterator[Faces]:
        start = 0
        for image, detections, faces, gate in zip(images, found, crops, gates, strict=True):
            at = slice(start, start + len(detections))
            start += len(detections)
            own = {name: head[at] for name, head in heads.items()}
            yield self.judge(image, detections, faces, own, gate)

    def judge(
        self,
        image: RGB,
        detections: Detections,
        crops: NDArray[np.uint8],
        heads: dict[str, Scores],
        gate: Gate | None = None,
    ) -> Faces:
        """Put quality and abstention beside the scores of one picture's faces; `gate` replaces the recognizer's own."""
        main = heads[self.expression.primary]
        measured = quality.with_chance(
            quality.measure(detections, crops),
            self.chance,
            detections,
            main,
            whole=self.detector.whole_picture,
        )
        gate = gate or self.gate
        if self.detector.whole_picture:
            # A picture that is itself a crop says nothing about the size or turn of the face in it.
            gate = gate.model_copy(update={"min_face": None, "max_turn": None})
        return Faces(
            detections=detections,
            heads=heads,
            primary=self.expression.primary,
            quality=measured.score,
            abstained=quality.reasons(measured, main.entropy, main.confidence, gate),
            width=image.shape[1],
            height=image.shape[0],
        )


def _is_stream(source: Iterable[Any]) -> bool:
    return not isinstance(source, (str, bytes, bytearray, memoryview, np.ndarray)) and not hasattr(source, "getbands")


def _name(source: Source) -> str | None:
    return str(source) if isinstance(source, str) or storage.is_path(source) else None
