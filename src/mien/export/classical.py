"""A fitted scikit-learn pipeline on landmarks to a model folder that `mien predict --model` runs like any other."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from mien import __version__, manifest
from mien.errors import MissingExtraError, ModelError
from mien.evaluation import calibration, conformal
from mien.evaluation.classification import Answers
from mien.export import card, environment, licence
from mien.manifest import Crop, Data, Gate, Head, Manifest
from mien.recognition.landmark_features import LENGTH
from mien.training.classical import Fitted, Rows, Tried

HEAD = "expression7"
# Widening of a face's box, in parts of its side, so that the landmarker sees the whole head.
_MARGIN = 0.25
_TOLERANCE = 1e-4


def export(
    fitted: Fitted,
    train: Rows,
    out: Path,
    *,
    name: str = "landmarks",
    tried: Sequence[Tried] = (),
    data: Sequence[Data] = (),
) -> Manifest:
    """Write the model folder and return its manifest; `tried` are the results of the search, for the record.

    Temperature and conformal threshold are fitted on predictions of folds that had not seen the rows. The graph's
    input is `features` ``float32 (n, LENGTH)``, its output calibrated probabilities.

    Raises:
        ModelError: the graph does not answer as the pipeline does.
        MissingExtraError: skl2onnx is not installed.
    """
    out.mkdir(parents=True, exist_ok=True)
    held = Answers(train.labels, fitted.held.astype(np.float64), train.target)
    warmth = calibration.temperature(held)
    path = out / "model.onnx"
    path.write_bytes(_graph(fitted.pipeline, warmth).SerializeToString())
    _check(fitted, train, warmth, path)
    calm = calibration.sharpen(held.probabilities, warmth).astype(np.float32)
    made = Manifest(
        name=name,
        task="landmarks",
        description="Perceived expression from 478 facial landmarks (MediaPipe): a classical model on aligned shape, "
        "distances, angles and blendshapes. Needs the extra 'mediapipe' and face_landmarker.task.",
        created=date.today(),
        licence="Apache-2.0",
        graphs={"fp32": manifest.describe(path, "fp32")},
        heads=(
            Head(
                name=HEAD,
                label_set=train.labels.name,
                labels=train.labels.labels,
                temperature=warmth,
                conformal_90=conformal.threshold(calm, train.target),
            ),
        ),
        primary=HEAD,
        crop=Crop(kind="box", size=192, margin=_MARGIN),
        gate=Gate(min_face=24.0),
        recipe={
            "estimator": fitted.chosen.name,
            "values": {key: str(value) for key, value in fitted.chosen.values.items()},
            "tried": {one.name: round(one.accuracy, 4) for one in tried},
        },
        data=tuple(data),
        mien=__version__,
        environment=environment.describe(),
    )
    save(made, out)
    return made


def save(made: Manifest, out: Path) -> None:
    """Write manifest, card and licence of the folder."""
    manifest.write(made, out)
    card.write(made, out)
    licence.write(out)


def _graph(pipeline: Any, warmth: float) -> Any:
    """Convert the pipeline and put the temperature behind its probabilities: softmax(log(p) / T)."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType
    except ModuleNotFoundError as error:
        raise MissingExtraError("exporting a classical model", "train") from error
    with warnings.catch_warnings():
        # The converter looks at attributes of support vector machines that scikit-learn will drop in a later version.
        warnings.simplefilter("ignore", FutureWarning)
        model = convert_sklearn(
            pipeline,
            initial_types=[("features", FloatTensorType([None, LENGTH]))],
            options={id(pipeline): {"zipmap": False}},
            target_opset=18,
        )
    graph = model.graph
    probabilities = graph.output[-1]
    width = len(pipeline.classes_)
    graph.initializer.append(numpy_helper.from_array(np.array(1e-7, np.float32), "mien_tiny"))
    graph.initializer.append(numpy_helper.from_array(np.array(warmth, np.float32), "mien_warmth"))
    graph.node.extend(
        [
            helper.make_node("Max", [probabilities.name, "mien_tiny"], ["mien_safe"]),
            helper.make_node("Log", ["mien_safe"], ["mien_log"]),
            helper.make_node("Div", ["mien_log", "mien_warmth"], ["mien_cool"]),
            helper.make_node("Softmax", ["mien_cool"], [HEAD], axis=1),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(HEAD, TensorProto.FLOAT, ["n", width]))
    onnx.checker.check_model(model)
    return model


def _check(fitted: Fitted, train: Rows, warmth: float, path: Path) -> None:
    """Compare the graph with the pipeline on some rows."""
    from mien.runtime.session import open_graph

    some = train.features[:256]
    (found,) = open_graph(path).run(None, {"features": some})
    wanted = calibration.sharpen(np.maximum(fitted.pipeline.predict_proba(some), 1e-7), warmth)
    off = float(np.abs(found - wanted).max())
    if off > _TOLERANCE:
        raise ModelError(f"the exported graph differs from the pipeline by {off:.2g}, more than {_TOLERANCE}")
