"""PodDNATs that a user writes by hand get him nothing that he may not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from dnatctl_sim.kube.core.errors import ApiError
from tests.support.stage import RECORDS, Object, Stage, eventually, stage
from tests.support.workloads import stateful

GATEWAY = "ngw-bp1emulated0001"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    rules = {"deny": ["denied"]}
    with stage(namespaces=rules, quarantine="60s") as running:
        running.start_controller()
        yield running


def write(
    it: Stage,
    name: str,
    ports: Iterable[tuple[int, int]] = (),
    gateway: str = GATEWAY,
    ip: str = "203.0.113.1",
    **meta: Any,
) -> Object:
    """A PodDNAT as a user may write it."""
    it.referee.forged.add((it.ns, name))
    mapping = [{"externalPort": str(e), "internalPort": str(i)} for e, i in ports]
    spec: Object = {"protocol": "tcp"}
    if mapping:
        place = {"tableId": gateway, "externalIP": ip}
        spec |= place | {"portMapping": mapping}
    return it.kube.store.create(
        RECORDS,
        {
            "apiVersion": "alibabacloud.com/v1beta1",
            "kind": "PodDNAT",
            "metadata": {"name": name, "namespace": it.ns, **meta},
            "spec": spec,
        },
    )


def claimed(it: Stage, name: str) -> list[Object]:
    """The ports that a PodDNAT claims."""
    ports: list[Object] = (it.record(name) or {"spec": {}})["spec"].get("portMapping", [])
    return ports


def test_a_refused_pod_gets_no_entry(it: Stage) -> None:
    host = it.pod("host", spec={"hostNetwork": True})["metadata"]["name"]
    it.told(host, "HostNetwork")
    write(it, host, [(900, 80), (901, 22)])
    it.quiet()
    assert not it.own_rows(host)
    assert it.condition(host)["reason"] == "HostNetwork"


def test_a_pod_of_a_denied_namespace_gets_no_entry(it: Stage) -> None:
    it.move_to("denied")
    it.pod("web")
    it.told("web", "NamespaceDenied")
    write(it, "web", [(900, 80)])
    it.quiet()
    assert not it.own_rows("web")


@pytest.mark.parametrize("port", [22, 2000])
def test_a_port_outside_the_pool_is_given_up(it: Stage, port: int) -> None:
    it.pod("web")
    it.ready("web")
    it.referee.forged.add((it.ns, "web"))
    ports = [{"externalPort": str(port), "internalPort": "80"}]
    it.kube.store.patch(RECORDS, it.ns, "web", {"spec": {"portMapping": ports}})
    eventually(lambda: (now := claimed(it, "web")) and now[0]["externalPort"] != str(port))
    (entry,) = it.ready("web")
    assert 512 <= int(entry["externalPort"]) <= 1024
    assert all(row["external_port"] != str(port) for row in it.own_rows("web"))


def test_the_endpoint_of_a_fixed_pod_that_is_away_stays_its_own(it: Stage) -> None:
    """Neither an older PodDNAT edited to claim it nor a new one gets it, or makes it rest."""
    it.pod("thief")
    it.ready("thief")
    created = it.record("thief")["metadata"]["creationTimestamp"]  # type: ignore[index]
    eventually(lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" > created, what="it is older")
    it.kube.store.create("statefulsets.apps", stateful(it.ns, "db", fixed=""))
    (entry,) = it.ready("db-0")
    mine = (entry["externalIP"], entry["externalPort"])
    it.kube.store.patch("statefulsets.apps", it.ns, "db", {"spec": {"replicas": 0}})
    eventually(lambda: it.kube.store.get("pods", it.ns, "db-0") is None and not it.own_rows("db-0"))
    it.quiet()
    before = it.writes()
    it.referee.forged.add((it.ns, "thief"))
    ports = [{"externalPort": mine[1], "internalPort": "80"}]
    spec = {"externalIP": mine[0], "portMapping": ports}
    it.kube.store.patch(RECORDS, it.ns, "thief", {"spec": spec})
    eventually(lambda: it.writes() != before)
    it.quiet()
    it.kube.store.patch("statefulsets.apps", it.ns, "db", {"spec": {"replicas": 1}})
    (entry,) = it.ready("db-0")
    assert (entry["externalIP"], entry["externalPort"]) == mine
    (entry,) = it.ready("thief")
    assert (entry["externalIP"], entry["externalPort"]) != mine


def test_nor_does_anybody_get_it_across_a_restart(it: Stage) -> None:
    """While no leader is there nobody sees which claim came first."""
    it.pod("thief")
    it.ready("thief")
    created = it.record("thief")["metadata"]["creationTimestamp"]  # type: ignore[index]
    eventually(lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" > created, what="it is older")
    it.kube.store.create("statefulsets.apps", stateful(it.ns, "db", fixed="", ports="80,443"))
    mine = [(e["externalIP"], e["externalPort"]) for e in it.ready("db-0", 2)]
    it.kube.store.patch("statefulsets.apps", it.ns, "db", {"spec": {"replicas": 0}})
    eventually(lambda: it.kube.store.get("pods", it.ns, "db-0") is None and not it.own_rows("db-0"))
    it.quiet()
    uid = it.record("db-0")["metadata"]["uid"]  # type: ignore[index]
    assert uid in parked(it)
    it.stop_controllers()
    it.referee.forged.add((it.ns, "thief"))
    ports = [{"externalPort": port, "internalPort": "80"} for _, port in mine[1:]]
    spec = {"externalIP": mine[0][0], "portMapping": ports}
    it.kube.store.patch(RECORDS, it.ns, "thief", {"spec": spec})
    it.start_controller()
    it.ready("thief")
    it.kube.store.patch("statefulsets.apps", it.ns, "db", {"spec": {"replicas": 1}})
    assert [(e["externalIP"], e["externalPort"]) for e in it.ready("db-0", 2)] == mine
    assert not {(e["externalIP"], e["externalPort"]) for e in it.ready("thief")} & set(mine)
    it.kube.store.delete("statefulsets.apps", it.ns, "db")
    it.gone("db-0")
    eventually(lambda: uid not in parked(it), what="it is struck from the ledger")


def test_nor_does_anybody_where_the_pod_lives_and_waits_for_its_eip() -> None:
    """Somebody deleted its entry and took the EIP off, and it was never away: no row shows whose
    the endpoint is."""
    with stage() as it:
        it.start_controller()
        for name in ("thief", "db"):  # in this order: who is older is who was first
            it.kube.store.create("statefulsets.apps", stateful(it.ns, name, fixed=""))
            it.ready(f"{name}-0")
            born = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
            eventually(partial(is_past, born), what="the next one is younger")
        (mine,) = it.entries("db-0")
        it.acts.unbind_eip(mine["externalIP"], force=True)
        eventually(lambda: mine["externalIP"] not in it.controller_eips(GATEWAY))
        it.delete_row(mine["forwardEntryId"])
        eventually(lambda: not it.entries("db-0") and not it.own_rows("db-0"))
        it.quiet()
        it.stop_controllers()
        it.referee.forged.add((it.ns, "thief-0"))
        ports = [{"externalPort": mine["externalPort"], "internalPort": "80"}]
        spec = {"externalIP": mine["externalIP"], "portMapping": ports}
        it.kube.store.patch(RECORDS, it.ns, "thief-0", {"spec": spec})

        it.start_controller()
        it.quiet()
        it.acts.bind_eip(mine["externalIP"], GATEWAY)

        (entry,) = it.ready("db-0")
        where = ("externalIP", "externalPort")
        assert [entry[each] for each in where] == [mine[each] for each in where]


def test_nor_does_whoever_had_it_before_and_let_go_of_it() -> None:
    """A parked claim is noted, edited to another endpoint by its author, and, while no leader is
    there, back to what is somebody else's by then."""
    only = {"portRangeStart": 512, "portRangeEnd": 513, "eips": ["203.0.113.1"]}
    with stage(quarantine="1s", pool=only) as it:
        it.start_controller()
        it.referee.forged.add((it.ns, "thief-0"))
        it.kube.store.create("statefulsets.apps", stateful(it.ns, "thief", fixed=""))
        assert it.ready("thief-0")[0]["externalPort"] == "512"
        park(it, "thief")
        it.kube.store.patch("statefulsets.apps", it.ns, "thief", {"spec": {"replicas": 1}})
        it.ready("thief-0")
        edit(it, "thief-0", 513)
        eventually(lambda: [e["externalPort"] for e in it.entries("thief-0")] == ["513"])
        eventually(lambda: not parked(it), what="what it let go of is noted as its own no more")

        it.kube.store.create("statefulsets.apps", stateful(it.ns, "db", fixed=""))
        assert it.ready("db-0")[0]["externalPort"] == "512"
        park(it, "db")
        it.stop_controllers()
        edit(it, "thief-0", 512)
        it.start_controller()
        it.quiet()

        it.kube.store.patch("statefulsets.apps", it.ns, "db", {"spec": {"replicas": 1}})
        assert it.ready("db-0")[0]["externalPort"] == "512"


