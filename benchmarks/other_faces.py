"""Asks a model about faces that no training saw labelled, whose feeling others have rated: the people of OASIS.

``python benchmarks/other_faces.py MODEL... --oasis OASIS.csv --images DIR`` reads the largest face of every photo that
shows people, turns its scores into an expected valence (the places of emotion words, see `recognition.circumplex`),
and correlates that with the mean valence which a hundred people gave the *photo*. A photo is more than its face, so 1
is out of reach; what counts is the difference between models on the same faces. Intervals are bootstrapped over photos.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import detection, labels
from mien.evaluation import bootstrap, continuous
from mien.imaging import image as imaging
from mien.imaging.image import RGB
from mien.recognition.circumplex import PLACES
from mien.recognition.expression import ExpressionModel
from mien.results import Detections

OUT = Path(__file__).resolve().parents[1] / "docs" / "results" / "other-faces.json"
LEAST = 28.0
"""Side of the smallest face that counts, in pixels."""
TO = "social8"


def main() -> None:
    """Measure every model on the same faces, print the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="names or folders")
    parser.add_argument("--oasis", type=Path, required=True, help="OASIS.csv")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--views", default="flip")
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    given = parser.parse_args()
    photos, truth = _faces(given.oasis, given.images)
    record: dict[str, Any] = {"schema": 1, "faces": len(photos), "views": given.views, "models": {}}
    expected = {}
    for name in given.models:
        model = ExpressionModel(name, views=given.views)
        expected[name] = _valence(model, photos)
        figures = bootstrap.measure(lambda w, e=expected[name]: continuous.metrics(truth, e, w), len(truth))
        pcc = figures["pcc"]
        record["models"][name] = {"pcc": pcc.to_dict(), "version": model.manifest.version}
        print(f"{name}: correlation {pcc.value:.3f} ({pcc.low:.3f} to {pcc.high:.3f}) on {len(photos)} faces")
    first = given.models[0]
    for name in given.models[1:]:

        def apart(w: NDArray[np.float64], name: str = name) -> dict[str, NDArray[np.float64]]:
            one, two = (continuous.metrics(truth, expected[each], w)["pcc"] for each in (first, name))
            return {"difference": two - one}

        change = bootstrap.measure(apart, len(truth))["difference"]
        record["models"][name]["against the first"] = change.to_dict()
        print(f"{name} against {first}: {change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})")
    given.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _faces(table: Path, images: Path) -> tuple[list[tuple[RGB, Detections]], NDArray[np.float64]]:
    """Find the largest face of each photo of people, and the photo's valence from -1 to 1."""
    detector = detection.load("mien")
    photos, truth = [], []
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["category"] != "Person":
                continue
            picture = imaging.read(images / row["image"])
            found = detector.detect([picture])[0]
            sides = np.sqrt(np.prod(found.xyxy[:, 2:] - found.xyxy[:, :2], axis=1))
            if not len(found) or sides.max() < LEAST:
                continue
            photos.append((picture, found[int(sides.argmax()) : int(sides.argmax()) + 1]))
            truth.append((float(row["Valence_mean"]) - 4) / 3)
    return photos, np.array(truth)


def _valence(model: ExpressionModel, photos: list[tuple[RGB, Detections]]) -> NDArray[np.float64]:
    """Return the expected valence of each face's scores."""
    crops = np.concatenate([model.crops(picture, faces) for picture, faces in photos])
    scores = model.predict(crops)[model.primary]
    social = labels.mapping(scores.labels.name, TO).scores(scores.values)
    places = [PLACES.get(label, (0.0, 0.0))[0] for label in labels.get(TO)]
    return np.asarray(social.astype(np.float64) @ np.array(places))


if __name__ == "__main__":
    main()
