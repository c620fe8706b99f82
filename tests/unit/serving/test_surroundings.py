"""What surrounds every route: keys, rates, headers, health, metrics, models, the Studio, the documents."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import pytest
from openapi_spec_validator import validate
from starlette.testclient import TestClient
from tests.fixtures import models
from tests.unit.serving.conftest import Make

from mien import manifest
from mien.serving import keys, logs, protocol
from mien.serving.schemas import Catalogue

JPEG = {"content-type": "image/jpeg"}


def test_every_answer_carries_the_notice_and_security_headers(client: TestClient) -> None:
    for answer in (client.get("/healthz"), client.get("/nowhere"), client.post("/v1/predict"), client.get("/")):
        assert answer.headers["x-mien-notice"] == "emotion recognition in use"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["x-request-id"]
    assert client.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert client.get("/healthz", headers={"x-request-id": "a b\tc"}).headers["x-request-id"] != "a b\tc"


def test_the_api_is_closed_without_a_key_and_health_stays_open(make: Make, tmp_path: Path, jpeg: bytes) -> None:
    key = keys.add(tmp_path / "keys", "phone")
    client = make(api_key_file=tmp_path / "keys")
    for headers in ({}, {"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}, {"authorization": f"Basic {key}"}):
        for answer in (
            client.post("/v1/predict", content=jpeg, headers={**JPEG, **headers}),
            client.get("/v1/models", headers=headers),
            client.get("/v1/nowhere", headers=headers),
        ):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
        assert client.post("/v1/predict", content=jpeg, headers={**JPEG, **headers}).status_code == 200


def test_a_client_that_asks_too_often_is_told_when_to_come_back(make: Make, jpeg: bytes) -> None:
    client = make(rate=0.5, burst=2)
    statuses = [client.post("/v1/predict", content=jpeg, headers=JPEG) for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [200, 200, 429]
    assert int(statuses[2].headers["retry-after"]) in (1, 2)
    assert client.get("/healthz").status_code == 200


def test_cors_is_off_unless_set(make: Make, client: TestClient) -> None:
    ask = {"origin": "https://app.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in client.options("/v1/predict", headers=ask).headers
    named = make(cors_origins="https://app.example")
    allowed = named.options("/v1/predict", headers=ask)
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    other = named.options("/v1/predict", headers={**ask, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_metrics_count_requests_faces_and_stages(make: Make, jpeg: bytes) -> None:
    client = make()
    client.post("/v1/predict", content=jpeg, headers=JPEG)
    client.post("/v1/predict", content=b"no", headers=JPEG)
    client.get("/some/made-up/path")
    text = client.get("/metrics").text
    assert 'mien_requests_total{method="POST",route="/v1/predict",status="200"} 1.0' in text
    assert 'mien_requests_total{method="POST",route="/v1/predict",status="422"} 1.0' in text
    assert 'mien_requests_total{method="GET",route="other",status="404"} 1.0' in text
    assert "mien_faces_total 1.0" in text
    assert 'mien_stage_seconds_count{stage="classify"} 1.0' in text
    assert "made-up" not in text


def test_log_lines_are_json_and_hold_nothing_of_the_request(
    make: Make, jpeg: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client = make()
    with caplog.at_level(logging.INFO, logger="mien"):
        client.post(
            "/v1/predict?min_face=3", files={"file": ("private name.jpg", jpeg)}, headers={"x-api-key": "sesame"}
        )
    lines = [logs.JsonFormatter().format(record) for record in caplog.records if record.name == "mien.access"]
    line = json.loads(lines[0])
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/predict", 200)
    assert line["ms"] > 0
    assert "private" not in lines[0]
    assert "sesame" not in lines[0]


def test_models_lists_cards_health_and_files_by_which_a_browser_can_run_them(
    make: Make, jpeg: bytes, tiny_expression: Path
) -> None:
    client = make()
    client.post("/v1/predict", content=jpeg, headers=JPEG)
    found = Catalogue.model_validate(client.get("/v1/models").json())
    model = found.models[0]
    assert (model.name, model.active, model.task) == ("tiny", True, "expression")
    assert model.health is not None
    assert (model.health.state, model.health.pictures) == ("ready", 1)
    assert model.health.p95_ms is not None
    assert found.notice.text == "emotion recognition in use"
    graph = client.get(model.files["model.onnx"])
    assert graph.content == (tiny_expression / "model.onnx").read_bytes()
    again = client.get(model.files["model.onnx"], headers={"if-none-match": graph.headers["etag"]})
    assert again.status_code in (200, 304)


@pytest.mark.parametrize(
    "path",
    ["/v1/models/tiny/../../secret", "/v1/models/tiny/..%2fsecret", "/v1/models/tiny/%2e%2e/secret",
     "/v1/models/tiny/secret.txt", "/v1/models/../secret", "/v1/models/tiny/model.onnx%00", "/..%2f..%2fetc/passwd",
     "/v1/models/tiny/" + "a" * 500, "/v1/models/%2fetc/passwd", "//etc/passwd"],
)  # fmt: skip
def test_only_the_files_of_a_model_are_handed_out(make: Make, tiny_expression: Path, path: str) -> None:
    (tiny_expression / "secret.txt").write_text("secret")
    answer = make().get(path)
    assert answer.status_code in (404, 422)
    assert "secret\n" not in answer.text
    (tiny_expression / "secret.txt").unlink()


def test_a_new_version_of_the_model_is_taken_into_use_only_when_it_proves_itself(
    make: Make, jpeg: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = models.tiny_expression(tmp_path / "swapped", seed=1)
    client = make(model=str(folder))
    engine = client.app.state.mien.engine

    def ask() -> tuple[str, dict[str, float]]:
        found = client.post("/v1/predict", content=jpeg, headers=JPEG).json()
        return found["models"]["expression"]["digest"], found["faces"][0]["scores"]

    before = ask()
    assert not engine.reload_if_changed()
    models.tiny_expression(folder, seed=2)
    assert engine.reload_if_changed()
    after = ask()
    assert after[0] != before[0]
    assert after[1] != before[1]

    (folder / "model.onnx").write_bytes(b"broken")
    (folder / manifest.MANIFEST).touch()
    assert not engine.reload_if_changed()
    assert ask() == after
    assert "refused" in caplog.text
    detail = client.get("/v1/models").json()["models"][0]["health"]["detail"]
    assert "sha256" in detail
    assert not engine.reload_if_changed(), "a refused version is not tried again until it changes"


def test_the_root_is_a_clear_page_or_the_studio(make: Make, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>Studio</title>")
    (tmp_path / "assets" / "app-1234.js").write_text("1")
    (tmp_path / "assets" / "runtime-1234.wasm.gz").write_bytes(gzip.compress(b"\0asm"))
    studio = make(studio=tmp_path)
    for path in ("/", "/live", "/photos/deep"):
        assert "Studio" in studio.get(path).text
        assert studio.get(path).headers["cache-control"] == "no-cache"
    assert "immutable" in studio.get("/assets/app-1234.js").headers["cache-control"]
    packed = studio.get("/assets/runtime-1234.wasm")
    assert packed.content == b"\0asm"
    assert packed.headers["content-type"] == "application/wasm"
    assert packed.headers["content-encoding"] == "gzip"
    assert studio.get("/missing.js").status_code == 404
    assert studio.get("/missing.wasm").status_code == 404
    assert studio.get("/%2e%2e/%2e%2e/etc/passwd.txt").status_code == 404
    bare = make(studio=tmp_path / "absent").get("/")
    assert bare.status_code == 200
    assert "make web" in bare.text
    assert "Emotion recognition is in use" in bare.text


def test_the_openapi_document_is_valid_and_holds_the_stream_messages(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    validate(document)
    schemas = document["components"]["schemas"]
    assert {"Prediction", "Face", "Problem", "ClientMessage", "ServerMessage", "Result"} <= set(schemas)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert "HTTPValidationError" not in json.dumps(operation), path
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas


def test_the_studio_is_built_from_the_document_that_the_server_gives(client: TestClient) -> None:
    copy = Path(__file__).parents[3] / "web" / "src" / "api" / "openapi.json"
    assert json.loads(copy.read_text(encoding="utf-8")) == client.get("/openapi.json").json(), (
        "run npm run types in web"
    )


def test_the_stream_schema_is_the_one_that_messages_are_checked_with(client: TestClient) -> None:
    schema = client.get("/v1/stream/schema").json()
    assert schema == json.loads(json.dumps(protocol.schema()))
    assert schema["$defs"]["ServerMessage"]["oneOf"] == [
        {"$ref": f"#/$defs/{name}"} for name in ("Hello", "Result", "StreamError", "Pong")
    ]


def test_unknown_routes_and_methods_are_problems_too(client: TestClient) -> None:
    for answer, status in ((client.get("/v1/nowhere"), 404), (client.get("/v1/predict"), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/v1/predict").headers["allow"] == "POST"
