"""Which emoji reactions fit a picture: emotion scores in, allowed and blocked emoji out, each decision with its reason.

The policy is data (`reactions.toml`, or a file of one's own). Scores come from the faces in the picture, from a
whole-picture model, or from both; without either nothing is blocked, and the result says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mien import labels as label_sets
from mien.errors import DataError, MienError
from mien.results import Faces, Scores

Status = Literal["allowed", "blocked", "open"]
Probability = Annotated[float, Field(ge=0, le=1)]
_VARIATION = "\N{VARIATION SELECTOR-16}"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict):
    """What one emotion does once its score reaches the threshold."""

    threshold: Probability
    allows: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()

    @field_validator("allows", "blocks")
    @classmethod
    def _emoji(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for emoji in value:
            if not emoji or len(emoji) > 32 or emoji.isascii() or any(ch.isspace() for ch in emoji):
                raise ValueError(f"'{emoji}' is not an emoji")
        return value

    @model_validator(mode="after")
    def _decided(self) -> Rule:
        both = {_key(emoji) for emoji in self.allows} & {_key(emoji) for emoji in self.blocks}
        if both:
            raise ValueError(f"{' '.join(sorted(both))} is both allowed and blocked")
        return self


class Fusion(_Strict):
    """How much each source counts where both speak."""

    faces: Annotated[float, Field(ge=0)] = 0.7
    scene: Annotated[float, Field(ge=0)] = 0.3

    @model_validator(mode="after")
    def _some(self) -> Fusion:
        if self.faces + self.scene <= 0:
            raise ValueError("one of the sources must count")
        return self


class Policy(_Strict):
    """Rules for the labels of one label set."""

    label_set: str = "social8"
    fusion: Fusion = Fusion()
    labels: Mapping[str, Rule]

    @model_validator(mode="after")
    def _known(self) -> Policy:
        try:
            known = label_sets.get(self.label_set)
        except MienError as error:
            raise ValueError(str(error)) from error
        unknown = sorted(set(self.labels) - set(known))
        if unknown:
            raise ValueError(f"'{unknown[0]}' is no label of {self.label_set}; it has {', '.join(known)}")
        return self

    def emojis(self) -> list[str]:
        """List every emoji of the policy once, in the order of the file."""
        first: dict[str, str] = {}
        for rule in self.labels.values():
            for emoji in (*rule.allows, *rule.blocks):
                first.setdefault(_key(emoji), emoji)
        return list(first.values())


@dataclass(frozen=True)
class Decision:
    """What was decided about one emoji, and why.

    Attributes:
        emoji: the reaction.
        status: 'allowed', 'blocked', or 'open' where no emotion that was seen has a rule for it.
        reason: for people, such as '🎉 blocked: sad 0.81 >= 0.45'.
        emotion: the label that decided, or None.
    """

    emoji: str
    status: Status
    reason: str
    emotion: str | None = None


@dataclass(frozen=True)
class Reactions:
    """The reactions that fit a picture.

    Attributes:
        predicted_emotions: labels whose score reaches their threshold, strongest first.
        allowed_emojis: what fits: what those emotions allow and none of them blocks; everything when there are none.
        blocked_emojis: what any of those emotions blocks.
        emotion_scores: fused score of every label in 0..1; empty without a signal.
        decisions: one for every emoji of the policy.
        sources: scores of each source by itself ('faces', 'scene'), before they were put together.
        note: what the decisions rest on, in words.
    """

    predicted_emotions: list[str]
    allowed_emojis: list[str]
    blocked_emojis: list[str]
    emotion_scores: dict[str, float]
    decisions: list[Decision]
    sources: dict[str, dict[str, float]]
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy; without a path the one inside the package.

    Raises:
        DataError: the file cannot be read, is no TOML, or does not fit the schema.
    """
    name = str(path or "reactions.toml")
    try:
        text = (path or files("mien").joinpath("reactions.toml")).read_text(encoding="utf-8")
        return Policy.model_validate(tomllib.loads(text))
    except OSError as error:
        raise DataError(f"cannot read the policy {name}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"the policy {name} is no UTF-8 TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "policy"
        raise DataError(f"the policy {name} does not fit: {place}: {first['msg'].lower()}") from error


def react(faces: Faces | None = None, scene: Scores | None = None, policy: Policy | None = None) -> Reactions:
    """Decide on the reactions to a picture.

    A face counts unless the model abstained from it. A label's score over several faces is the highest one, because
    one sad person makes a picture sad. Scores of the whole picture that were only derived (from valence and arousal)
    speak where no face counts: beside a face they would but water it down.

    Args:
        faces: what was read from the picture's faces.
        scene: scores ``(1, k)`` of a whole-picture model.
        policy: default the one inside the package.

    Raises:
        DataError: a source's label set has no mapping to the policy's.
    """
    policy = policy or load_policy()
    sources: dict[str, dict[str, float]] = {}
    if faces is not None and len(faces):
        counted = np.array([reason is None for reason in faces.abstained])
        if counted.any():
            sources["faces"] = _carry(faces.heads[faces.primary][counted], policy.label_set)
    if scene is not None and len(scene) and (scene.derived is None or not sources):
        sources["scene"] = _carry(scene, policy.label_set)
    return decide(sources, policy, _note(faces, sources))


def decide(sources: Mapping[str, Mapping[str, float]], policy: Policy, note: str = "") -> Reactions:
    """Apply the policy to the scores of each source."""
    scores = _fuse(sources, policy.fusion)
    seen = [name for name, rule in policy.labels.items() if scores.get(name, -1.0) >= rule.threshold]
    seen.sort(key=lambda name: -scores[name])
    decisions = [_decide(emoji, seen, scores, policy) for emoji in policy.emojis()]
    fitting = [d.emoji for d in decisions if d.status == "allowed"]
    if not seen:
        note = f"{note}; no emotion reaches its threshold, so nothing is blocked" if scores else note
    order = {_key(e): i for i, e in enumerate(e for name in seen for e in policy.labels[name].allows)}
    return Reactions(
        predicted_emotions=seen,
        allowed_emojis=sorted(fitting, key=lambda e: order.get(_key(e), 0)),
        blocked_emojis=[d.emoji for d in decisions if d.status == "blocked"],
        emotion_scores=scores,
        decisions=decisions,
        sources={name: dict(values) for name, values in sources.items()},
        note=note,
    )


def _decide(emoji: str, seen: list[str], scores: Mapping[str, float], policy: Policy) -> Decision:
    def because(name: str) -> str:
        return f"{name} {scores[name]:.2f} >= {policy.labels[name].threshold:.2f}"

    if not seen:
        return Decision(emoji, "allowed", f"{emoji} allowed: nothing was seen that speaks against it")
    key = _key(emoji)
    against = next((name for name in seen if key in map(_key, policy.labels[name].blocks)), None)
    if against:
        return Decision(emoji, "blocked", f"{emoji} blocked: {because(against)}", against)
    fits = next((name for name in seen if key in map(_key, policy.labels[name].allows)), None)
    if fits:
        return Decision(emoji, "allowed", f"{emoji} allowed: {because(fits)}", fits)
    return Decision(emoji, "open", f"{emoji} open: no rule of {', '.join(seen)} speaks about it")


def _fuse(sources: Mapping[str, Mapping[str, float]], fusion: Fusion) -> dict[str, float]:
    """Take the weighted mean of the sources that speak."""
    weights = {name: getattr(fusion, name) for name in sources}
    total = sum(weights.values())
    if not sources:
        return {}
    if total <= 0:
        weights, total = dict.fromkeys(sources, 1.0), float(len(sources))
    names = next(iter(sources.values()))
    return {k: round(sum(weights[s] * sources[s][k] for s in sources) / total, 5) for k in names}


def _carry(scores: Scores, target: str) -> dict[str, float]:
    """Carry scores ``(n, k)`` over to the policy's labels and take the highest of the n."""
    goal = label_sets.get(target)
    same = scores.labels.name == target and scores.labels.labels == goal.labels
    values = scores.values if same else label_sets.mapping(scores.labels.name, target).scores(scores.values)
    return {name: round(float(p), 5) for name, p in zip(goal, values.max(axis=0), strict=True)}


def _note(faces: Faces | None, sources: Mapping[str, object]) -> str:
    found = 0 if faces is None else len(faces)
    parts = []
    if "faces" in sources and faces is not None:
        counted = sum(reason is None for reason in faces.abstained)
        parts.append(f"{counted} of {found} {'face' if found == 1 else 'faces'}")
    if "scene" in sources:
        parts.append("the whole picture")
    if parts:
        return f"from {' and '.join(parts)}"
    why = "no face" if not found else "no face that can be read" if found == 1 else f"none of {found} faces can be read"
    return f"no signal: {why} and no whole-picture model; nothing is blocked"


def _key(emoji: str) -> str:
    """Make '❤' and '❤️' the same emoji: they differ only by the invisible request for colour."""
    return emoji.replace(_VARIATION, "")
