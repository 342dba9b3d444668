"""The client against a server that behaves badly."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import incluster_config

from dnatctl.baton import Baton
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.cancel import Canceller
from dnatctl.kube.client import MERGE_PATCH, KubeClient
from dnatctl.kube.errors import Failure, KubeConfigError, KubeError
from dnatctl.transport import Hosts
from tests.integration.kube.certificates import self_signed
from tests.integration.kube.conftest import client_of
from tests.support.clock import FakeClock
from tests.support.kubejson import status
from tests.support.link import Link
from tests.support.scripted import RUNS_OUT_S, Exchange, ScriptedServer

Until = Callable[[Callable[[], object]], None]


def failure_of(call: Callable[[], object]) -> KubeError:
    with pytest.raises(KubeError) as caught:
        call()
    return caught.value


@contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[list[object]]:
    """Run `work` on a thread; gives the list that its result or exception ends up in."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001 - asserted on by the test
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield results
    thread.join(60)
    assert not thread.is_alive(), "still waiting"


def test_sends_what_it_was_given_and_returns_the_body(
    server: ScriptedServer, client: KubeClient
) -> None:
    server.script(lambda exchange: exchange.answer(200, {"ok": True}))
    body = client.request(
        "PATCH", "/api/v1/x", query={"a": "b c", "n": 1}, body={"k": "v"}, content_type=MERGE_PATCH
    )
    (seen,) = server.requests
    assert body == b'{"ok":true}'
    assert (seen.method, seen.route, seen.query) == ("PATCH", "/api/v1/x", {"a": "b c", "n": "1"})
    assert seen.body == {"k": "v"}
    assert seen.headers["Content-Type"] == MERGE_PATCH
    assert seen.headers["User-Agent"].startswith("dnatctl/")


def test_others_think_while_one_waits_for_an_answer(
    server: ScriptedServer, client: KubeClient
) -> None:
    baton, free = Baton(most_s=0), []

    def answer(exchange: Exchange) -> None:
        with baton.in_hand() as mine:
            free.append(mine)
        exchange.answer(200, {})

    server.script(answer)
    with baton.in_hand():
        client.request("GET", "/api/v1/x")
    assert free == [True]


@contextmanager
def idle(server: ScriptedServer, connections: int) -> Iterator[tuple[KubeClient, Link]]:
    """A client that keeps so many connections, and the line that they lead over."""
    together = threading.Barrier(connections)

    def answer(exchange: Exchange) -> None:
        together.wait(30)
        exchange.answer(200, {})

    server.script(answer)
    with Link(server.url) as link, closing(client_of(link.url)) as client:
        with ExitStack() as others:
            for _ in range(connections - 1):
                others.enter_context(in_thread(partial(client.request, "GET", "/x")))
            client.request("GET", "/x")
        yield client, link


def watched(exchange: Exchange) -> None:
    """An answer without an end, of which nothing comes."""
    exchange.begin()
    exchange.hold()


def answers_two(server: ScriptedServer, client: KubeClient) -> bool:
    """Whether two requests at once are answered: the first takes the place of a closed one."""
    server.script(watched)
    with closing(client.stream("/x", read_timeout=30)):
        server.script(lambda exchange: exchange.answer(200, {"new": True}))
        return client.request("GET", "/x", timeout=30) == b'{"new":true}'


def test_of_connections_that_lead_nowhere_but_one_costs_a_timeout(server: ScriptedServer) -> None:
    """A balancer forgets them all: two renewals of a Lease that each found so would lose it."""
    with idle(server, 4) as (client, link):
        link.freeze()
        error = failure_of(lambda: client.request("GET", "/x", timeout=RUNS_OUT_S))
        assert error.failure is Failure.UNKNOWN
        assert answers_two(server, client)


def test_nor_do_they_to_another_client_that_shares_them(server: ScriptedServer) -> None:
    """As the workers share them with the elector."""
    with idle(server, 4) as (client, link):
        server.script(lambda exchange: exchange.answer(200, {}))
        other = client.fenced(lambda: True)
        other.request("GET", "/x")
        link.freeze()
        failure_of(lambda: client.request("GET", "/x", timeout=RUNS_OUT_S))
        assert answers_two(server, other)


def test_a_watch_that_fell_silent_is_not_begun_anew_on_one_of_them(server: ScriptedServer) -> None:
    with idle(server, 4) as (client, link):
        server.script(watched)
        watch = client.stream("/x", read_timeout=RUNS_OUT_S)
        link.freeze()
        assert failure_of(lambda: list(watch)).failure is Failure.UNKNOWN
        assert answers_two(server, client)


