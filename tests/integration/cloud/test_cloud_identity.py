"""Every source of credentials, over real HTTP, through renewal, rotation and refusal."""

from __future__ import annotations

import base64
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from dnatctl.cloud.credentials import (
    AccessKey,
    AddonToken,
    CredentialError,
    CredentialSource,
    Keys,
    RamRole,
    Rrsa,
)
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.fetch import fetch_ram_role, fetch_rrsa
from dnatctl.cloud.providers import Provider, StaticProvider, open_provider
from dnatctl_sim.cloud import rows
from tests.integration.cloud.bench import STATIC, TABLE_ID, Bench, new_entry, token

KEYRING = "0123456789abcdef"


@pytest.fixture
def rrsa(bench: Bench, tmp_path: Path) -> Rrsa:
    sts = bench.emulated.scenario.sts
    token_file = tmp_path / "oidc-token"
    token_file.write_text(f"{sts.oidc_token}\n")
    return Rrsa(
        bench.emulated.issuer.role_arn, sts.oidc_provider, str(token_file),
        endpoint=bench.server.endpoint,
    )  # fmt: skip


@pytest.fixture
def ram_role(bench: Bench) -> RamRole:
    bench.emulated.set_knobs(imds_v1=False)
    return RamRole(endpoint=bench.server.endpoint)


def put_addon_token(path: Path, keys: Keys) -> AddonToken:
    """Write the file as ACK does: swapped in whole."""

    def hide(text: str) -> str:
        padder = PKCS7(128).padder()
        padded = padder.update(text.encode()) + padder.finalize()
        encryptor = Cipher(algorithms.AES(KEYRING.encode()), modes.CBC(b"0" * 16)).encryptor()
        return base64.b64encode(b"0" * 16 + encryptor.update(padded)).decode()

    expires = time.gmtime(keys.expires_at or time.time() + 3600)
    content = {
        "access.key.id": hide(keys.access_key_id),
        "access.key.secret": hide(keys.access_key_secret),
        "security.token": hide(keys.security_token),
        "expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", expires),
        "keyring": KEYRING,
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content))
    os.replace(fresh, path)
    return AddonToken(str(path))


@pytest.fixture(params=["access key", "RAM role", "named RAM role", "RRSA", "addon token"])
def source(
    request: pytest.FixtureRequest, bench: Bench, rrsa: Rrsa, ram_role: RamRole, tmp_path: Path
) -> CredentialSource:
    match request.param:
        case "access key":
            return STATIC
        case "RAM role":
            return ram_role
        case "named RAM role":
            return RamRole(bench.emulated.scenario.sts.role, ram_role.endpoint)
        case "RRSA":
            return rrsa
        case _:
            return put_addon_token(tmp_path / "token-config", fetch_rrsa(rrsa))


def test_every_source_signs_calls(bench: Bench, source: CredentialSource) -> None:
    cloud = bench.connect(open_provider(source))
    assert cloud.read_page(TABLE_ID, 1).total == 0
    assert cloud.create_entry(TABLE_ID, new_entry(), token("x"))


@pytest.mark.parametrize("name", ["rrsa", "ram_role"])
def test_revoked_session_keys_are_exchanged_within_the_call(
    bench: Bench, request: pytest.FixtureRequest, name: str
) -> None:
    clock = ShiftedClock()
    provider = open_provider(request.getfixturevalue(name), clock)
    cloud = bench.connect(provider)
    cloud.read_page(TABLE_ID, 1)
    clock.shift = 60
    bench.acts.revoke_key(provider.keys().access_key_id)
    cloud.create_entry(TABLE_ID, new_entry(), token("x"))
    assert bench.observed[-2:] == [("CreateForwardEntry", "auth"), ("CreateForwardEntry", "ok")]
    assert len(rows(bench.emulated)) == 1


