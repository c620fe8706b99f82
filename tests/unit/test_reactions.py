from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien import labels
from mien.errors import DataError
from mien.reactions import Policy, decide, load_policy, react
from mien.results import Detections, Faces, Scores

SOCIAL = labels.get("social8")
POLICY = load_policy()
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def faces(*rows: dict[str, float], abstained: tuple[str | None, ...] = ()) -> Faces:
    known = labels.get("ferplus8")
    values = np.array([[row.get(name, 0.0) for name in known] for row in rows], np.float32).reshape(-1, len(known))
    n = len(rows)
    return Faces(
        Detections(np.zeros((n, 4), np.float32), np.ones(n, np.float32), np.zeros((n, 5, 2), np.float32)),
        {"expression": Scores(known, values)},
        "expression",
        np.ones(n, np.float32),
        abstained or (None,) * n,
    )


def test_a_sad_face_blocks_what_laughs_and_allows_what_comforts() -> None:
    found = react(faces({"sadness": 0.81, "neutral": 0.19}))
    assert found.predicted_emotions == ["sad"]
    assert found.allowed_emojis == ["😢", "😭", "💔", "🤍", "🙏"]
    assert found.blocked_emojis == ["😂", "😆", "😎", "🎉"]
    assert "🎉 blocked: sad 0.81 >= 0.45" in [d.reason for d in found.decisions]
    assert found.emotion_scores["sad"] == pytest.approx(0.81)


def test_what_one_person_makes_unfit_another_does_not_make_fit() -> None:
    found = react(faces({"happiness": 0.95, "neutral": 0.05}, {"sadness": 0.7, "neutral": 0.3}))
    assert found.predicted_emotions == ["happy", "sad"]
    assert {"😂", "🎉"} <= set(found.blocked_emojis)
    assert "😍" in found.allowed_emojis
    assert not set(found.allowed_emojis) & set(found.blocked_emojis)


def test_without_a_signal_nothing_is_blocked_and_the_answer_says_so() -> None:
    unreadable = faces({"sadness": 0.9, "neutral": 0.1}, abstained=("blurred",))
    for found, words in (
        (react(), "no face and"),
        (react(faces()), "no face and"),
        (react(unreadable), "no face that"),
    ):
        assert found.blocked_emojis == []
        assert found.allowed_emojis == load_policy().emojis()
        assert (found.predicted_emotions, found.emotion_scores) == ([], {})
        assert found.note.startswith(f"no signal: {words}")


def test_a_signal_below_every_threshold_blocks_nothing_and_says_so() -> None:
    found = react(faces({"sadness": 0.4, "neutral": 0.3, "happiness": 0.3}))
    assert found.blocked_emojis == []
    assert found.emotion_scores["sad"] == pytest.approx(0.4)
    assert "no emotion reaches its threshold" in found.note


def test_a_face_that_cannot_be_read_does_not_count() -> None:
    pair = faces({"sadness": 0.9, "neutral": 0.1}, {"happiness": 0.9, "neutral": 0.1}, abstained=("too small", None))
    found = react(pair)
    assert found.predicted_emotions == ["happy"]
    assert found.note == "from 1 of 2 faces"


def test_faces_and_scene_are_weighed_as_the_policy_says() -> None:
    scene = Scores(SOCIAL, np.array([[0.9, 0, 0, 0, 0, 0, 0.1, 0]], np.float32))
    found = react(faces({"sadness": 1.0}), scene)
    assert found.emotion_scores["sad"] == pytest.approx(0.7)
    assert found.emotion_scores["happy"] == pytest.approx(0.27)
    assert react(None, scene).emotion_scores["happy"] == pytest.approx(0.9)


def test_a_derived_scene_speaks_only_where_no_face_counts() -> None:
    scene = Scores(SOCIAL, np.array([[0.9, 0, 0, 0, 0, 0, 0.1, 0]], np.float32), derived="circumplex")
    assert react(faces({"sadness": 1.0}), scene).emotion_scores["happy"] == 0.0
    assert react(faces({"sadness": 1.0}, abstained=("blurred",)), scene).emotion_scores["happy"] == pytest.approx(0.9)


def test_contempt_counts_as_other() -> None:
    assert react(faces({"contempt": 0.8, "neutral": 0.2})).predicted_emotions == ["other"]


@UNHURRIED
@given(st.fixed_dictionaries({name: st.floats(0, 1) for name in SOCIAL}))
def test_decisions_are_complete_disjoint_and_each_block_names_a_label_that_reached_its_threshold(
    scores: dict[str, float],
) -> None:
    policy = POLICY
    found = decide({"faces": scores}, policy)
    assert [d.emoji for d in found.decisions] == policy.emojis()
    assert not set(found.allowed_emojis) & set(found.blocked_emojis)
    for decision in found.decisions:
        if decision.status == "blocked":
            assert decision.emotion is not None
            rule = policy.labels[decision.emotion]
            assert found.emotion_scores[decision.emotion] >= rule.threshold
            assert decision.emoji in rule.blocks
    blocked = {e for name in found.predicted_emotions for e in policy.labels[name].blocks}
    assert set(found.blocked_emojis) == blocked


@UNHURRIED
@given(
    st.fixed_dictionaries({name: st.floats(0, 1) for name in SOCIAL}),
    st.sampled_from(SOCIAL.labels),
    st.floats(0, 1),
)
def test_a_stronger_emotion_never_unblocks(scores: dict[str, float], label: str, more: float) -> None:
    policy = POLICY
    before = set(decide({"faces": scores}, policy).blocked_emojis)
    after = set(decide({"faces": {**scores, label: max(scores[label], more)}}, policy).blocked_emojis)
    assert before <= after


def test_the_result_survives_json_in_utf8() -> None:
    found = react(faces({"sadness": 0.81, "neutral": 0.19})).to_dict()
    assert json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8").decode("utf-8")) == found


def test_a_heart_with_and_without_the_colour_request_is_one_emoji() -> None:
    policy = Policy.model_validate(
        {"labels": {"happy": {"threshold": 0.5, "allows": ["❤️"]}, "sad": {"threshold": 0.5, "blocks": ["❤"]}}}
    )
    assert len(policy.emojis()) == 1
    found = decide({"faces": dict.fromkeys(SOCIAL, 0.9)}, policy)
    assert len(found.blocked_emojis) == 1
    assert found.allowed_emojis == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("labels = 1", "labels"),
        ("[labels.sad]\nthreshold = 2", "threshold"),
        ("[labels.grumpy]\nthreshold = 0.5", "no label of social8"),
        ('[labels.sad]\nthreshold = 0.5\nblocks = ["🎉"]\nallows = ["🎉"]', "both allowed and blocked"),
        ('[labels.sad]\nthreshold = 0.5\nblocks = ["abc"]', "not an emoji"),
        ('label_set = "none"\n[labels.sad]\nthreshold = 0.5', "label set"),
        ("[labels.sad]\nthreshold = 0.5\ncolour = 1", "colour"),
        ("[fusion]\nfaces = 0\nscene = 0\n[labels.sad]\nthreshold = 0.5", "must count"),
        ("= =", "no UTF-8 TOML"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        load_policy(tmp_path / "p.toml")


def test_a_missing_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        load_policy(tmp_path / "absent.toml")