class Cleared(urllib3.PoolManager):
    """Another thread closes the pool as soon as somebody has looked for it."""

    done = False

    def connection_from_url(self, *args: Any, **kwargs: Any) -> urllib3.HTTPConnectionPool:
        found = super().connection_from_url(*args, **kwargs)
        if not self.done:
            self.done = True
            self.clear()
            found.close()
        return found


def test_who_comes_when_they_are_closed_has_a_new_one(server: ScriptedServer) -> None:
    server.script(lambda exchange: exchange.answer(200, {}))
    assert Hosts(Cleared()).urlopen("GET", server.url, "/x").status == 200
    assert len(server.requests) == 1


def test_requests_under_way_go_on_where_idle_connections_are_closed(
    server: ScriptedServer, until: Until
) -> None:
    go = threading.Event()

    def answer(exchange: Exchange) -> None:
        go.wait(30)
        exchange.answer(200, {"whole": True})

    with idle(server, 2) as (client, _):
        before = len(server.requests)
        server.script(answer)
        with in_thread(partial(client.request, "GET", "/x", timeout=30)) as results:
            until(lambda: len(server.requests) > before)
            client.close()
            go.set()
        assert results == [b'{"whole":true}']
        assert client.request("GET", "/x") == b'{"whole":true}'


def test_a_cluster_behind_a_path_of_its_host(server: ScriptedServer) -> None:
    client = KubeClient(ApiClient(Configuration(host=f"{server.url}/k8s/clusters/c-1/")))
    for _ in range(2):
        server.script(lambda exchange: exchange.answer(200, {}))
        client.request("GET", "/api/v1/x", query={"limit": 1})
        client.close()  # the idle connections: the next request makes a new one
    seen = [(request.route, request.query) for request in server.requests]
    assert seen == [("/k8s/clusters/c-1/api/v1/x", {"limit": "1"})] * 2


@pytest.mark.parametrize("path", ["", "/k8s/clusters/c-1"])
def test_the_server_is_named_without_a_password(path: str) -> None:
    with closing(KubeClient(ApiClient(Configuration(host=f"https://me:pw@k8s:6443{path}/")))) as it:
        assert it.host == f"https://k8s:6443{path}"


def test_an_error_says_what_the_server_said(server: ScriptedServer, client: KubeClient) -> None:
    answer = status(409, "AlreadyExists", "pods 'x' already exists", name="x")
    server.script(lambda exchange: exchange.answer(409, answer))
    error = failure_of(lambda: client.request("POST", "/x", body={}))
    assert error.failure is Failure.ALREADY_EXISTS
    assert (error.status, error.reason, error.details) == (409, "AlreadyExists", {"name": "x"})


def test_retry_after_is_told(server: ScriptedServer, client: KubeClient) -> None:
    server.script(
        lambda exchange: exchange.answer(429, status(429, "TooManyRequests"), Retry_After="7")
    )
    error = failure_of(lambda: client.request("GET", "/x"))
    assert (error.failure, error.retry_after) == (Failure.TOO_MANY_REQUESTS, 7.0)


def test_a_redirect_is_not_followed(server: ScriptedServer, client: KubeClient) -> None:
    server.script(lambda exchange: exchange.answer(302, b"", Location="/elsewhere"))
    failure_of(lambda: client.request("DELETE", "/x"))
    assert len(server.requests) == 1


def test_a_refused_connection_means_nothing_was_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    error = failure_of(lambda: client_of(url).request("POST", "/x", body={}))
    assert (error.failure, error.unsure) == (Failure.UNREACHABLE, False)


def test_a_server_that_hangs_up_may_have_done_it(
    server: ScriptedServer, client: KubeClient
) -> None:
    server.script(Exchange.cut)
    error = failure_of(lambda: client.request("POST", "/x", body={}))
    assert (error.failure, error.unsure) == (Failure.UNKNOWN, True)
    assert len(server.requests) == 1, "a write is never repeated"


def test_a_fenced_client_sends_no_write_without_leave(
    server: ScriptedServer, client: KubeClient
) -> None:
    leave = threading.Event()
    fenced = client.fenced(leave.is_set)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert failure_of(partial(fenced.request, method, "/x")).failure is Failure.UNREACHABLE
    assert server.requests == []
    server.script(lambda exchange: exchange.answer(200, {}))
    fenced.request("GET", "/x")
    client.request("PATCH", "/x", body={})
    leave.set()
    fenced.request("POST", "/x", body={})
    assert [seen.method for seen in server.requests] == ["GET", "PATCH", "POST"]