def test_sts_out_of_order_does_not_stop_calls_while_keys_are_good(bench: Bench, rrsa: Rrsa) -> None:
    clock = ShiftedClock()
    bench.emulated.clock = clock
    # The SDK signs with the machine's own time.
    bench.emulated.set_knobs(clock_skew=1e6)
    cloud = bench.connect(open_provider(rrsa, clock))
    cloud.read_page(TABLE_ID, 1)
    bench.fault(action="error", stage="before", apis=["AssumeRoleWithOIDC"], times=None, status=500)
    clock.shift = 3600 - 10 * 60
    cloud.read_page(TABLE_ID, 1)
    clock.shift = 3600 + 1
    with pytest.raises(CloudError) as caught:
        cloud.read_page(TABLE_ID, 1)
    assert caught.value.kind is ErrorKind.AUTH
    assert "500" in str(caught.value)
    bench.emulated.clear_faults()
    clock.shift += 60
    cloud.read_page(TABLE_ID, 1)


def test_a_rotated_addon_token_is_taken_up(bench: Bench, rrsa: Rrsa, tmp_path: Path) -> None:
    path = tmp_path / "token-config"
    first = fetch_rrsa(rrsa)
    cloud = bench.connect(open_provider(put_addon_token(path, first)))
    cloud.read_page(TABLE_ID, 1)
    put_addon_token(path, fetch_rrsa(rrsa))
    bench.acts.revoke_key(first.access_key_id)
    cloud.read_page(TABLE_ID, 1)
    assert [kind for _, kind in bench.observed] == ["ok", "ok"]


def test_replaced_fixed_keys_are_taken_up(bench: Bench) -> None:
    provider = StaticProvider(STATIC.keys)
    cloud = bench.connect(provider)
    bench.acts.add_key("LTAI-next", "next-secret")
    bench.acts.revoke_key(STATIC.keys.access_key_id)
    with pytest.raises(CloudError) as caught:
        cloud.read_page(TABLE_ID, 1)
    assert caught.value.kind is ErrorKind.AUTH
    provider.replace(Keys("LTAI-next", "next-secret"))
    assert cloud.read_page(TABLE_ID, 1).total == 0


def test_a_wrong_secret_is_told_without_what_was_signed(bench: Bench) -> None:
    cloud = bench.connect(open_provider(AccessKey(Keys(STATIC.keys.access_key_id, "wrong"))))
    with pytest.raises(CloudError) as caught:
        cloud.read_page(TABLE_ID, 1)
    assert (caught.value.kind, caught.value.code) == (ErrorKind.AUTH, "SignatureDoesNotMatch")
    assert "x-acs" not in str(caught.value)


def failing(provider: Provider) -> str:
    with pytest.raises(CredentialError) as caught:
        provider.keys()
    return str(caught.value)


def test_what_is_wrong_with_rrsa_is_told(bench: Bench, rrsa: Rrsa, tmp_path: Path) -> None:
    (tmp_path / "oidc-token").write_text("SECRET-but-wrong")
    told = failing(open_provider(rrsa))
    assert "AuthenticationFail.OIDCToken.Invalid" in told
    assert "SECRET" not in told
    (tmp_path / "oidc-token").unlink()
    assert "OIDC token file" in failing(open_provider(rrsa))


def test_what_is_wrong_with_the_ram_role_is_told(bench: Bench, ram_role: RamRole) -> None:
    assert "404" in failing(open_provider(RamRole("no-such-role", ram_role.endpoint)))
    nobody = RamRole(endpoint="http://127.0.0.1:1")
    assert "no answer from 127.0.0.1:1" in failing(open_provider(nobody))


def test_a_metadata_service_behind_a_proxy_variable_is_asked_directly(
    ram_role: RamRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert fetch_ram_role(ram_role).access_key_id.startswith("STS.")


def test_sts_keeps_to_the_proxy_variables(rrsa: Rrsa, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(CredentialError, match="no answer"):
        fetch_rrsa(rrsa)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetch_rrsa(rrsa).access_key_id.startswith("STS.")


class ShiftedClock:
    """The machine's clock, `shift` seconds later."""

    shift = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.shift

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.shift)
