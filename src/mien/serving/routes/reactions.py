"""Reactions: a picture in, the emoji that fit it out; and the policy, for clients that decide by themselves."""

from __future__ import annotations

import json

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mien import labels as label_sets
from mien import reactions
from mien.labels import LabelSet
from mien.manifest import Head
from mien.recognition import circumplex
from mien.serving import body
from mien.serving import state as server
from mien.serving.engine import Job
from mien.serving.openapi import picture_body
from mien.serving.schemas import Options, PredictRequest, ReactionPolicy, ReactionRule, Reactions, SceneEmotions

router = APIRouter(prefix="/v1/reactions", tags=["reactions"])


@router.post(
    "",
    summary="Say which emoji reactions fit a picture",
    response_model=Reactions,
    openapi_extra=picture_body(PredictRequest, Options, many=False),
)
async def react(request: Request) -> Response:
    """Fuse what the faces show with what the whole-picture model says, where one is installed, and apply the policy."""
    state = server.of(request)
    uploads, options = await body.pictures(request, state.settings, PredictRequest, Options, many=False)
    name, data = uploads[0]
    reading = await state.read(Job(data, options, name, scene=True))
    decided = reactions.react(reading.faces, reading.scene, state.policy).to_dict()
    answer = {"image": name, "faces": len(reading.faces), **decided, "models": reading.loaded.reference}
    if options.latency:
        answer["latency"] = reading.latency
    return Response(json.dumps(answer, ensure_ascii=False).encode(), media_type="application/json")


@router.get("/policy", summary="Get the policy")
async def policy(request: Request) -> ReactionPolicy:
    """Return the rules in use, and how the labels of the model in use are carried over to theirs."""
    state = server.of(request)
    loaded = state.engine.current
    manifest = loaded.recognizer.expression.manifest
    assert manifest.primary is not None  # an expression model without one is refused when it is opened
    scene = loaded.scene.network if loaded.scene else None
    head = scene.manifest.head(scene.primary) if scene else None
    return describe(state.policy, manifest.head(manifest.primary).set(), head)


def describe(policy: reactions.Policy, labels: LabelSet, scene: Head | None = None) -> ReactionPolicy:
    """Describe a policy for a model with these labels, and for the main head of a whole-picture model if there is one.

    Raises:
        DataError: no mapping leads from the labels of a model to the policy's.
    """
    goal = label_sets.get(policy.label_set)
    return ReactionPolicy(
        label_set=goal.name,
        labels=list(goal),
        rules={
            name: ReactionRule(threshold=rule.threshold, allows=list(rule.allows), blocks=list(rule.blocks))
            for name, rule in policy.labels.items()
        },
        mapping=_mapping(labels.name, goal.name),
        fusion=policy.fusion.model_dump(),
        scene=_emotions(scene, goal.name) if scene else None,
    )


def _emotions(head: Head, goal: str) -> SceneEmotions:
    if head.kind != "value":
        return SceneEmotions(mapping=_mapping(head.label_set, goal), places=None, spread=None)
    places = {name: circumplex.PLACES.get(name) for name in label_sets.get(circumplex.TARGET)}
    return SceneEmotions(mapping=_mapping(circumplex.TARGET, goal), places=places, spread=circumplex.SPREAD)


def _mapping(source: str, goal: str) -> dict[str, str]:
    return dict(label_sets.mapping(source, goal).pairs)
