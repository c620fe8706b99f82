"""Adds to faces what landmarks say of them: where the head points, how far eyes and mouth are open, blinks.

The measures are columns of the result, and reasons not to answer: a face that is turned away or whose eyes are closed
is abstained from, unless there is a reason already. A face in which no landmarks are found has no measures (NaN).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mien.detection.mediapipe import Landmarker
from mien.imaging import align
from mien.imaging.image import RGB
from mien.recognition import pose
from mien.recognition.landmarks import MEASURES
from mien.recognition.pose import BlinkCounter
from mien.results import Faces

# Side in pixels of the crop that the landmarker sees, and how much is added around a face, in parts of its side.
_SIDE, _MARGIN = 192, 0.25


class PoseReader:
    """Measures faces that were found before.

    Args:
        landmarker: None opens the catalogued `face_landmarker.task`.
        patience: seconds after which the blinks of a person who is out of sight are forgotten.

    Raises:
        MissingExtraError: mediapipe is not installed.
        ModelError: the model file is missing or damaged.
    """

    def __init__(self, landmarker: Landmarker | None = None, *, patience: float = 1.0) -> None:
        self._landmarker = landmarker or Landmarker(faces=1)
        self.patience = patience
        self._blinks: dict[int, BlinkCounter] = {}
        self._seen: dict[int, float] = {}

    def add(self, image: RGB, faces: Faces, time: float | None = None) -> Faces:
        """Return the faces with columns `pitch`, `yaw`, `roll`, `left_eye`, `right_eye` and `mouth`, and more reasons.

        Args:
            image: the picture, RGB ``uint8 (H, W, 3)``.
            faces: what was found in it.
            time: of a video's frame, in seconds: adds the column `blinks`, each person's count so far.
        """
        crops = [align.box_crop(image, align.widen(box, _MARGIN), _SIDE) for box in faces.xyxy]
        columns = {name: np.full(len(faces), np.nan, np.float32) for name in MEASURES}
        reasons = list(faces.abstained)
        closed: list[bool | None] = [None] * len(faces)
        for i, found in enumerate(self._landmarker.read(crops)):
            if len(found):
                measured = pose.measure(found[:1])
                for name in MEASURES:
                    columns[name][i] = round(float(getattr(measured, name)[0]), 4)
                reasons[i] = reasons[i] or pose.reasons(measured)[0]
                closed[i] = bool(measured.eyes_closed[0])
        more: dict[str, NDArray[np.float32] | NDArray[np.int64]] = dict(columns)
        if time is not None and faces.tracker_id is not None:
            more["blinks"] = self._count(faces.tracker_id, closed, time)
        return replace(faces, abstained=tuple(reasons), columns={**faces.columns, **more})

    def _count(self, tracker_id: NDArray[np.int64], closed: Sequence[bool | None], time: float) -> NDArray[np.int64]:
        """Carry each person's blinks on; people who are gone are forgotten, because their numbers do not come back."""
        for key in [key for key, seen in self._seen.items() if not 0 <= time - seen <= self.patience]:
            del self._seen[key], self._blinks[key]
        counts = np.zeros(len(tracker_id), np.int64)
        for i, (key, shut) in enumerate(zip(tracker_id.tolist(), closed, strict=True)):
            if key < 0:
                continue
            counter = self._blinks.setdefault(key, BlinkCounter())
            self._seen[key] = time
            counts[i] = counter.count if shut is None else counter.update(shut, time)
        return counts
