"""The addon token file of ACK is read, and a damaged one never escapes as another error."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.cloud.credentials import CredentialError, Keys, RamRole
from dnatctl.cloud.fetch import fetch_ram_role, read_addon_token

KEYRING = "0123456789abcdef0123456789abcdef"


def encrypt(text: str, iv: bytes = b"i" * 16) -> str:
    padder = PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(KEYRING.encode()), modes.CBC(iv)).encryptor()
    return base64.b64encode(iv + encryptor.update(padded) + encryptor.finalize()).decode()


def token(**changes: object) -> bytes:
    content: dict[str, object] = {
        "access.key.id": encrypt("STS.id"),
        "access.key.secret": encrypt("secret"),
        "security.token": encrypt("token" * 50),
        "expiration": "2026-01-01T00:00:00Z",
        "keyring": KEYRING,
    }
    return json.dumps({**content, **changes}).encode()


def test_the_three_secrets_and_the_expiry_are_read() -> None:
    expires = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert read_addon_token(token()) == Keys("STS.id", "secret", "token" * 50, expires)


@given(st.text(min_size=1), st.binary(min_size=16, max_size=16))
def test_any_text_survives(text: str, iv: bytes) -> None:
    keys = read_addon_token(token(**{"security.token": encrypt(text, iv)}))
    assert keys.security_token == text


def test_the_reason_that_ack_gives_is_passed_on() -> None:
    failed = token(error={"roleName": "r", "code": "EntityNotExist.Role", "message": "m"})
    with pytest.raises(CredentialError, match=r"EntityNotExist\.Role"):
        read_addon_token(failed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        token(keyring=""),
        token(keyring="short"),
        token(expiration="tomorrow"),
        token(**{"access.key.id": "%%%"}),
        token(**{"access.key.id": ""}),
        token(**{"access.key.id": base64.b64encode(b"x" * 20).decode()}),
        token(**{"access.key.id": base64.b64encode(b"x" * 16).decode()}),
        token(keyring="fedcba9876543210fedcba9876543210"),
    ],
)
def test_a_damaged_file_is_told_and_not_shown(data: bytes) -> None:
    with pytest.raises(CredentialError) as caught:
        read_addon_token(data)
    assert KEYRING not in str(caught.value)


def test_a_service_that_does_not_answer_is_named_without_a_password() -> None:
    source = RamRole("", "http://user:hunter2@127.0.0.1:1")
    with pytest.raises(CredentialError, match=r"no answer from 127\.0\.0\.1:1: ") as caught:
        fetch_ram_role(source)
    assert "hunter2" not in str(caught.value)