def test_what_goes_by_force_leaves_no_note(it: Stage) -> None:
    it.kube.store.create("statefulsets.apps", stateful(it.ns, "db", fixed=""))
    it.ready("db-0")
    uid = it.record("db-0")["metadata"]["uid"]  # type: ignore[index]
    park(it, "db")
    assert uid in parked(it)
    it.kube.store.patch(RECORDS, it.ns, "db-0", {"metadata": {"finalizers": None}})
    it.kube.store.delete("statefulsets.apps", it.ns, "db")
    with suppress(ApiError):  # its owner's end may have ended it already
        it.kube.store.delete(RECORDS, it.ns, "db-0")
    eventually(lambda: uid not in parked(it), what="it is struck from the ledger")


def test_nothing_is_at_rest_while_a_note_is_behind(it: Stage) -> None:
    it.quiet()
    parts = it.running[0].controller.parts
    with parts.views.lock:
        parts.views.pool.proofs.lapsed.add("somebody")
        assert parts.busy() == "parked claims are being noted"
    eventually(lambda: not parts.busy())
    assert not parts.views.pool.proofs.lapsed


def is_past(time: str) -> bool:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" > time


def park(it: Stage, name: str) -> None:
    """Have the pod of a StatefulSet go away for a while."""
    it.kube.store.patch("statefulsets.apps", it.ns, name, {"spec": {"replicas": 0}})
    pod = f"{name}-0"
    eventually(lambda: it.kube.store.get("pods", it.ns, pod) is None and not it.own_rows(pod))
    it.quiet()


