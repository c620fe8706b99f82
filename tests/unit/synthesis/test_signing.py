"""Signatures under sidecars, checked with openssl as an independent implementation."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from mien.errors import DataError
from mien.synthesis.signing import Signer, Trust, make_key

SAID = {"title": "sad_1.png", "assertions": [{"hash": "00ff"}], "mien": {"prompt": "a façade, 😀"}}


def test_what_a_key_signed_its_public_half_trusts_and_nothing_else(tmp_path: Path) -> None:
    trust = Trust.read(make_key(tmp_path / "a.pem"))
    signed = Signer.read(tmp_path / "a.pem").sign(SAID)
    other = Trust.read(make_key(tmp_path / "b.pem"))
    assert trust.holds(json.loads(json.dumps(signed)))
    assert not other.holds(signed)
    assert not trust.holds(SAID)
    assert not trust.holds({**signed, "title": "happy_1.png"})
    assert not trust.holds({**signed, "more": 1})
    for broken in ({}, "x", {**signed["signature"], "value": "!"}, {**signed["signature"], "algorithm": "none"}):
        assert not trust.holds({**signed, "signature": broken})


def test_signing_again_replaces_the_signature(tmp_path: Path) -> None:
    make_key(tmp_path / "a.pem")
    signer = Signer.read(tmp_path / "a.pem")
    assert signer.sign(signer.sign(SAID)) == signer.sign(SAID)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_openssl_verifies_the_signature(tmp_path: Path) -> None:
    public = make_key(tmp_path / "a.pem")
    signed = Signer.read(tmp_path / "a.pem").sign(SAID)
    said = {name: value for name, value in signed.items() if name != "signature"}
    (tmp_path / "said").write_text(json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    (tmp_path / "value").write_bytes(base64.b64decode(signed["signature"]["value"]))
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(public)]
    files = ["-in", str(tmp_path / "said"), "-sigfile", str(tmp_path / "value")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_private_key_is_its_owners_alone_and_is_never_written_over(tmp_path: Path) -> None:
    make_key(tmp_path / "a.pem")
    assert stat.S_IMODE((tmp_path / "a.pem").stat().st_mode) == 0o600
    before = (tmp_path / "a.pem").read_bytes()
    with pytest.raises(DataError, match=r"cannot write a key to .*a\.pem': File exists"):
        make_key(tmp_path / "a.pem")
    assert (tmp_path / "a.pem").read_bytes() == before


def test_files_that_are_no_keys_are_named(tmp_path: Path) -> None:
    public = make_key(tmp_path / "a.pem")
    with pytest.raises(DataError, match="no private key in PEM"):
        Signer.read(public)
    with pytest.raises(DataError, match="no public key in PEM"):
        Trust.read(tmp_path / "a.pem")
    with pytest.raises(DataError, match="cannot read the key"):
        Signer.read(tmp_path / "none.pem")
