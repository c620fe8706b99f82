"""What mien installs may be used beside Apache-2.0, and the check says so only where it is true."""

from __future__ import annotations

import pytest
from release import licences
from release.requirements import declared, installed


def test_every_package_that_a_user_installs_fits() -> None:
    found, _ = installed(*declared())
    verdicts = {name: licences.judge(name, licences.licence(package)) for name, package in found.items()}
    assert {name: why for name, why in verdicts.items() if why.startswith("DOES NOT FIT")} == {}
    assert {"numpy", "onnxruntime", "torch", "fastapi"} <= set(verdicts)


@pytest.mark.parametrize("words", ["MIT", "BSD-3-Clause", "Apache-2.0 AND MIT", "MIT-CMU", "GPL-2.0 OR MIT", "HPND"])
def test_permissive_licences_fit(words: str) -> None:
    assert licences.judge("made", words) == "fits"


@pytest.mark.parametrize(
    "words", ["GPL-3.0-or-later", "AGPL-3.0", "GNU General Public License v3 (GPLv3)", "MIT AND GPL-2.0", ""]
)
def test_strong_copyleft_and_silence_do_not(words: str) -> None:
    assert licences.judge("made", words).startswith("DOES NOT FIT")


@pytest.mark.parametrize("words", ["LGPL-3.0-only", "Mozilla Public License 2.0 (MPL 2.0)"])
def test_weak_copyleft_is_used_unchanged(words: str) -> None:
    assert licences.judge("made", words) == "used unchanged"
