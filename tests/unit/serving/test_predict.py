from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.unit.serving.conftest import Make

from mien.imaging import image
from mien.labels import LabelSet
from mien.recognition.pipeline import Recognizer
from mien.results import Detections, Faces, Scores
from mien.serving.schemas import Batch, Face, Head, Prediction, with_ranking

JPEG = {"content-type": "image/jpeg"}


def test_json_form_and_bare_bytes_give_what_the_library_gives(
    client: TestClient, jpeg: bytes, text: str, tiny_expression: Path
) -> None:
    faces = Recognizer(detector="none", model=tiny_expression)(jpeg).to_dict()["faces"]
    answers = [
        client.post("/v1/predict?latency=false", content=jpeg, headers=JPEG),
        client.post("/v1/predict", json={"image_base64": text, "latency": False}),
        client.post("/v1/predict", json={"image_base64": f"data:image/jpeg;base64,{text}", "latency": False}),
        client.post("/v1/predict", files={"file": ("a.jpg", jpeg)}, data={"latency": "false"}),
    ]
    for answer in answers:
        assert answer.status_code == 200
        found = answer.json()
        Prediction.model_validate(found)
        for face in found["faces"]:
            for head in (face, *face["heads"].values()):
                ranking = head.pop("ranking")
                assert {row["label"]: row["score"] for row in ranking} == head["scores"]
                assert [row["score"] for row in ranking] == sorted(head["scores"].values(), reverse=True)
        assert found["faces"] == faces
        assert "latency" not in found


def test_every_field_of_a_result_is_in_the_schema() -> None:
    one, several = np.array([[0.7, 0.3]], np.float32), np.array([[0.9, 0.8, 0.1]], np.float32)
    learned = Scores(LabelSet("pair", ("calm", "tense")), one, members=one > 0.5, spread=np.array([0.02], np.float32))
    free = LabelSet("marks", ("a", "b", "c"), multi=True)
    heads = {"pair": learned, "marks": Scores(free, several, held=several > 0.5, derived="by rule")}
    found = Detections(np.array([[0, 0, 9, 9]], np.float32), np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32))
    faces = Faces(found, heads, "pair", np.ones(1, np.float32), (None,), tracker_id=np.array([3]))
    [face] = with_ranking(faces.to_dict())["faces"]
    assert set(face) <= set(Face.model_fields)
    for head in face["heads"].values():
        assert set(head) <= set(Head.model_fields)
    read = Face.model_validate(face)
    assert (read.spread, read.heads["marks"].holds, read.heads["marks"].derived) == (0.02, ["a", "b"], "by rule")


def test_equal_pictures_give_equal_bytes(client: TestClient, jpeg: bytes) -> None:
    answers = {client.post("/v1/predict?latency=false", content=jpeg, headers=JPEG).content for _ in range(5)}
    assert len(answers) == 1


def test_latency_names_every_stage_and_adds_up(client: TestClient, jpeg: bytes) -> None:
    latency = client.post("/v1/predict", content=jpeg, headers=JPEG).json()["latency"]
    stages = ("queue", "decode", "detect", "crop", "classify", "judge")
    assert set(latency) == {*stages, "total", "batch"}
    assert 0 < sum(latency[name] for name in stages) <= latency["total"] + 0.01
    assert latency["batch"] == 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG"])
def test_every_promised_format_is_read(client: TestClient, noise: np.ndarray, kind: str, tmp_path: Path) -> None:
    from PIL import Image

    file = tmp_path / "picture"
    Image.fromarray(noise).save(file, kind)
    answer = client.post("/v1/predict", files={"file": file.read_bytes()})
    assert (answer.status_code, answer.json()["width"], answer.json()["height"]) == (200, 160, 120)


def test_heic_is_read_where_its_plugin_is_installed(client: TestClient) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 40)).save(file, "HEIF")
    answer = client.post("/v1/predict", content=file.getvalue(), headers={"content-type": "image/heic"})
    assert (answer.status_code, answer.json()["width"], answer.json()["height"]) == (200, 64, 48)


def test_a_batch_answers_in_order_and_a_bad_picture_harms_no_other(client: TestClient, jpeg: bytes, text: str) -> None:
    sent = [{"image_base64": text, "name": "ä.jpg"}, {"image_base64": "bm8=", "name": "b"}, {"image_base64": text}]
    answer = client.post("/v1/predict/batch", json={"images": sent})
    found = answer.json()
    Batch.model_validate(found)
    assert [result["image"] for result in found["results"]] == ["ä.jpg", "b", None]
    assert [result["error"] is None for result in found["results"]] == [True, False, True]
    assert found["failed"] == 1
    files = [("file", ("1.jpg", jpeg)), ("file", ("2.jpg", b"no")), ("file", ("3.jpg", jpeg))]
    for path in ("/v1/predict", "/v1/predict/batch"):
        form = client.post(path, files=files).json()
        assert [result["image"] for result in form["results"]] == ["1.jpg", "2.jpg", "3.jpg"]
        assert form["failed"] == 1


