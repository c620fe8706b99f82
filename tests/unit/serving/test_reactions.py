from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient
from tests.fixtures import models
from tests.unit.serving.conftest import Make

from mien import labels, reactions
from mien.manifest import Head
from mien.recognition.pipeline import Recognizer
from mien.serving.routes.reactions import describe
from mien.serving.schemas import ReactionPolicy, Reactions

JPEG = {"content-type": "image/jpeg"}
POLICY = """
label_set = "social8"
[labels.LABEL]
threshold = 0.0
allows = ["👩‍🚀"]
blocks = ["🎉"]
"""


def test_the_route_decides_as_the_library_does(client: TestClient, jpeg: bytes, tiny_expression: Path) -> None:
    answer = client.post("/v1/reactions", content=jpeg, headers=JPEG)
    found = Reactions.model_validate(answer.json())
    own = reactions.react(Recognizer(detector="none", model=tiny_expression)(jpeg))
    assert found.allowed_emojis == own.allowed_emojis
    assert found.blocked_emojis == own.blocked_emojis
    assert found.emotion_scores == own.emotion_scores
    assert [d.reason for d in found.decisions] == [d.reason for d in own.decisions]
    assert found.note == "from 1 of 1 face"


def test_emoji_travel_as_utf8_without_escapes_even_those_of_several_code_points(
    make: Make, jpeg: bytes, tmp_path: Path
) -> None:
    (tmp_path / "p.toml").write_text(POLICY.replace("LABEL", "neutral"), encoding="utf-8")
    answer = make(policy=tmp_path / "p.toml").post("/v1/reactions", content=jpeg, headers=JPEG)
    assert "👩‍🚀".encode() in answer.content
    assert b"\\u" not in answer.content
    found = answer.json()
    assert found["allowed_emojis"] == ["👩‍🚀"]
    assert found["blocked_emojis"] == ["🎉"]
    assert any(d["reason"].startswith("🎉 blocked: neutral ") for d in found["decisions"])


def test_a_whole_picture_model_speaks_where_one_is_installed(make: Make, jpeg: bytes, tmp_path: Path) -> None:
    folder = models.tiny_expression(tmp_path / "scene", sets=("ferplus8",), seed=3)
    text = (folder / "model.json").read_text().replace('"task": "expression"', '"task": "scene"')
    (folder / "model.json").write_text(text)
    found = make(scene=str(folder)).post("/v1/reactions", content=jpeg, headers=JPEG).json()
    assert set(found["sources"]) == {"faces", "scene"}
    assert found["note"] == "from 1 of 1 face and the whole picture"


def test_one_picture_a_request(client: TestClient, jpeg: bytes) -> None:
    files = [("file", ("1.jpg", jpeg)), ("file", ("2.jpg", jpeg))]
    assert client.post("/v1/reactions", files=files).status_code == 422


def test_the_policy_in_use_is_handed_out_with_the_way_from_the_models_labels_to_its_own(
    make: Make, tmp_path: Path
) -> None:
    (tmp_path / "p.toml").write_text(POLICY.replace("LABEL", "sad"), encoding="utf-8")
    found = ReactionPolicy.model_validate(make(policy=tmp_path / "p.toml").get("/v1/reactions/policy").json())
    assert found.label_set == "social8"
    assert list(found.rules) == ["sad"]
    assert found.rules["sad"].blocks == ["🎉"]
    assert found.mapping["sadness"] == "sad"
    assert set(found.mapping.values()) <= set(found.labels)
    assert found.fusion == {"faces": 0.7, "scene": 0.3}
    assert found.scene is not None
    assert found.scene.places is not None
    assert found.scene.places["happy"] == (0.81, 0.51)
    assert set(found.scene.places) == set(found.scene.mapping)


def test_the_policy_of_a_server_whose_whole_picture_model_scores_emotions_has_no_places() -> None:
    policy = reactions.load_policy()
    moods = labels.get("mikels8")
    head = Head(name="mood", label_set=moods.name, labels=tuple(moods))
    found = describe(policy, labels.get("ferplus8"), head).scene
    assert found is not None
    assert found.places is None
    assert found.spread is None
    assert set(found.mapping.values()) <= set(labels.get(policy.label_set))
    assert describe(policy, labels.get("ferplus8")).scene is None