def test_leave_is_asked_for_when_the_connection_has_been_made() -> None:
    """So nothing that takes time lies between the answer and the first byte."""
    asked: list[bool] = []
    fenced = client_of("http://127.0.0.1:1").fenced(lambda: bool(asked.append(True)))
    assert failure_of(lambda: fenced.request("POST", "/x")).failure is Failure.UNREACHABLE
    assert asked == []


def test_silence_ends_after_the_timeout(server: ScriptedServer, client: KubeClient) -> None:
    server.script(Exchange.hold)
    started = time.monotonic()
    error = failure_of(lambda: client.request("GET", "/x", timeout=RUNS_OUT_S))
    assert error.failure is Failure.UNKNOWN
    assert RUNS_OUT_S - 0.1 < time.monotonic() - started < 30


def test_a_body_cut_short_is_no_answer(server: ScriptedServer, client: KubeClient) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", "100")
        exchange.end_headers()
        exchange.wfile.write(b"{")
        exchange.cut()

    server.script(script)
    assert failure_of(lambda: client.request("GET", "/x")).failure is Failure.UNKNOWN


def test_cancel_ends_a_request_that_waits_for_its_answer(
    server: ScriptedServer, client: KubeClient, until: Until
) -> None:
    server.script(Exchange.hold)
    cancel = Canceller()
    with in_thread(lambda: client.request("GET", "/x", timeout=60, cancel=cancel)) as results:
        until(lambda: server.requests)
        cancel.cancel()
    (error,) = results
    assert isinstance(error, KubeError)
    assert error.failure is Failure.CANCELLED


def test_cancel_refuses_later_requests(server: ScriptedServer, client: KubeClient) -> None:
    server.script(lambda exchange: exchange.answer(200, {}))
    client.request("GET", "/warm-up")  # so that a kept connection is there to be used
    cancel = Canceller()
    cancel.cancel()
    error = failure_of(lambda: client.request("GET", "/x", cancel=cancel))
    assert error.failure is Failure.CANCELLED


def test_cancel_leaves_other_requests_alone(server: ScriptedServer, client: KubeClient) -> None:
    server.script(lambda exchange: exchange.answer(200, {}))
    cancel = Canceller()
    client.request("GET", "/x", cancel=cancel)
    cancel.cancel()
    assert client.request("GET", "/y") == b"{}"


def test_lines_come_whole_however_they_are_cut(server: ScriptedServer, client: KubeClient) -> None:
    long = b"x" * 200_000
    chunks = (b"on", b"e\ntwo\n\nth", b"ree\n", long[:70_000], long[70_000:] + b"\nlo", b"st")
    server.script(lambda exchange: exchange.stream(*chunks))
    with client.stream("/x") as lines:
        assert list(lines) == [b"one", b"two", b"three", long]


def test_a_line_is_there_before_its_chunk_has_ended(
    server: ScriptedServer, client: KubeClient
) -> None:
    """Proxies may send the end of a chunk with what comes next, or make one of many lines."""
    read = {line: threading.Event() for line in (b"one", b"two")}

    def script(exchange: Exchange) -> None:
        exchange.begin()
        exchange.wfile.write(b"8\r\none\n")
        assert read[b"one"].wait(30), "not read before its chunk had all come"
        exchange.wfile.write(b"two\n")
        assert read[b"two"].wait(30), "not read before its chunk had ended"
        exchange.wfile.write(b"\r\n")
        exchange.end()

    server.script(script)
    with client.stream("/x", read_timeout=60) as lines:
        for line in lines:
            read[line].set()
    assert all(each.is_set() for each in read.values())


def test_a_stream_that_has_ended_leaves_its_connection_to_the_next(
    server: ScriptedServer, client: KubeClient
) -> None:
    connections = set()

    def script(exchange: Exchange) -> None:
        connections.add(exchange.client_address)
        exchange.stream(b"one\n")

    server.script(script)
    for _ in range(3):
        with client.stream("/x") as lines:
            assert list(lines) == [b"one"]
    assert len(connections) == 1


def test_lines_may_come_compressed(server: ScriptedServer, client: KubeClient) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Encoding", "gzip")
        exchange.send_header("Transfer-Encoding", "chunked")
        exchange.end_headers()
        content = gzip.compress(b"one\ntwo\n")
        for piece in (content[:15], content[15:]):
            exchange.chunk(piece)
        exchange.end()

    server.script(script)
    with client.stream("/x") as lines:
        assert list(lines) == [b"one", b"two"]