def test_limits_for_abstention_are_those_of_the_request(client: TestClient, text: str) -> None:
    sure = client.post("/v1/predict", json={"image_base64": text}).json()
    unsure = client.post("/v1/predict", json={"image_base64": text, "min_confidence": 1.0}).json()
    assert sure["faces"][0]["abstained"] is None
    assert unsure["faces"][0]["abstained"] == "uncertain"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "invalid json"),
        (b"[]", 422, "object"),
        (b'{"image_base64": "%%%"}', 422, "base64"),
        (b'{"image_base64": "aGVsbG8="}', 422, "not a picture"),
        (b'{"image_base64": 3}', 422, "image_base64"),
        (b'{"image_base64": "aGVsbG8=", "colour": 1}', 422, "colour"),
        (b'{"image_base64": "aGVsbG8=", "min_confidence": 7}', 422, "min_confidence"),
        (b"\xff\xfe", 422, "json"),
    ],
)
def test_bad_json_is_answered_with_a_sentence(client: TestClient, body: bytes, status: int, words: str) -> None:
    answer = client.post("/v1/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert words in problem["detail"].lower()
    assert "Traceback" not in answer.text


def test_other_content_types_and_encodings_are_refused(client: TestClient, jpeg: bytes) -> None:
    for headers in ({"content-type": "text/plain"}, {}, {"content-type": "image/jpeg", "content-encoding": "gzip"}):
        assert client.post("/v1/predict", content=jpeg, headers=headers).status_code == 415


def test_a_damaged_form_is_a_bad_request(client: TestClient, jpeg: bytes) -> None:
    kind = {"content-type": "multipart/form-data; boundary=x"}
    whole = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + jpeg + b"\r\n--x--\r\n"
    assert client.post("/v1/predict", content=whole, headers=kind).status_code == 200
    for body in (b"nothing", whole[:40], whole.replace(b"Content-Disposition", b"X"), b"--x\r\n\r\n\r\n--x--\r\n"):
        assert client.post("/v1/predict", content=body, headers=kind).status_code in (400, 422)
    no_boundary = client.post("/v1/predict", content=whole, headers={"content-type": "multipart/form-data"})
    assert no_boundary.status_code == 400
    empty = client.post("/v1/predict", data={"latency": "false"}, files={"x": b""}, headers=None)
    assert empty.status_code == 422


def test_a_truncated_picture_is_refused_and_named_damaged(client: TestClient, jpeg: bytes) -> None:
    answer = client.post("/v1/predict", content=jpeg[: len(jpeg) // 2], headers=JPEG)
    assert answer.status_code == 422
    assert "damaged" in answer.json()["detail"]


def test_size_pixels_and_count_have_limits(make: Make, jpeg: bytes, text: str, noise: np.ndarray) -> None:
    client = make(max_body=20_000, max_pixels=10_000, max_items=2)
    assert client.post("/v1/predict", content=bytes(20_001), headers=JPEG).status_code == 413
    big = client.post("/v1/predict", content=image.encode(noise, "jpg", quality=30), headers=JPEG)
    assert big.status_code == 422
    assert "limit" in big.json()["detail"]
    many = client.post("/v1/predict/batch", json={"images": [{"image_base64": text}] * 3})
    assert many.status_code == 413
    assert client.post("/v1/predict", content=jpeg, headers=JPEG).status_code == 200


def test_a_body_that_grows_past_the_limit_without_saying_so_is_cut_off(make: Make) -> None:
    client = make(max_body=1000)
    taken = 0

    def endless() -> object:
        nonlocal taken
        for _ in range(100):
            taken += 100
            yield bytes(100)

    answer = client.post("/v1/predict", content=endless(), headers=JPEG)
    assert answer.status_code == 413


def test_a_decompression_bomb_is_refused_by_its_header(client: TestClient) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10_000)))
        + chunk(b"IEND", b"")
    )
    answer = client.post("/v1/predict", content=bomb, headers={"content-type": "image/png"})
    assert answer.status_code == 422
    assert "limit" in answer.json()["detail"]


def test_uploads_never_touch_the_disk(make: Make, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    import tempfile

    client = make()
    large = image.encode(rng.integers(0, 256, (1200, 1200, 3), dtype=np.uint8), "png")
    assert len(large) > 2**20

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    answer = client.post("/v1/predict", files={"file": ("large.png", large)})
    assert answer.status_code == 200


def test_a_failure_of_the_server_shows_nothing_of_its_inside(
    make: Make, jpeg: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = make()

    def broken(*args: object, **options: object) -> None:
        raise ZeroDivisionError("secret of the inside")

    monkeypatch.setattr(client.app.state.mien.engine.current.cropped, "read", broken)
    monkeypatch.setattr(client.app.state.mien.engine.current.recognizer, "read", broken)
    answer = client.post("/v1/predict", content=jpeg, headers={**JPEG, "x-request-id": "abc"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == "abc"
    assert json.loads(answer.text)["title"] == "Internal Server Error"


def test_a_late_answer_is_a_504(make: Make, jpeg: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    client = make(deadline_ms=20)
    recognizer = client.app.state.mien.engine.current.recognizer
    read = recognizer.read

    def slow(*args: object, **options: object) -> object:
        time.sleep(0.1)
        return read(*args, **options)

    monkeypatch.setattr(recognizer, "read", slow)
    assert client.post("/v1/predict", content=jpeg, headers=JPEG).status_code == 504
