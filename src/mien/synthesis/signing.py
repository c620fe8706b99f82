"""Signatures under sidecars: who keeps the private key can show that a sidecar, and the picture it names, is theirs.

The signature is Ed25519 (RFC 8032) over the sidecar without it, as JSON with sorted keys and no spaces, in UTF-8. This
is not the signature of a C2PA manifest, which needs a certificate of an authority; it serves whoever knows the public
key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import DataError, MissingExtraError

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
except ModuleNotFoundError as error:
    raise MissingExtraError("signing sidecars", "synth") from error

FIELD, ALGORITHM = "signature", "ed25519"


def make_key(path: Path) -> Path:
    """Write a new private key, readable by its owner alone, and the public key beside it; return the latter's path.

    Raises:
        DataError: one of the files is there already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    shown = path.with_suffix(".pub.pem")
    for target, content, mode in ((path, private, 0o600), (shown, public, 0o644)):
        try:
            # Never over another key: what it signed could not be signed again.
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
                stream.write(content)
        except OSError as error:
            raise DataError(f"cannot write a key to '{target}': {error.strerror}") from error
    return shown


@dataclass(frozen=True)
class Signer:
    """Signs sidecars.

    Attributes:
        key: the private key.
    """

    key: Ed25519PrivateKey

    @classmethod
    def read(cls, path: Path) -> Signer:
        """Read a private key.

        Raises:
            DataError: no such file, or no Ed25519 key in PEM without a password.
        """
        try:
            found = serialization.load_pem_private_key(_read(path), None)
        except (ValueError, TypeError) as error:
            raise DataError(f"'{path}' is no private key in PEM; make one with: mien synth key") from error
        if not isinstance(found, Ed25519PrivateKey):
            raise DataError(f"'{path}' is no Ed25519 key; make one with: mien synth key")
        return cls(found)

    def sign(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return a sidecar with a signature."""
        value = base64.b64encode(self.key.sign(_content(said))).decode()
        return {
            **said,
            FIELD: {"algorithm": ALGORITHM, "key": fingerprint(self.key.public_key()), "value": value},
        }


@dataclass(frozen=True)
class Trust:
    """Checks signatures.

    Attributes:
        key: the public key of whom is trusted.
    """

    key: Ed25519PublicKey

    @classmethod
    def read(cls, path: Path) -> Trust:
        """Read a public key.

        Raises:
            DataError: no such file, or no Ed25519 public key in PEM.
        """
        try:
            found = serialization.load_pem_public_key(_read(path))
        except ValueError as error:
            raise DataError(f"'{path}' is no public key in PEM; 'mien synth key' writes one") from error
        if not isinstance(found, Ed25519PublicKey):
            raise DataError(f"'{path}' is no Ed25519 key; 'mien synth key' writes one")
        return cls(found)

    def holds(self, said: Mapping[str, Any]) -> bool:
        """Say whether the trusted key signed a sidecar as it stands."""
        signature = said.get(FIELD)
        if not isinstance(signature, dict) or signature.get("algorithm") != ALGORITHM:
            return False
        try:
            self.key.verify(base64.b64decode(str(signature.get("value")), validate=True), _content(said))
        except (InvalidSignature, ValueError):
            return False
        return True


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the sha256 of a public key's 32 bytes, in hexadecimal: a name for the key."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()


def _content(said: Mapping[str, Any]) -> bytes:
    unsigned = {key: value for key, value in said.items() if key != FIELD}
    return json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the key '{path}': {error.strerror}") from error
