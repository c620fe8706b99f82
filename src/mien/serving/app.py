"""The application: settings in, an ASGI app out. Models load when it starts and leave when it stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from mien import reactions
from mien.serving import keys, logs, openapi, problems, settings, stream, studio
from mien.serving.batching import Batcher
from mien.serving.engine import Engine
from mien.serving.explaining import Explainer
from mien.serving.metrics import Metrics
from mien.serving.middleware import Surround
from mien.serving.rate import RateLimit
from mien.serving.review import ReviewDesk
from mien.serving.routes import explain, health, models, predict
from mien.serving.routes import reactions as reaction_routes
from mien.serving.routes import review as review_routes
from mien.serving.settings import ServeSettings
from mien.serving.state import ServerState
from mien.serving.turnstile import Turnstile

log = logging.getLogger("mien.serving")
DESCRIPTION = """\
Reads **perceived** emotion from pictures. What a model reads from a face is not what a person feels.

Emotion recognition is in use here: every answer says so in `X-Mien-Notice`. No picture is stored.

The live stream `/v1/stream` is a WebSocket; its messages are the schemas `ClientMessage` and `ServerMessage`, and its
JSON Schema is at `/v1/stream/schema`."""


def create(given: ServeSettings | None = None) -> FastAPI:
    """Make the application.

    Args:
        given: default from environment and file.

    Raises:
        MienError: a setting, the key file or the policy does not fit.
    """
    chosen = given or settings.load()
    engine = Engine(chosen)
    state = ServerState(
        settings=chosen,
        engine=engine,
        batcher=Batcher(
            engine.read,
            workers=chosen.cores,
            batch=chosen.batch,
            window=chosen.window_ms / 1000,
            queue=chosen.queue,
        ),
        metrics=Metrics(),
        rate=RateLimit(chosen.rate, chosen.burst),
        policy=reactions.load_policy(chosen.policy),
        keys=keys.read(chosen.api_key_file) if chosen.api_key_file else None,
        review=ReviewDesk(chosen.review),
        turnstile=Turnstile(chosen.cores + 1),  # one that waits, so that no worker is idle
        explainer=Batcher(Explainer(engine).work, workers=1, batch=1, window=0, queue=4),
    )
    app = FastAPI(
        title="mien",
        version="1",  # of the API, as in its paths; the program's own is in /v1/models
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        middleware=_middleware(state),
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.mien = state
    problems.install(app)
    for module in (health, predict, reaction_routes, explain, models, review_routes, stream):
        app.include_router(module.router)
    openapi.install(app)
    studio.install(app, chosen.studio)
    return app


def _middleware(state: ServerState) -> list[Middleware]:
    out = [Middleware(Surround, state=state)]
    if state.settings.cors_origins:
        out.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(state.settings.cors_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
                expose_headers=["X-Mien-Notice", "X-Request-ID", "Retry-After"],
                max_age=600,
            )
        )
    return out


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: ServerState = app.state.mien
    if state.engine.state != "ready":
        await anyio.to_thread.run_sync(state.engine.load)
    log.info("ready", extra={"models": state.engine.current.reference})
    watcher = asyncio.create_task(_watch(state))
    try:
        yield
    finally:
        state.stopping.set()
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        await state.batcher.close()
        await state.explainer.close()


async def _watch(state: ServerState) -> None:
    """Look for new versions of the models from time to time."""
    seconds = state.settings.watch_seconds
    while seconds > 0:
        await asyncio.sleep(seconds)
        await anyio.to_thread.run_sync(state.engine.reload_if_changed)


def from_environment() -> FastAPI:
    """Make the application of a worker process, whose settings come from the environment."""
    chosen = settings.load()
    logs.configure(chosen.log_level, chosen.log_format)
    return create(chosen)
