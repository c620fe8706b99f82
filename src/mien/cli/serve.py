"""`mien serve`: the server, its API keys and the schemas of its clients."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import MienError, MissingExtraError


def command(
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", help="Port to listen on [8000]; 0 takes a free one.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME|FOLDER", help="Expression model [expression].")] = None,
    detector: Annotated[str | None, typer.Option(metavar="NAME|FOLDER", help="Face detector [mien].")] = None,
    side: Annotated[int | None, typer.Option(metavar="PX", help="Longest side at which faces are looked for.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes that share the port [1].")] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hashed API keys; without it the server is open.")
    ] = None,
    new_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="Add a key to --api-key-file, show it once, and exit.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(metavar="FILE", help="Reaction policy in TOML.")] = None,
    review: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Review database for the Studio's labelling queue.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Page of `mien data report` for the Studio.")
    ] = None,
    cors_origins: Annotated[
        str | None, typer.Option(metavar="ORIGINS", help="Web origins that may call, comma-separated [none].")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="N", help="Requests a second of one client [unlimited].")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings in TOML; see docs/how-to/serve.md for all of them.")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error [info].")
    ] = None,
    log_format: Annotated[str | None, typer.Option(metavar="json|text", help="How lines are logged [json].")] = None,
    schemas: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write openapi.json and stream.schema.json, and exit.")
    ] = None,
) -> None:
    """Serve predictions over HTTP and WebSocket, and the Studio at /.

    Every setting can also come from the environment (MIEN_SERVE_PORT ...) or a TOML file. SIGTERM and SIGINT stop the
    server after the answers that are under way.
    """
    try:
        from mien.serving import keys, server, settings
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mien"):
            raise
        raise MissingExtraError("the server", "serve") from error
    if config is not None:
        os.environ[settings.CONFIG] = str(config)
    if new_key is not None:
        if api_key_file is None:
            raise MienError("--new-key needs --api-key-file, the file that the key's hash is added to")
        typer.echo(keys.add(api_key_file, new_key))
        return
    if schemas is not None:
        for path in server.write_schemas(schemas):
            typer.echo(path)
        return
    server.run(
        settings.load(
            host=host,
            port=port,
            model=model,
            detector=detector,
            side=side,
            workers=workers,
            api_key_file=api_key_file,
            policy=policy,
            review=review,
            report=report,
            cors_origins=cors_origins,
            rate=rate,
            log_level=log_level,
            log_format=log_format,
        )
    )
