"""The process as a whole when a part of it fails: its log, a thread, its end, strangers."""

from __future__ import annotations

import fcntl
import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.process import PATIENT_LEASE, Program
from tests.support.stage import NAMESPACE, Stage, eventually, stage

LEASES = "leases.coordination.k8s.io"

IMPATIENT = """
import dnatctl.control.watchdog, dnatctl.control.worker.workers, dnatctl.heartbeat
dnatctl.heartbeat.SLACK_S = dnatctl.control.worker.workers.WORK_S = 3.0
dnatctl.control.watchdog.GRACE_S = 12.0
"""
DYING = """
import dnatctl.control.worker.reconciler as reconciler
usual = reconciler.Reconciler.reconcile
def reconcile(self, ref):
    if ref.key.name == "poison":
        raise SystemExit("worker, be gone")
    return usual(self, ref)
reconciler.Reconciler.reconcile = reconcile
"""
HANGING = IMPATIENT + DYING.replace('raise SystemExit("worker, be gone")', "time.sleep(3600)")
BRIEF_LEASE = """
import functools, time
import dnatctl.kube.lease as lease
lease.LeaseSettings = functools.partial(lease.LeaseSettings, 3.0, 2.0, 0.5)
"""
NEVER_DONE = """
import time
import dnatctl.cli.ending, dnatctl.control.controller
dnatctl.cli.ending.STOP_S = 6.0
def never_done(self):
    print('{"msg": "stopping"}', flush=True)
    time.sleep(3600)
dnatctl.control.controller.Controller._shut_down = never_done
"""


def holder(it: Stage) -> str:
    """Who holds the Lease."""
    lease: dict[str, Any] = it.kube.store.get(LEASES, NAMESPACE, "dnatctl") or {}
    return str(lease.get("spec", {}).get("holderIdentity", ""))


@contextmanager
def program(it: Stage, *arguments: str, before: str = "", elect: bool = True) -> Iterator[Program]:
    """A program, not started, and nothing of it left afterwards."""
    made = Program(it, *arguments, elect=elect, before=before)
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as it:
        yield it


@contextmanager
def pipe(size: int = 4096) -> Iterator[tuple[int, int]]:
    """A pipe that holds so many bytes: its ends to read from and to write to."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, size)
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def lose_the_lease(it: Stage) -> None:
    """No renewal gets through from now on."""
    it.kube.faults.add(Fault(code=500), Match(verb="update", resource=LEASES), times=None)


def port_of(program: Program, which: str) -> int:
    """The port that it serves `health` or `metrics` on."""

    def told() -> int:
        return next((line[f"{which}_port"] for line in program.lines() if "health_port" in line), 0)

    return int(eventually(told))


def asked(port: int, path: str) -> int:
    """The status that it answers with, 0 if it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


class TestLog:
    @pytest.mark.parametrize("form", ["json", "console"])
    def test_a_reader_that_goes_away_costs_lines_and_nothing_else(
        self, it: Stage, form: str
    ) -> None:
        with program(it, "--log-format", form, before=PATIENT_LEASE) as leader:
            with pipe() as (_, writing):
                leader.start(writing)
                it.pod("first")
                it.ready("first")
            for n in range(8):
                it.pod(f"web-{n}")
            for n in range(8):
                it.ready(f"web-{n}")
            leader.end()
            assert holder(it) == ""

    def test_warnings_of_the_start_are_lines_like_any_other(self, it: Stage) -> None:
        misspelt = 'import os\nos.environ["DNATCTL_QUARANTIN"] = "30s"\n'
        with program(it, before=misspelt) as leader:
            leader.start()
            it.pod("web")
            it.ready("web")
            warned = [line.get("warning", "") for line in leader.lines()]
            assert any("did you mean DNATCTL_QUARANTINE?" in warning for warning in warned)

    def test_a_reader_that_stops_reading_holds_up_nothing(self, it: Stage) -> None:
        with (
            pipe() as (_, writing),
            program(it, "--log-level", "debug", before=PATIENT_LEASE) as leader,
        ):
            leader.start(writing)
            for n in range(20):
                it.pod(f"web-{n}")
            for n in range(20):
                it.ready(f"web-{n}")
            leader.end()
            assert holder(it) == ""

    def test_nor_does_it_keep_a_leader_that_has_lost_its_lease(self, it: Stage) -> None:
        with pipe() as (_, writing), program(it, "--log-level", "debug") as leader:
            leader.start(writing)
            it.pod("web")
            it.ready("web")
            lose_the_lease(it)
            assert leader.wait() == 1


