"""Writes a page a room of the package, on which mkdocstrings shows what the docstrings say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "mien"
#: Rooms whose files are commands and data: the command reference and the model cards show them.
LEFT_OUT = {"cli", "assets", "__pycache__"}


def pages() -> dict[str, str]:
    """Return the pages by their path below docs/generated."""
    made, rows = {}, []
    for name, modules in rooms().items():
        summary = _summary(PACKAGE / name / "__init__.py" if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py")
        directives = "\n\n".join(f"::: mien.{module}" for module in modules)
        made[f"api/{name}.md"] = f"# mien.{name}\n\n{directives}\n"
        rows.append(f"| [`mien.{name}`]({name}.md) | {summary} |\n")
    made["api/index.md"] = (
        "# Python\n\n`import mien` gives what most programs need: `mien.load()` and the results. The rooms behind it:\n"
        f"\n| module | why it exists |\n|---|---|\n{''.join(rows)}"
    )
    return made


def rooms() -> dict[str, list[str]]:
    """Return, for each module and package of mien, the dotted names of the public modules in it."""
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.iterdir()):
        name = path.stem
        if name in LEFT_OUT or name.startswith(("_", ".")):
            continue
        if path.is_dir() and (path / "__init__.py").is_file():
            found[name] = list(_modules(path))
        elif path.suffix == ".py":
            found[name] = [name]
    return found


def _modules(package: Path) -> Iterator[str]:
    """Yield a package and the public modules and packages in it; a folder without `__init__.py` is none."""
    yield ".".join(package.relative_to(PACKAGE).parts)
    for path in sorted(package.iterdir()):
        if path.stem.startswith("_"):
            continue
        if (path / "__init__.py").is_file():
            yield from _modules(path)
        elif path.suffix == ".py":
            yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def _summary(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.partition("\n\n")[0].replace("\n", " ")
