"""The audit tells what has no known hole from what nobody looked up."""

from __future__ import annotations

from release import audit

GOOD = {"name": "good", "version": "1.0", "vulns": []}
HOLED = {"name": "holed", "version": "2.0", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["2.1"]}]}
OPEN = {"name": "open", "version": "3.0", "vulns": [{"id": "CVE-2026-2", "fix_versions": []}]}
ABSENT = {"name": "absent", "skip_reason": "absent is not in the index"}


def test_only_packages_that_were_all_looked_up_pass() -> None:
    assert audit.judge([GOOD]) == (0, ["no known hole in 1 packages"])
    code, lines = audit.judge([GOOD, ABSENT])
    assert code == audit.NOT_LOOKED_UP
    assert lines == [
        "1 of 2 packages were not looked up, so nothing is known of them; run it where the package index gives "
        "advisories. The first: absent is not in the index"
    ]
    assert audit.judge([])[0] == audit.NOT_LOOKED_UP


def test_holes_are_named_with_the_version_that_closes_them() -> None:
    code, lines = audit.judge([HOLED, OPEN, ABSENT])
    assert code == audit.HOLES
    assert lines[:2] == ["holed 2.0: CVE-2026-1, fixed in 2.1", "open 3.0: CVE-2026-2, not fixed yet"]
    assert audit.judge([GOOD, HOLED])[0] == audit.HOLES
