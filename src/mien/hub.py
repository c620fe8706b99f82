"""Named models: those inside the package, then folders named by `MIEN_MODELS`, then the cache, then a checked download.

A model may also be named by its address in an object store (`s3://BUCKET/FOLDER`) or in an MLflow registry
(`models:/NAME/VERSION`); it is then kept in the cache under its manifest's digest. Nothing is fetched at import or
without being asked for by name, and a download is kept only when its sha256 is the catalogue's or its manifest's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from mien import manifest, model_registry, storage
from mien.errors import DataError, ModelError, UnknownNameError
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
    """Return the folder of a model given by name, path or address.

    Raises:
        UnknownNameError: no model of that name is installed.
        ModelError: the path has no manifest, or what the address holds cannot be fetched or is damaged.
    """
    if isinstance(model, str) and (storage.is_url(model) or model.startswith(model_registry.SCHEME)):
        return _fetched(model)
    given = Path(model)
    if (given / MANIFEST).is_file():
        return given
    if given.is_dir() or len(given.parts) > 1:
        raise ModelError(f"{given} is not a model folder: it has no {MANIFEST}")
    installed = dict(folders())
    if str(model) in installed:
        return installed[str(model)]
    raise UnknownNameError("model", str(model), installed)


def publish(model: str | os.PathLike[str], to: str) -> str:
    """Copy a model folder to an object store or register it, and return the address by which `find` gets it.

    Args:
        model: name or folder.
        to: ``s3://BUCKET/FOLDER`` (or another store), or ``models:/NAME`` for an MLflow registry.

    Raises:
        ModelError: the folder is damaged, or the place refuses it.
    """
    folder = find(model)
    if to.startswith(model_registry.SCHEME):
        return model_registry.publish(folder, to.removeprefix(model_registry.SCHEME))
    if not storage.is_url(to):
        raise ModelError(f"'{to}' is no place to publish to: give s3://BUCKET/FOLDER or models:/NAME")
    manifest.verify(folder, manifest.read(folder))
    files = sorted(path for path in folder.iterdir() if path.is_file())
    # The manifest comes last: a folder with a manifest is complete.
    with storage.problems(to):
        for path in sorted(files, key=lambda path: path.name == MANIFEST):
            storage.write(storage.locate(to) / path.name, path.read_bytes())
    return to


def _fetched(address: str) -> Path:
    """Return the cached copy of a model at an address; fetch it when its manifest is another than the cached ones."""
    root = cache_folder() / "fetched"
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"cannot write to the cache {root}: {error.strerror}; set MIEN_CACHE") from error
    if address.startswith(model_registry.SCHEME):
        return _keep(model_registry.download(address, root), root)
    source = storage.locate(address)
    try:
        with storage.problems(address):
            described = (source / MANIFEST).read_bytes()
    except FileNotFoundError as error:
        raise ModelError(f"{address} is not a model folder: it has no {MANIFEST}") from error
    except DataError as error:
        raise ModelError(str(error)) from error
    kept = root / hashlib.sha256(described).hexdigest()[:32]
    if (kept / MANIFEST).is_file():
        return kept
    partial = Path(tempfile.mkdtemp(dir=root))
    (partial / MANIFEST).write_bytes(described)
    wanted = [graph.file for graph in manifest.read(partial).graphs.values()]
    with storage.problems(address):
        for name in (*wanted, "card.md", "LICENSE"):
            if name in wanted or (source / name).exists():
                (partial / name).write_bytes((source / name).read_bytes())
    return _keep(partial, root)


def _keep(partial: Path, root: Path) -> Path:
    """Check a fetched folder and move it to where its manifest's digest says."""
    try:
        manifest.verify(partial, manifest.read(partial))
        kept = root / manifest.digest(partial / MANIFEST)[:32]
        if not (kept / MANIFEST).is_file():
            os.replace(partial, kept)
        return kept
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
