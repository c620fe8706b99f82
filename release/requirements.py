"""Follows what mien and its extras require through the environment at hand."""

from __future__ import annotations

import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
#: Extras that a user does not install.
DEVELOPERS = {"all", "dev", "docs", "release"}


def declared() -> dict[str, list[str]]:
    """Return the requirements of the base package (`base`) and of each extra that a user installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    options = project["optional-dependencies"]
    return {"base": project["dependencies"], **{name: options[name] for name in options if name not in DEVELOPERS}}


def installed(*extras: str) -> tuple[dict[str, Distribution], list[str]]:
    """Return the packages that the base and these extras bring, by name, and the names that this environment lacks."""
    every = declared()
    found: dict[str, Distribution] = {}
    absent: set[str] = set()
    todo = [Requirement(line) for extra in ("base", *extras) for line in every[extra]]
    asked: set[tuple[str, frozenset[str]]] = set()
    while todo:
        need = todo.pop()
        name = canonicalize_name(need.name)
        if (name, frozenset(need.extras)) in asked or (need.marker and not need.marker.evaluate()):
            continue
        asked.add((name, frozenset(need.extras)))
        if name == "mien":
            todo.extend(Requirement(line) for extra in need.extras for line in every[extra])
            continue
        try:
            package = distribution(need.name)
        except PackageNotFoundError:
            absent.add(name)
            continue
        found[name] = package
        for line in package.requires or []:
            other = Requirement(line)
            if other.marker is None or any(other.marker.evaluate({"extra": e}) for e in ("", *need.extras)):
                other.marker = None
                todo.append(other)
    return dict(sorted(found.items())), sorted(absent)
