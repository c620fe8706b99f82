"""Named models: those inside the package, then folders named by `MIEN_MODELS`, then the cache, then a checked download.

Nothing is fetched at import or without being asked for by name, and a download is kept only when its sha256 is the
catalogue's.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from mien.errors import ModelError, UnknownNameError
from mien.manifest import MANIFEST


class Download(NamedTuple):
    """A file that others publish and that mien can use."""

    name: str
    file: str
    url: str
    sha256: str
    licence: str
    what: str


def assets() -> Path:
    """Return the folder of the models that ship inside the package."""
    return Path(str(files("mien").joinpath("assets")))


def search_path() -> list[Path]:
    """List where models are looked for, in order: the package, each folder of `MIEN_MODELS`, the cache."""
    extra = [Path(part) for part in os.environ.get("MIEN_MODELS", "").split(os.pathsep) if part]
    return [assets(), *extra, cache_folder()]


def cache_folder() -> Path:
    """Return where downloads are kept (`MIEN_CACHE`, or the platform's cache folder)."""
    given = os.environ.get("MIEN_CACHE")
    if given:
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_cache_dir("mien", appauthor=False)) / "models"


def folders() -> Iterator[tuple[str, Path]]:
    """Yield the name and folder of every installed model; the first place that has a name wins."""
    seen: set[str] = set()
    for root in search_path():
        if not root.is_dir():
            continue
        for folder in sorted(root.iterdir()):
            if folder.name not in seen and (folder / MANIFEST).is_file():
                seen.add(folder.name)
                yield folder.name, folder


def find(model: str | os.PathLike[str]) -> Path:
    """Return the folder of a model given by name or path.

    Raises:
        UnknownNameError: no model of that name is installed.
        ModelError: the path has no manifest.
    """
    given = Path(model)
    if (given / MANIFEST).is_file():
        return given
    if given.is_dir() or len(given.parts) > 1:
        raise ModelError(f"{given} is not a model folder: it has no {MANIFEST}")
    installed = dict(folders())
    if str(model) in installed:
        return installed[str(model)]
    raise UnknownNameError("model", str(model), installed)


@cache
def downloads() -> dict[str, Download]:
    """Return the catalogue of files that can be fetched."""
    data = tomllib.loads(files("mien").joinpath("hub.toml").read_text(encoding="utf-8"))
    return {name: Download(name, **entry) for name, entry in data.items()}


def file(name: str, *, timeout: float = 60.0) -> Path:
    """Return a catalogued file: from `MIEN_MODELS` or the cache, else downloaded and checked.

    Raises:
        UnknownNameError: the catalogue has no such entry.
        ModelError: the download failed, or its digest is not the catalogue's.
    """
    if name not in downloads():
        raise UnknownNameError("download", name, downloads())
    entry = downloads()[name]
    for root in search_path()[1:]:
        path = root / entry.file
        if path.is_file():
            return path
    return _fetch(entry, cache_folder() / entry.file, timeout)


def _fetch(entry: Download, target: Path, timeout: float) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as partial:
        try:
            with urllib.request.urlopen(entry.url, timeout=timeout) as answer:  # noqa: S310 - hub.toml's own addresses
                while block := answer.read(1 << 20):
                    sha256.update(block)
                    partial.write(block)
            partial.close()
            if sha256.hexdigest() != entry.sha256:
                raise ModelError(f"{entry.url} has another digest than expected; nothing was kept")
            os.replace(partial.name, target)
        except (urllib.error.URLError, OSError, TimeoutError) as error:
            reason = getattr(error, "reason", error)
            hint = f"put {entry.file} into a folder named by MIEN_MODELS to work offline"
            raise ModelError(f"cannot download {entry.name} from {entry.url}: {reason}; {hint}") from error
        finally:
            Path(partial.name).unlink(missing_ok=True)
    return target
