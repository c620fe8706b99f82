"""The same application as replicas on Ray Serve, which starts and stops them with the load.

    serve run mien.serving.ray_app:build min_replicas=1 max_replicas=4 model=expression

Every replica is the whole application of `mien serve`: HTTP and WebSocket, batches, limits, metrics. Limits of rate and
streams hold for each replica by itself.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ray import serve

from mien.errors import MienError
from mien.serving import logs, settings
from mien.serving.app import create
from mien.serving.settings import ServeSettings


class Scale(BaseModel):
    """How many replicas there are, and when there are more.

    Attributes:
        min_replicas: kept when nothing is asked.
        max_replicas: under the highest load.
        ongoing: requests that one replica has under way when the number is right.
        cpus: processors that one replica is given.
        window_seconds: over which the load is averaged.
        up_seconds: how long the load has to ask for more replicas before there are.
        down_seconds: how long it has to ask for fewer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(4, ge=1)
    ongoing: float = Field(8.0, gt=0)
    cpus: float = Field(1.0, gt=0)
    window_seconds: float = Field(30.0, gt=10)
    up_seconds: float = Field(10.0, ge=0)
    down_seconds: float = Field(300.0, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Scale:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} is above max_replicas {self.max_replicas}")
        return self


def build(arguments: dict[str, Any]) -> serve.Application:
    """Make the Ray Serve application.

    Args:
        arguments: fields of `Scale`, and of `ServeSettings` for the application inside.

    Raises:
        MienError: a setting does not fit.
    """
    own = {name: value for name, value in arguments.items() if name in Scale.model_fields}
    rest = {name: value for name, value in arguments.items() if name not in own}
    try:
        scale = Scale.model_validate(own)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "replicas"
        raise MienError(f"the setting '{name}' of Ray Serve does not fit: {first['msg'].lower()}") from error
    return application(settings.load(**rest), scale)


def application(chosen: ServeSettings, scale: Scale) -> serve.Application:
    """Make the Ray Serve application from typed settings."""

    def make() -> FastAPI:
        logs.configure(chosen.log_level, chosen.log_format)
        return create(chosen)

    deployment = serve.deployment(
        name="mien",
        ray_actor_options={"num_cpus": scale.cpus},
        max_ongoing_requests=chosen.queue,
        health_check_period_s=10,
        graceful_shutdown_timeout_s=chosen.shutdown_seconds,
        autoscaling_config={
            "min_replicas": scale.min_replicas,
            "max_replicas": scale.max_replicas,
            "target_ongoing_requests": scale.ongoing,
            "look_back_period_s": scale.window_seconds,
            "upscale_delay_s": scale.up_seconds,
            "downscale_delay_s": scale.down_seconds,
        },
    )
    return deployment(serve.ingress(make)()).bind()
