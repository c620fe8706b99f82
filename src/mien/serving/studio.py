"""The Studio's files at `/`: the built web app where it is there, else a page that says how to get it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_MISSING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>mien</title>
<style>body{font:1rem/1.6 system-ui,sans-serif;max-width:38rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}
code{font-size:.95em}</style>
<h1>mien is running</h1>
<p>The API answers at <code>/v1</code> and is described in <a href="/openapi.json">openapi.json</a>;
the installed models are listed at <a href="/v1/models">/v1/models</a>.</p>
<p>The web app is not part of this installation. Build it with <code>make web</code>, or install a released wheel.</p>
<p>Emotion recognition is in use here: it reads perceived expression, not what people feel, and stores no picture.</p>
</html>"""


# The build keeps these compressed only; every browser that runs them reads them so.
PACKED = ".wasm"


class _App(StaticFiles):
    """Files of the web app; an address without a file name is a screen of the app and gets its page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, with a cache that fits it: names with a digest never change, all others are asked for anew."""
        if path.startswith("v1/"):
            raise HTTPException(404)
        screen = path == "." or "." not in path
        packed = path.endswith(PACKED) and not self.lookup_path(path)[0]
        response = await super().get_response("index.html" if screen else f"{path}.gz" if packed else path, scope)
        if packed and response.status_code in (200, 304):
            response.headers["Content-Type"] = "application/wasm"
            response.headers["Content-Encoding"] = "gzip"
        fixed = path.startswith("assets/")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if fixed else "no-cache"
        return response


def folder() -> Path:
    """Return where the built web app lies inside the package."""
    return Path(str(files("mien").joinpath("serving", "static")))


def install(app: FastAPI, given: Path | None) -> None:
    """Serve the web app, or the page that says it is missing. Comes last: it takes every path that is left."""
    root = given or folder()
    if (root / "index.html").is_file():
        app.mount("/", _App(directory=root), name="studio")
        return

    @app.get("/", include_in_schema=False)
    async def missing(request: Request) -> HTMLResponse:
        return HTMLResponse(_MISSING)
