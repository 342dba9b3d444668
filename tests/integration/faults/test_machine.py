"""Everything at random: users, people at the console, faults on both sides, crashes.

A hypothesis state machine drives the whole controller on the emulators. While it runs the referee
watches; at the end all faults are over, and the world must come to be what is asked for, and rest.
Threads and sockets make runs differ, so nothing is shrunk: the trace that is printed is the script.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from dnatctl.table.orphans import Patience
from dnatctl_sim.cloud import Fault as CloudFault
from dnatctl_sim.cloud import Scenario
from dnatctl_sim.kube.core.errors import ApiError
from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.gate import CLOUD_WRITES
from tests.support.stage import RECORDS, Stage, fast
from tests.support.workloads import stateful

AT_LENGTH = os.environ.get("HYPOTHESIS_PROFILE") == "long"
FIRST, SECOND = "ngw-bp1emulated0001", "ngw-bp1emulated0002"
NAMES = st.sampled_from(["a", "b", "c", "d"])
PORTS = st.sampled_from(["80", "80,443", "7000-7002/udp", "53/tcp,53/udp", "443", "nonsense"])
QUICK: dict[str, Any] = {
    "leader_elect": False,
    "orphans": Patience(age_s=0.5, urgent_s=0.1),
    "sweep_s": 0.2,
}

KUBE_FAULTS = st.sampled_from(
    [
        Fault(code=409),
        Fault(code=429, retry_after=1),
        Fault(code=500),
        Fault(code=503, after=True),
        Fault(drop=True),
        Fault(drop=True, after=True),
        Fault(delay=0.3),
    ]
)
CLOUD_FAULTS = st.sampled_from(
    [
        ("close", "before", ""),
        ("reset", "after", ""),
        ("page", "after", ""),
        ("empty", "after", ""),
        ("error", "during", "InternalError"),
        ("error", "after", "InternalError"),
        ("error", "before", "OperationConflict"),
        ("error", "before", "IncorretForwardEntryStatus"),
        ("error", "before", "Throttling.User"),
        ("error", "before", "Some.New.Code"),
    ]
)


class Everything(RuleBasedStateMachine):
    """Rules for all that may happen, and what must be true afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.it = Stage(Scenario.many(2, eips=1, knobs=fast()), resync="1s", quarantine="1s")
        self.it.start()
        self.foreign: list[str] = []
        self.port = 520
        self.it.start_controller(**QUICK)

    # --- users

    @rule(name=NAMES, ports=PORTS)
    def create(self, name: str, ports: str) -> None:
        self._try(lambda: self.it.pod(name, ports))

    @rule(name=NAMES, grace=st.sampled_from([None, 0]))
    def delete(self, name: str, grace: int | None) -> None:
        self._try(lambda: self.it.delete_pod(name, grace=grace))

    @rule(name=NAMES, ports=PORTS)
    def recreate(self, name: str, ports: str) -> None:
        self.delete(name, 0)
        self.create(name, ports)

    @rule(name=NAMES)
    def move(self, name: str) -> None:
        self._try(lambda: self.it.kube.kubelet.restart(self.it.ns, name))

    @rule(name=NAMES, ports=PORTS)
    def change_ports(self, name: str, ports: str) -> None:
        self._try(lambda: self.it.annotate(name, **{"expose-port": ports}))

    @rule(name=NAMES, value=st.sampled_from(["true", "false"]))
    def switch(self, name: str, value: str) -> None:
        self._try(lambda: self.it.annotate(name, switch=value))

    @rule(name=NAMES)
    def finish(self, name: str) -> None:
        self._try(lambda: self.it.kube.kubelet.finish(self.it.ns, name))

    @rule(replicas=st.integers(0, 2))
    def scale(self, replicas: int) -> None:
        sets, ns = "statefulsets.apps", self.it.ns
        if self.it.kube.store.get(sets, ns, "db"):
            self.it.kube.store.patch(sets, ns, "db", {"spec": {"replicas": replicas}})
        else:
            self.it.kube.store.create(sets, stateful(ns, replicas=replicas))

    # --- others

    @rule(name=NAMES)
    def delete_poddnat(self, name: str) -> None:
        self._try(lambda: self.it.kube.store.delete(RECORDS, self.it.ns, name))

    @rule(index=st.integers(0, 20), change=st.sampled_from(["delete", "10.0.99.1", "10.0.99.2"]))
    def meddle(self, index: int, change: str) -> None:
        if not (rows := self.it.own_rows()):
            return
        entry = rows[index % len(rows)]["entry_id"]
        if change == "delete":
            self._try(lambda: self.it.delete_row(entry))
        else:
            self._try(lambda: self.it.edit_row(entry, internal_ip=change))

    @rule(gateway=st.sampled_from([FIRST, SECOND]))
    def come_between(self, gateway: str) -> None:
        ip = {FIRST: "203.0.113.1", SECOND: "203.0.113.2"}[gateway]
        self.port += 1
        where = (gateway, ip, str(self.port), "10.0.98.1", str(self.port))
        self._try(lambda: self.foreign.append(self.it.acts.create_entry(*where, name="tf")))

    @rule(gateway=st.sampled_from([FIRST, SECOND]), well=st.booleans())
    def gateway_health(self, gateway: str, well: bool) -> None:
        self.it.acts.set_gateway(gateway, status="Available" if well else "Modifying")

    # --- faults

    @rule(fault=KUBE_FAULTS, verb=st.sampled_from(["create", "patch", "list", "get", "delete"]))
    def kubernetes_fails(self, fault: Fault, verb: str) -> None:
        self.it.kube.faults.add(fault, Match(verb=verb, user_agent="dnatctl"), times=2)

    @rule(kind=CLOUD_FAULTS, api=st.sampled_from([*CLOUD_WRITES, "DescribeForwardTableEntries"]))
    def cloud_fails(self, kind: tuple[str, str, str], api: str) -> None:
        action, stage, code = kind
        fields: dict[str, Any] = {"action": action, "stage": stage, "apis": [api], "times": 2}
        self.it.cloud.add_fault(CloudFault(**fields, **({"code": code} if code else {})))

    @rule(resource=st.sampled_from(["pods", RECORDS]), old=st.booleans(), deaf=st.booleans())
    def watch_breaks(self, resource: str, old: bool, deaf: bool) -> None:
        if deaf:
            self.it.kube.faults.watches.swallow(resource, 3)
        if old or deaf:
            self.it.kube.faults.expire_watches(resource)
        self.it.kube.watches.close(resource, reset=old)

    @rule(at=st.integers(1, 6))
    def crash_soon(self, at: int) -> None:
        """The controller dies at one of its next writes; another one is started."""
        left = [at]

        def watch(_: object) -> bool:
            left[0] -= 1
            return left[0] <= 0

        self.it.gate.watcher = watch
        self.it.quiet(unless=lambda: left[0] <= 0)
        self._restart()

    @rule()
    def crash(self) -> None:
        self.it.gate.watcher = lambda _: True
        self._restart()

    @precondition(lambda self: self.it.running)
    @rule()
    def come_to_rest(self) -> None:
        """Recovery from every state on the way, not only at the end."""
        self._heal()
        self.it.settled(but=self._impossible())

    def teardown(self) -> None:
        try:
            self._heal()
            self.it.assert_at_rest(but=self._impossible())
            there = {row["entry_id"] for row in self.it.rows()}
            assert there.issuperset(self.foreign), "a foreign row is gone"
        finally:
            self.it.stop()

    # --- small parts

    def _heal(self) -> None:
        self.it.heal()
        for resource in ("pods", RECORDS):
            self.it.kube.faults.expire_watches(resource)
        self.it.kube.watches.close()
        for gateway in (FIRST, SECOND):
            self.it.acts.set_gateway(gateway, status="Available")

    def _restart(self) -> None:
        self.it.stop_controllers()
        self.it.gate.open()
        self.it.start_controller(**QUICK)

    def _impossible(self) -> list[tuple[str, str]]:
        """Pods that ask for nonsense: they keep what they have."""
        return [
            (self.it.ns, pod["metadata"]["name"])
            for pod in self.it.kube.store.list("pods", self.it.ns)
            if "nonsense" in pod["metadata"].get("annotations", {}).values()
        ]

    @staticmethod
    def _try(act: Any) -> None:
        try:
            act()
        except (ApiError, KeyError, LookupError):
            return  # there is no such thing just now, or there is one already
        except Exception as error:
            if type(error).__name__ != "ApiError":  # the cloud's own refusals
                raise


Everything.TestCase.settings = settings(
    max_examples=150 if AT_LENGTH else 5,
    stateful_step_count=20 if AT_LENGTH else 12,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
)
TestEverything = Everything.TestCase
