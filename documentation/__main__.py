"""``python -m documentation`` writes the generated pages and builds the site into out/site; a warning fails the build.

``--pages`` stops after the pages. What is generated lies in docs/generated, which git ignores: it cannot be stale.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from documentation import api, commands, decisions, figures, models, notebooks

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ROOT / "docs" / "generated"


def main(arguments: list[str]) -> int:
    """Write the pages, build the site, and return the builder's exit code."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    for maker in (commands, api, models, figures, decisions, notebooks):
        for name, text in maker.pages().items():
            path = GENERATED / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if "--pages" in arguments:
        return 0
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=ROOT, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
