"""Reactions: a picture in, the emoji that fit it out; and the policy, for clients that decide by themselves."""

from __future__ import annotations

import json

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mien import labels as label_sets
from mien import reactions
from mien.labels import LabelSet
from mien.serving import body
from mien.serving import state as server
from mien.serving.engine import Job
from mien.serving.openapi import picture_body
from mien.serving.schemas import Options, PredictRequest, ReactionPolicy, ReactionRule, Reactions

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
    manifest = state.engine.current.recognizer.expression.manifest
    assert manifest.primary is not None  # an expression model without one is refused when it is opened
    return describe(state.policy, manifest.head(manifest.primary).set())


def describe(policy: reactions.Policy, labels: LabelSet) -> ReactionPolicy:
    """Describe a policy for a model with these labels.

    Raises:
        DataError: no mapping leads from the model's labels to the policy's.
    """
    goal = label_sets.get(policy.label_set)
    return ReactionPolicy(
        label_set=goal.name,
        labels=list(goal),
        rules={
            name: ReactionRule(threshold=rule.threshold, allows=list(rule.allows), blocks=list(rule.blocks))
            for name, rule in policy.labels.items()
        },
        mapping=dict(label_sets.mapping(labels.name, goal.name).pairs),
    )
