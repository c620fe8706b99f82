"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Sequence

from mien.errors import MienError


def pairs(given: Sequence[str], flag: str) -> dict[str, str]:
    """Read repeated ``key=value`` options.

    Raises:
        MienError: one has no '='.
    """
    out = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise MienError(f"'{text}' is not KEY=VALUE, as {flag} expects")
        out[key.strip()] = value
    return out