def test_lines_may_come_without_chunks(server: ScriptedServer, client: KubeClient) -> None:
    """As an old proxy forwards them: each at once, though more may follow."""
    read = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Connection", "close")
        exchange.end_headers()
        exchange.wfile.write(b"one\n")
        assert read.wait(30), "the first line was not read before the second came"
        exchange.wfile.write(b"two\n")
        exchange.cut()

    server.script(script)
    with client.stream("/x", read_timeout=60) as lines:
        seen = []
        for line in lines:
            seen.append(line)
            read.set()
    assert seen == [b"one", b"two"]


def test_a_stream_cut_off_is_told_from_one_that_ended(
    server: ScriptedServer, client: KubeClient
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        exchange.chunk(b"one\n")
        exchange.cut()

    server.script(script)
    with client.stream("/x") as lines:
        assert next(it := iter(lines)) == b"one"
        assert failure_of(lambda: next(it)).failure is Failure.UNKNOWN


def test_a_silent_stream_is_given_up(server: ScriptedServer, client: KubeClient) -> None:
    def script(exchange: Exchange) -> None:
        exchange.begin()
        exchange.chunk(b"one\n")
        exchange.hold()

    server.script(script)
    with client.stream("/x", read_timeout=RUNS_OUT_S) as lines:
        error = failure_of(lambda: list(lines))
    assert error.failure is Failure.UNKNOWN
    assert "silent" in error.message


def test_an_error_instead_of_a_stream(server: ScriptedServer, client: KubeClient) -> None:
    server.script(lambda exchange: exchange.answer(410, status(410, "Expired")))
    assert failure_of(lambda: client.stream("/x")).failure is Failure.EXPIRED


def hold_stream(exchange: Exchange) -> None:
    exchange.begin()
    exchange.chunk(b"one\n")
    exchange.hold()


def test_close_wakes_up_the_reader(
    server: ScriptedServer, client: KubeClient, until: Until
) -> None:
    server.script(hold_stream)
    seen: list[bytes] = []
    lines = client.stream("/x", read_timeout=60)
    with in_thread(lambda: [seen.append(line) for line in lines]) as results:
        until(lambda: seen)
        lines.close()
        lines.close()
    (error,) = results
    assert isinstance(error, KubeError)
    assert error.failure is Failure.CANCELLED
    assert failure_of(lambda: list(lines)).failure is Failure.CANCELLED


def test_a_stream_that_nobody_reads_is_closed_at_once(
    server: ScriptedServer, client: KubeClient
) -> None:
    server.script(hold_stream)
    with client.stream("/x"):
        pass
    server.script(lambda exchange: exchange.answer(200, {}))
    assert client.request("GET", "/y") == b"{}"


def test_tls_close_wakes_up_the_reader(tmp_path: Path, until: Until) -> None:
    tls, authority = self_signed(tmp_path)
    settings = Configuration()
    with ScriptedServer(hold_stream, tls) as server:
        settings.host, settings.ssl_ca_cert = server.url, str(authority)
        client = KubeClient(ApiClient(configuration=settings))
        seen: list[bytes] = []
        lines = client.stream("/x", read_timeout=60)
        with in_thread(lambda: [seen.append(line) for line in lines]) as results:
            until(lambda: seen)
            lines.close()
        (error,) = results
        assert isinstance(error, KubeError)
        assert error.failure is Failure.CANCELLED
        client.close()


def test_tls_with_an_unknown_authority_sends_nothing(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    with ScriptedServer(lambda exchange: exchange.answer(200, {}), tls) as server:
        error = failure_of(lambda: client_of(server.url).request("POST", "/x", body={}))
        assert error.failure is Failure.UNREACHABLE
        assert server.requests == []


def test_each_request_carries_the_token_of_the_moment(server: ScriptedServer) -> None:
    tokens = iter(["first", "second"])
    settings = Configuration(host=server.url)

    def refresh(configuration: Configuration) -> None:
        configuration.api_key["BearerToken"] = f"bearer {next(tokens)}"

    settings.api_key["BearerToken"] = "bearer stale"
    settings.refresh_api_key_hook = refresh
    server.script(lambda exchange: exchange.answer(200, {}))
    client = KubeClient(ApiClient(configuration=settings))
    client.request("GET", "/x")
    client.request("GET", "/x")
    sent = [asked.headers["authorization"] for asked in server.requests]
    assert sent == ["bearer first", "bearer second"]
    client.close()


def test_a_token_that_cannot_be_read_sends_nothing(server: ScriptedServer) -> None:
    settings = Configuration(host=server.url)
    settings.api_key["BearerToken"] = "bearer stale"

    def refresh(configuration: Configuration) -> None:
        raise OSError("token file is gone")

    settings.refresh_api_key_hook = refresh
    client = KubeClient(ApiClient(configuration=settings))
    error = failure_of(lambda: client.request("GET", "/x"))
    assert (error.failure, server.requests) == (Failure.UNREACHABLE, [])


def test_the_observer_learns_of_each_request(server: ScriptedServer) -> None:
    seen: list[tuple[str, str, str]] = []
    client = client_of(server.url, lambda verb, what, code, _: seen.append((verb, what, code)))
    server.script(lambda exchange: exchange.answer(404, status(404, "NotFound")))
    failure_of(lambda: client.request("GET", "/api/v1/namespaces/a/pods/b/status"))
    server.script(Exchange.cut)
    failure_of(lambda: client.request("PATCH", "/apis/g/v1/namespaces/a/things/b"))
    assert seen == [("GET", "pods/status", "404"), ("PATCH", "things", "<error>")]
    client.close()


def test_connect_by_kubeconfig(server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(
        f"""
apiVersion: v1
kind: Config
current-context: a
contexts:
- {{name: a, context: {{cluster: c, user: u}}}}
- {{name: b, context: {{cluster: c, user: v}}}}
clusters: [{{name: c, cluster: {{server: "{server.url}"}}}}]
users:
- {{name: u, user: {{token: of-a}}}}
- {{name: v, user: {{token: of-b}}}}
"""
    )
    server.script(lambda exchange: exchange.answer(200, {}))
    for context in (None, "b"):
        client = KubeClient.connect(path, 4, context=context)
        client.request("GET", "/x")
        client.close()
    sent = [asked.headers["authorization"] for asked in server.requests]
    assert sent == ["Bearer of-a", "Bearer of-b"]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a: [", "apiVersion: v1\nkind: Config\n", "current-context: a\ncontexts: 7\n"],
    ids=["empty", "list", "no-yaml", "bare", "bad-contexts"],
)
def test_a_kubeconfig_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeConfigError, match=str(path)):
        KubeClient.connect(path, 4)


@pytest.mark.parametrize("text", ["[]", "7", "root:x:0:0", "users: 7\n"])
def test_what_has_something_else_in_it_is_called_no_kubeconfig(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeConfigError) as told:
        KubeClient.connect(path, 4)
    assert not any(word in str(told.value) for word in ("object", "indices", "attribute"))


def written_for(address: str, folder: Path) -> Path:
    """A kubeconfig with that server."""
    path = folder / "config"
    named = {
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(named))
    return path


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:99999", "not a url", "", "https://", "ftp://a", "7", "a:b"],
)
def test_a_server_with_no_address_is_named(tmp_path: Path, address: str) -> None:
    path = written_for(address, tmp_path)
    with pytest.raises(KubeConfigError, match=r"is no URL such as https://") as told:
        KubeClient.connect(path, 4)
    assert str(path) in str(told.value)


def test_a_server_that_is_not_there_is_named_by_its_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = written_for(f"http://127.0.0.1:{port}", tmp_path)
    with closing(KubeClient.connect(path, 4)) as client, pytest.raises(KubeError) as told:
        client.request("GET", "/api")
    assert f" 127.0.0.1:{port}: " in str(told.value)
    assert "_Connection" not in str(told.value)


def test_no_kubeconfig_at_all_says_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(KubeConfigError, match=r"service account.*absent"):
        KubeClient.connect(None, 4)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (None, "does not exist"),
        (b"", "empty"),
        (b"\xff", "can't decode"),
        (b"good", "certification"),
    ],
    ids=["no token", "empty", "no text", "no authority"],
)
def test_why_the_service_account_is_of_no_use_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: bytes | None, why: str
) -> None:
    """In a pod that is the reason, not the kubeconfig that no pod has."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    mounted = tmp_path / "token"
    if token is not None:
        mounted.write_bytes(token)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(mounted))
    with pytest.raises(
        KubeConfigError, match=rf"service account of this pod \(.*{why}.*\), .*absent"
    ):
        KubeClient.connect(None, 4)


def test_a_step_of_many_slow_requests_is_not_taken_for_hanging(
    server: ScriptedServer, client: KubeClient
) -> None:
    clock, complaints = FakeClock(), list[str]()
    hearts = Heartbeats(clock)

    def work() -> None:
        for _ in range(10):
            client.request("GET", "/api/v1/x")
            clock.advance(9)
            complaints.append(hearts.complaint())

    server.script(lambda exchange: exchange.answer(200, {}))
    life = hearts.thread("dnatctl-worker", work)
    life.start()
    life.join(60)
    assert complaints == [""] * 10
