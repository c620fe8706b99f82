"""Paths that may lie in an object store: `s3://`, `gs://`, `az://`, `memory://`, read and written like local ones.

`locate` turns what a user wrote into a path. A local path is a `pathlib.Path`; one in a store is a `upath.UPath`, which
has the same methods and goes through fsspec. The few things that a store does otherwise (whole objects appear at once,
there are no links, pyarrow wants a file system) are the functions of this file.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from mien.errors import DataError, MissingExtraError

#: The extra that goes where each scheme leads.
SCHEMES = {
    "s3": "cloud",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "abfs": "az",
    "abfss": "az",
    "memory": "cloud",
    "file": "cloud",
}
#: Libraries below those packages, whose errors come through.
LIBRARIES = {"botocore", "aiobotocore", "google", "gcsfs", "azure", "aiohttp"}


def locate(where: str | os.PathLike[str]) -> Path:
    """Return the path that a user wrote: a plain one, or a URL of one of `SCHEMES`.

    Raises:
        MissingExtraError: the package for that store is not installed.
    """
    if not isinstance(where, str):
        return Path(where) if isinstance(where, os.PathLike) else cast("Path", where)
    if not is_url(where):
        return Path(where)
    scheme, _, rest = where.partition("://")
    if scheme == "file":
        return Path(rest)
    try:
        import fsspec
        from upath import UPath

        fsspec.get_filesystem_class(scheme)
        return cast("Path", UPath(where))
    except ImportError as error:
        raise MissingExtraError(f"reading {scheme}://", SCHEMES[scheme]) from error


def is_url(text: str) -> bool:
    """Say whether a text names a place in a store (or a file by URL)."""
    return text.partition("://")[0] in SCHEMES and "://" in text


def is_path(value: object) -> bool:
    """Say whether a value is a path, local or in a store."""
    return isinstance(value, os.PathLike) or (hasattr(value, "read_bytes") and hasattr(value, "fs"))


def is_remote(path: Path) -> bool:
    """Say whether a path lies in a store."""
    return not isinstance(path, Path)


def write(path: Path, data: bytes) -> None:
    """Write a whole file that appears at once or not at all; the folder is made.

    Raises:
        DataError: it cannot be written.
    """
    try:
        if is_remote(path):
            path.write_bytes(data)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"cannot write '{path}': {error.strerror or error}") from error


def place(source: Path, target: Path, *, link: bool = False) -> None:
    """Copy a file to a place that may lie in another store; with `link`, a hard link where the file system allows it.

    Raises:
        FileNotFoundError: there is no such source.
    """
    if is_remote(source) or is_remote(target):
        write(target, source.read_bytes())
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if link:
        try:
            os.link(source.resolve(), target)
            return
        except FileNotFoundError:
            raise
        except OSError:  # another file system: a copy does as well
            pass
    shutil.copyfile(source, target)


def move(source: Path, target: Path) -> None:
    """Give a file another name in the same place; what was there is replaced."""
    if is_remote(source):
        # Not `mv`, which takes brackets in a name for a pattern.
        store = cast("Any", source)
        store.fs.cp_file(store.path, cast("Any", target).path)
        store.fs.rm_file(store.path)
    else:
        source.replace(target)


def arrow(path: Path) -> tuple[Any, str]:
    """Return the file system (None for the local one) and the name that pyarrow opens a path by."""
    return (cast("Any", path).fs, cast("Any", path).path) if is_remote(path) else (None, str(path))


def remove(folder: Path) -> None:
    """Remove a folder and what is in it, if it is there."""
    if is_remote(folder):
        # Not `rm`, which takes brackets in a name for a pattern.
        store = cast("Any", folder).fs
        for name in store.find(cast("Any", folder).path):
            store.rm_file(name)
        return
    shutil.rmtree(folder, ignore_errors=True)


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder of a store, in the order of their names, folder by folder."""
    remote = cast("Any", folder)
    found = remote.fs.find(remote.path)
    prefix = remote.path.rstrip("/") + "/"
    for name in sorted(found, key=lambda name: name.split("/")):
        yield folder / name.removeprefix(prefix)


def refused(error: Exception) -> bool:
    """Say whether an error is one of a store's library; those need not be installed to be named here."""
    return type(error).__module__.partition(".")[0] in LIBRARIES


@contextmanager
def problems(what: str) -> Iterator[None]:
    """Turn what a store says of a path (no such bucket, no access, no answer) into one line.

    Raises:
        DataError: it said something.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"cannot reach '{what}': {str(error).strip() or type(error).__name__}") from error
    except Exception as error:
        if refused(error):
            raise DataError(f"cannot reach '{what}': {str(error).strip() or type(error).__name__}") from error
        raise