def edit(it: Stage, name: str, port: int) -> None:
    """Have a PodDNAT name another endpoint, as its author may."""
    ports = [{"externalPort": str(port), "internalPort": "80"}]
    it.kube.store.patch(RECORDS, it.ns, name, {"spec": {"portMapping": ports}})


def parked(it: Stage) -> set[str]:
    """UIDs of PodDNATs whose claims the ledger keeps."""
    maps = it.kube.store.list("configmaps", "dnatctl-system")
    named = [m for m in maps if m["metadata"]["name"].startswith("dnatctl-parked-")]
    return {uid for m in named for uid in m.get("data", {})}


def test_somebody_elses_finalizer_does_not_hold_the_pool(it: Stage) -> None:
    """Released it is all the same, and then its endpoints are nobody's claim any more."""
    world = it.running[0].controller.parts.views
    write(it, "held", [(port, 80) for port in range(700, 720)], finalizers=["example.com/hold"])
    uid = it.record("held")["metadata"]["uid"]  # type: ignore[index]
    eventually(lambda: "deletionTimestamp" in (it.record("held") or {})["metadata"])
    eventually(lambda: world.records.key_of(uid) and uid not in it.claims())
    assert it.record("held") is not None
    it.kube.store.patch(RECORDS, it.ns, "held", {"metadata": {"finalizers": []}})