class TestThreads:
    def test_one_that_dies_gives_the_lease_back_and_ends_the_process(self, it: Stage) -> None:
        with program(it, before=PATIENT_LEASE + DYING) as leader:
            leader.start()
            it.pod("web")
            it.ready("web")
            it.pod("poison")
            assert leader.wait() == 1
            assert holder(it) == ""
            said = "\n".join(str(line) for line in leader.lines())
            assert "SystemExit: worker, be gone" in said

    def test_one_that_hangs_is_told_by_health_and_then_ends_the_process(self, it: Stage) -> None:
        """Its Lease is let expire: what it hangs in may be a write."""
        with program(it, before="import time" + HANGING) as leader:
            leader.start()
            it.pod("web")
            it.ready("web")
            health = port_of(leader, "health")
            eventually(lambda: asked(health, "/healthz") == asked(health, "/readyz") == 200)
            it.pod("poison")
            eventually(lambda: asked(health, "/healthz") == 500)
            assert leader.wait(120) == 1
            assert holder(it) != ""
            stacks = [line["stack"] for line in leader.lines() if "stack" in line]
            assert any("time.sleep(3600)" in stack or "reconcile" in stack for stack in stacks)


class TestEnd:
    def test_one_that_was_asked_for_ends_well_though_the_lease_runs_out(self, it: Stage) -> None:
        slow = NEVER_DONE.replace("STOP_S = 6.0", "STOP_S = 120.0")
        lease = BRIEF_LEASE.replace("3.0, 2.0, 0.5", "16.0, 12.0, 2.0")
        with program(it, before=lease + slow) as leader:
            leader.start()
            eventually(lambda: holder(it))
            leader.terminate()
            eventually(lambda: any(line["msg"] == "stopping" for line in leader.lines()))
            it.kube.go_offline()
            assert leader.wait() == 0

    def test_a_lost_lease_ends_it_at_once(self, it: Stage) -> None:
        with program(it, before=BRIEF_LEASE) as leader:
            leader.start()
            eventually(lambda: holder(it))
            lose_the_lease(it)
            assert leader.wait() == 1
            assert "leader election lost" in [line["msg"] for line in leader.lines()]

    def test_one_that_hangs_is_ended(self, it: Stage) -> None:
        with program(it, before=NEVER_DONE) as leader:
            leader.start()
            eventually(lambda: holder(it))
            leader.terminate()
            assert leader.wait() == 1


class TestPorts:
    def test_one_in_use_is_one_line(self, it: Stage) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            with program(it, "--metrics-bind-address", address) as leader:
                leader.start()
                assert leader.wait() == 1
                last = leader.lines()[-1]
        why = f"cannot listen on {address}: Address already in use"
        assert last["error"] == f"{why}; --metrics-bind-address takes another"
        assert "exception" not in last

    def test_nonsense_is_bad_usage(self, it: Stage) -> None:
        with program(it, "--metrics-bind-address", "banana") as leader:
            leader.start()
            assert leader.wait() == 2
            assert "'banana' is no address: write :8080" in leader.tail()

    def test_strangers_on_them_cost_nothing(self, it: Stage) -> None:
        few = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096))"
        with program(it, before=few) as leader, ExitStack() as stack:
            leader.start()
            it.pod("web")
            it.ready("web")
            assert leader.limit_of_files() == 4096
            health, metrics = port_of(leader, "health"), port_of(leader, "metrics")
            for port in (health, metrics) * 300:
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                sock.sendall(b"GET / HTTP/1.1\r\nHost: ")
            assert (asked(health, "/healthz"), asked(metrics, "/metrics")) == (200, 200)
            it.pod("next")
            it.ready("next")
            leader.end()
