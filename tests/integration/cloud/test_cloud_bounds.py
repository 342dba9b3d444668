"""Whatever answers in place of the cloud, a call ends in time, keeps little, goes nowhere else."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dnatctl import transport
from dnatctl.cloud import fetch
from dnatctl.cloud.api import Stopped
from dnatctl.cloud.client import Cloud
from dnatctl.cloud.credentials import CredentialError, RamRole, Rrsa
from dnatctl.cloud.errors import CloudError
from dnatctl.cloud.errors import ErrorKind as Kind
from dnatctl.cloud.providers import open_provider
from dnatctl.cloud.web import Web
from dnatctl_sim.cloud.spec import REGION, VPC_ID
from tests.integration.cloud.bench import STATIC, TABLE_ID, Bench, new_entry, token
from tests.integration.kube.certificates import self_signed
from tests.support.hostile import ENDLESS, ENORMOUS, Script
from tests.support.proxy import Proxy
from tests.support.scripted import ScriptedServer

CREATE = "CreateForwardEntry"
PATIENCE = 20.0
"""Far more than the deadline, far less than the answers here would last."""


@pytest.fixture
def server(no_leaked_threads: None) -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda exchange: exchange.answer(500)) as running:
        yield running


def connect(url: str, **options: Any) -> Cloud:
    return Cloud.connect(
        REGION, VPC_ID, open_provider(STATIC), vpc_endpoint=url, ecs_endpoint=url, **options
    )


def create(cloud: Cloud, **options: Any) -> str:
    return cloud.create_entry(TABLE_ID, new_entry(), token("x"), **options)


def failure(call: Callable[[], object]) -> CloudError:
    with pytest.raises(CloudError) as caught:
        call()
    return caught.value


def rrsa_at(url: str, folder: Path) -> Rrsa:
    file = folder / "token"
    file.write_text("oidc")
    return Rrsa("acs:ram::1:role/r", "acs:ram::1:oidc-provider/p", str(file), endpoint=url)


@pytest.mark.parametrize("script", ENDLESS)
def test_an_answer_that_drips_is_given_up(server: ScriptedServer, script: Script) -> None:
    server.script(script)
    cloud = connect(server.url, connect_timeout=0.2, read_timeout=0.3)
    started = time.monotonic()
    assert failure(lambda: create(cloud)).kind is Kind.UNKNOWN
    assert time.monotonic() - started < PATIENCE
    assert len(server.requests) <= 1, "sent twice"  # none where the machine is that busy


@pytest.mark.parametrize("script", ENORMOUS)
def test_an_answer_that_is_too_large_is_not_taken(server: ScriptedServer, script: Script) -> None:
    server.script(script)
    error = failure(lambda: create(connect(server.url)))
    assert error.kind is Kind.UNKNOWN
    assert "bytes" in error.message


@pytest.mark.parametrize("script", [*ENDLESS, *ENORMOUS])
def test_what_lends_credentials_is_bounded_alike(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    monkeypatch.setattr(fetch, "Web", lambda *_times, **options: Web(0.2, 0.3, **options))
    server.script(script)
    for lend in (
        partial(fetch.fetch_rrsa, rrsa_at(server.url, tmp_path)),
        partial(fetch.fetch_ram_role, RamRole("r", server.url)),
    ):
        with pytest.raises(CredentialError):
            lend()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_take_no_signature_anywhere(
    server: ScriptedServer, tmp_path: Path, status: int
) -> None:
    with ScriptedServer(lambda exchange: exchange.answer(200, {})) as elsewhere:
        server.script(lambda exchange: exchange.answer(status, {}, Location=elsewhere.url))
        error = failure(lambda: create(connect(server.url)))
        assert (error.kind, str(status) in error.message) == (Kind.UNKNOWN, True)
        with pytest.raises(CredentialError, match=str(status)):
            fetch.fetch_rrsa(rrsa_at(server.url, tmp_path))
        with pytest.raises(CredentialError, match=str(status)):
            fetch.fetch_ram_role(RamRole("r", server.url))
        assert elsewhere.requests == []


@pytest.mark.parametrize("piece", ["server ", " ", "a:// ", "ab"])
def test_a_message_of_megabytes_is_cut_at_once(server: ScriptedServer, piece: str) -> None:
    body = {"Code": "Odd" + piece * 1_000, "Message": piece * 500_000, "RequestId": piece * 1_000}
    server.script(lambda exchange: exchange.answer(400, body))
    error = failure(lambda: create(connect(server.url)))
    assert error.kind is Kind.UNCLASSIFIED
    assert len(str(error)) < 600


def test_what_is_trusted_may_take_longer_to_load_than_an_exchange_may_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, authority = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    loads: list[ssl.SSLContext] = []
    load = ssl.create_default_context

    def slow() -> ssl.SSLContext:
        loads.append(load())
        return loads[-1]

    # A minute later for each time that it is loaded.
    late = SimpleNamespace(monotonic=lambda: time.monotonic() + 60 * len(loads))
    monkeypatch.setattr(transport, "time", late)
    monkeypatch.setattr(ssl, "create_default_context", slow)
    with (
        ScriptedServer(lambda exchange: exchange.answer(200), tls) as server,
        Web(10, 20, direct=True) as web,
    ):
        assert web.send("GET", server.url, {}).status == 200
    assert len(loads) == 1


def test_nothing_is_loaded_that_plain_http_has_no_use_for(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(ssl, "create_default_context", lambda: loaded.append("again"))
    with Web(10, 20, direct=True) as web:
        assert web.send("GET", server.url, {}).status == 500
    assert loaded == []


def test_leave_is_asked_for_when_nothing_is_left_to_wait_for(bench: Bench, cloud: Cloud) -> None:
    """So that a write is over within its deadline, counted from the moment it was allowed."""
    with pytest.raises(Stopped):
        create(cloud, guard=lambda: False)
    assert bench.calls(CREATE) == 0
    nobody = connect("http://127.0.0.1:1")
    asked: list[bool] = []
    assert failure(lambda: create(nobody, guard=lambda: bool(asked.append(True)))).kind
    assert asked == []


def test_an_authority_that_nobody_trusts_is_told_nothing(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    with ScriptedServer(lambda exchange: exchange.answer(200, {}), tls) as server:
        error = failure(lambda: create(connect(server.url)))
        assert "certificate" in error.message.lower()
        with pytest.raises(CredentialError):
            fetch.fetch_rrsa(rrsa_at(server.url, tmp_path))
        assert server.requests == []


@pytest.fixture
def proxy(no_leaked_threads: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Proxy() as running:
        monkeypatch.setenv("HTTP_PROXY", f"http://{running.address}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://{running.address}")
        yield running


def test_calls_go_through_the_proxy_of_the_environment(bench: Bench, proxy: Proxy) -> None:
    assert create(bench.connect())
    assert bench.connect().find_enis(["172.16.0.9"])
    assert set(proxy.seen) == {bench.server.address}


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "127.0.0.0/8", "localhost, 127.0.0.1", "*"])
def test_what_no_proxy_names_is_reached_directly(
    bench: Bench, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_proxy: str
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert create(bench.connect())
    assert bench.connect().find_enis(["172.16.0.9"])
    with pytest.raises(CredentialError, match="answered 4"):
        fetch.fetch_rrsa(rrsa_at(bench.server.endpoint, tmp_path))
    assert proxy.seen == []


def test_a_proxy_that_wants_a_login_gets_the_one_of_its_url(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, proxy: Proxy
) -> None:
    login = base64.b64encode(b"some one:p@ss").decode()
    with Proxy(f"Basic {login}") as strict:
        monkeypatch.setenv("HTTP_PROXY", f"http://some%20one:p%40ss@{strict.address}")
        assert create(bench.connect())
        monkeypatch.setenv("HTTP_PROXY", f"http://some%20one:wrong@{strict.address}")
        assert "wrong" not in str(failure(lambda: create(bench.connect())))
        assert len(strict.seen) == 2
    assert proxy.seen == []


def test_https_goes_through_a_tunnel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: Proxy
) -> None:
    tls, authority = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with ScriptedServer(lambda exchange: exchange.answer(200, {"RequestId": "r"}), tls) as server:
        cloud = connect(server.url)
        cloud.delete_entry(TABLE_ID, "fwd-1", token("d"))
        assert proxy.seen == [server.url.removeprefix("https://")]
        assert len(server.requests) <= 1, "sent twice"  # none where the machine is that busy
    with Proxy("Basic nobody") as strict:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{strict.address}")
        error = failure(lambda: create(connect(server.url)))
        assert "407" in error.message


@pytest.mark.parametrize("proxy_url", ["socks5://127.0.0.1:1", "http://[bad", "http://p:port"])
def test_a_proxy_that_makes_no_sense_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, proxy: Proxy, proxy_url: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy_url)
    error = failure(lambda: create(bench.connect()))
    assert "proxy" in error.message
