"""Reads a page of the documentation into the blocks that can be run, with sybil.

Beside the code a page may hold comments that the site does not show:

- `<!-- given: KIND PATH, KIND PATH -->` has things made before the blocks run (see `given`);
- `<!-- skip: next "reason" -->` leaves the next block out;
- `<!-- instead of "BEGINNING OF A LINE": COMMAND -->` runs another command for a line that cannot run here.

The last two are counted by a test, so that they stay few.
"""

from __future__ import annotations

import ast
import json
import os
import re
import tomllib
import unittest
from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path
from unittest import mock

import yaml
from sybil import Document, Example, Region, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import SkipParser
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from tests.docs import given
from tests.docs.shell import ADDRESS, Shell

ROOT = Path(__file__).resolve().parents[2]
_GIVEN = re.compile(r"<!-- given: (.*?) -->", re.DOTALL)
_INSTEAD = re.compile(r"<!-- instead of \"(.+?)\": (.+?) -->", re.DOTALL)
_SKIP = re.compile(r"<!--+ skip: (\w+)(.*?) -->", re.DOTALL)
#: Languages of blocks that are words, output or pictures and not meant to be run.
PROSE = {"text", "mermaid", "svg", "diff"}
#: Languages whose blocks are run by their own tests, or need a compiler that is not here.
ELSEWHERE = {"js", "javascript", "ts", "html", "kotlin", "swift", "dockerfile", "css"}


def pages() -> list[Path]:
    """Return the README, the guide for contributors and every page of docs/ that is written by hand."""
    written = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "generated" not in page.parts]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


def run(path: Path, folder: Path) -> int:
    """Run every block of a page in a folder, and return how many were run."""
    text = path.read_text(encoding="utf-8")
    shell = Shell(folder, dict(_INSTEAD.findall(text)))
    with chdir(folder), mock.patch.dict(os.environ, shell.environment()):
        for things in _GIVEN.findall(text):
            for thing in things.split(","):
                kind, _, name = thing.strip().partition(" ")
                given.KINDS[kind](Path(name))
        try:
            document = Sybil(parsers=[_Blocks(shell), SkipParser()]).parse(path)
            return sum(_evaluate(example) for example in document.examples())
        finally:
            shell.close()


def marks(path: Path) -> list[str]:
    """Return the reasons of what a page leaves out or replaces; an empty string where a reason is missing."""
    text = path.read_text(encoding="utf-8")
    skips = [reason.strip().strip('"') for action, reason in _SKIP.findall(text) if action != "end"]
    return skips + [f"instead: {line}" for line, _ in _INSTEAD.findall(text)]


def _evaluate(example: Example) -> int:
    try:
        example.evaluate()
    except unittest.SkipTest:
        return 0
    return 1


class _Blocks:
    """Finds the fenced blocks of a page and says how each language is run."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.python = PythonEvaluator()

    def __call__(self, document: Document) -> Iterable[Region]:
        for region in FencedCodeBlockLexer(language=r"[^\n`]*")(document):
            language, _, _ = region.lexemes["language"].strip().partition(" ")
            region.parsed = region.lexemes["source"]
            if language in ("", "console", "sh", "bash"):
                region.evaluator = self._shell
            elif language in ("python", "py"):
                region.evaluator = self._python
            elif language in ("toml", "json", "yaml"):
                region.evaluator = {"toml": _toml, "json": _json, "yaml": _yaml}[language]
            elif language in PROSE | ELSEWHERE:
                continue
            else:
                region.evaluator = _unknown
            yield region

    def _shell(self, example: Example) -> None:
        try:
            self.shell.run(str(example.parsed))
        except AssertionError as error:
            raise AssertionError(f"{example.path}:{example.line}: {error}") from None

    def _python(self, example: Example) -> None:
        source = example.parsed
        address = f"127.0.0.1:{self.shell.port}"
        replaced = type(source)(source.replace(ADDRESS, address), source.offset, source.line_offset)
        ast.parse(replaced)  # a syntax error names the page, not sybil
        example.parsed = replaced
        self.python(example)


def _toml(example: Example) -> None:
    tomllib.loads(example.parsed)


def _json(example: Example) -> None:
    json.loads(example.parsed)


def _yaml(example: Example) -> None:
    yaml.safe_load(example.parsed)


def _unknown(example: Example) -> None:
    raise AssertionError(f"{example.path}:{example.line}: a block in a language that no test knows how to run")
