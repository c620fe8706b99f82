"""Looks known security holes of the pinned versions up: ``python -m release.audit``.

pip-audit asks the package index for advisories. An index without them (a mirror, or no network) makes it say "no known
vulnerabilities" of what it never looked up; here that is a failure with its own words.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from release.requirements import ROOT

HOLES, NOT_LOOKED_UP = 1, 2


def judge(packages: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Return the exit code and what to print of pip-audit's records of packages.

    A record has `name`, and either `skip_reason`, or `version` and `vulns`.
    """
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, "
        + (f"fixed in {', '.join(hole['fix_versions'])}" if hole["fix_versions"] else "not fixed yet")
        for package in packages
        for hole in package.get("vulns", [])
    ]
    reasons = [package["skip_reason"] for package in packages if "skip_reason" in package]
    if packages and not reasons:
        return (HOLES, holes) if holes else (0, [f"no known hole in {len(packages)} packages"])
    unknown = (
        f"{len(reasons)} of {len(packages)} packages were not looked up, so nothing is known of them; run it where the "
        f"package index gives advisories. The first: {reasons[0] if reasons else 'no package is pinned'}"
    )
    return HOLES if holes else NOT_LOOKED_UP, [*holes, unknown]


def main() -> int:
    """Print what is known; the exit code is 1 when there are holes, 2 when packages were not looked up."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "constraints.txt"), "--no-deps"]
    options = ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = done.stderr.strip().splitlines()
        print(f"nothing was looked up: pip-audit failed: {said[-1] if said else f'exit code {done.returncode}'}")
        return NOT_LOOKED_UP
    code, lines = judge(packages)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
