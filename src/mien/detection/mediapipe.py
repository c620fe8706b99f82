"""MediaPipe's Face Landmarker: 478 points in depth, 52 blendshapes and the head's pose; also as a plain detector.

The model is Google's `face_landmarker.task` (Apache-2.0); it is looked for in the folders of `MIEN_MODELS` and the
cache, or fetched when asked for by name. Runs on pictures of any size; small ones are enlarged first, because the
finder inside looks for faces of a certain size.
"""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien import hub
from mien.errors import MissingExtraError, ModelError
from mien.imaging.image import RGB
from mien.results import Detections, Float

COUNT = 478
# Where the five points of `Detections` lie: both irises, the tip of the nose, the corners of the mouth, in the order
# as seen in the picture (the subject's right comes first).
FIVE = (468, 473, 1, 61, 291)
#: The 52 blendshapes in the order of the model's output; all but `_neutral` are those of Apple's ARKit.
BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
# Pictures whose longer side is below this are enlarged to it.
_ENLARGE_TO = 192


@dataclass(frozen=True)
class Landmarks:
    """The landmarks of n faces of one picture.

    Attributes:
        points: ``float32 (n, 478, 3)``: x and y in pixels of the picture; z in the same unit, 0 at the head's centre
            and smaller towards the camera.
        blendshapes: ``float32 (n, 52)`` in 0..1, in the order of `BLENDSHAPES`.
        matrix: ``float32 (n, 4, 4)``, carries the canonical head (centimetres, y up, z towards the camera) to where it
            stands before the camera.
    """

    points: Float
    blendshapes: Float
    matrix: Float

    def __post_init__(self) -> None:
        n = len(self.points)
        for name, array, shape in (
            ("points", self.points, (n, COUNT, 3)),
            ("blendshapes", self.blendshapes, (n, len(BLENDSHAPES))),
            ("matrix", self.matrix, (n, 4, 4)),
        ):
            if array.shape != shape:
                raise ValueError(f"{name} must be {shape}, got {array.shape}")

    @classmethod
    def empty(cls) -> Landmarks:
        """Make a result without faces."""
        return cls(
            np.zeros((0, COUNT, 3), np.float32),
            np.zeros((0, len(BLENDSHAPES)), np.float32),
            np.zeros((0, 4, 4), np.float32),
        )

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: slice | NDArray[Any]) -> Landmarks:
        return Landmarks(self.points[index], self.blendshapes[index], self.matrix[index])

    def __iter__(self) -> Iterator[Landmarks]:
        return (self[i : i + 1] for i in range(len(self)))

    def detections(self) -> Detections:
        """Return boxes around the landmarks and the five points; the confidence is 1, for MediaPipe tells none."""
        if not len(self):
            return Detections.empty()
        flat = self.points[..., :2]
        xyxy = np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=1)
        return Detections(
            xyxy.astype(np.float32), np.ones(len(self), np.float32), np.ascontiguousarray(flat[:, FIVE], np.float32)
        )


class Landmarker:
    """Finds the landmarks of faces. Safe to call from several threads; each has a graph of its own.

    Args:
        model: path of `face_landmarker.task`; None takes the catalogued file (`hub.file`).
        faces: faces a picture at most.
        score: how sure the finder must be of a face.
        border: black border put around each picture before it is searched, in parts of its longer side; a tight crop
            of a face needs one (0.5 finds 96 % of FER-2013's, no border 87 %).

    Raises:
        MissingExtraError: mediapipe is not installed.
        ModelError: the model file is missing or damaged.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        faces: int = 10,
        score: float = 0.5,
        border: float = 0.0,
    ) -> None:
        self._vision = _library()
        self.model = hub.file("face_landmarker") if model is None else Path(model)
        if not self.model.is_file():
            raise ModelError(f"no such file: {self.model}; expected face_landmarker.task")
        self.faces, self.score, self.border = faces, score, border
        self._local = threading.local()
        self._graph()

    def read(self, images: Sequence[RGB]) -> list[Landmarks]:
        """Return the landmarks of each picture's faces; images are RGB ``uint8 (H, W, 3)``."""
        return [self._one(image) for image in images]

    def _one(self, image: RGB) -> Landmarks:
        import mediapipe

        height, width = image.shape[:2]
        longer = max(height, width)
        scale = max(_ENLARGE_TO / longer, 1.0)
        wide = image if scale == 1.0 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        pad = round(self.border * max(wide.shape[:2]))
        if pad:
            wide = cv2.copyMakeBorder(wide, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
        picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(wide))
        found = self._graph().detect(picture)
        if not found.face_landmarks:
            return Landmarks.empty()
        points = np.array([[(p.x, p.y, p.z) for p in face] for face in found.face_landmarks], np.float32)
        # Coordinates come in parts of the picture; z in parts of its width.
        points *= np.array([wide.shape[1], wide.shape[0], wide.shape[1]], np.float32)
        points[..., :2] -= pad
        points /= np.array([wide.shape[1] - 2 * pad, wide.shape[0] - 2 * pad, wide.shape[1] - 2 * pad], np.float32)
        points *= np.array([width, height, width], np.float32)
        shapes = np.array([[c.score for c in face] for face in found.face_blendshapes], np.float32)
        return Landmarks(points, shapes, np.array(found.facial_transformation_matrixes, np.float32))

    def _graph(self) -> Any:
        """Return this thread's graph."""
        graph = getattr(self._local, "graph", None)
        if graph is None:
            graph = self._open()
            self._local.graph = graph
            weakref.finalize(self, _release, graph)
        return graph

    def _open(self) -> Any:
        from mediapipe.tasks.python import BaseOptions

        try:
            return self._vision.FaceLandmarker.create_from_options(
                self._vision.FaceLandmarkerOptions(
                    base_options=BaseOptions(model_asset_path=str(self.model)),
                    num_faces=self.faces,
                    min_face_detection_confidence=self.score,
                    output_face_blendshapes=True,
                    output_facial_transformation_matrixes=True,
                )
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"mediapipe cannot load {self.model}: {str(error).splitlines()[0]}") from error


class MediaPipe:
    """Finds faces by their landmarks: boxes around all of them, five points from irises, nose and mouth.

    Args:
        model: see `Landmarker`.
        faces: see `Landmarker`.
        score: see `Landmarker`.
        options: of graph runtimes; MediaPipe brings its own, so they have nothing to act on here.
    """

    whole_picture = False

    def __init__(
        self, model: str | os.PathLike[str] | None = None, *, faces: int = 10, score: float = 0.5, **options: Any
    ) -> None:
        self.landmarker = Landmarker(model, faces=faces, score=score)

    def detect(self, images: Sequence[RGB], side: int | None = None) -> list[Detections]:
        """Find the faces of each picture; `side` has no effect, MediaPipe chooses its own."""
        return [found.detections() for found in self.landmarker.read(images)]


load = MediaPipe


def _release(graph: Any) -> None:
    try:
        graph.close()
    except RuntimeError:
        # The interpreter goes down and has stopped the library's threads: its destructor must not try again.
        graph._handle = None


def _library() -> Any:
    # The C++ library carries a profiler whose late timer signal would end the process that has no handler for it.
    profiling = getattr(signal, "SIGPROF", None)
    main = threading.current_thread() is threading.main_thread()
    if profiling and main and signal.getsignal(profiling) is signal.SIG_DFL:
        signal.signal(profiling, signal.SIG_IGN)
    # The C++ log says nothing that a user could act on.
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        from mediapipe.tasks.python import vision
    except ModuleNotFoundError as error:
        raise MissingExtraError("finding 478 landmarks", "mediapipe") from error
    return vision
