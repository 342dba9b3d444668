"""The fault catalogue, Kubernetes' side: whatever the API server does, the end is right."""

from __future__ import annotations

import pytest

from dnatctl_sim.kube.wire.faults import Fault, Match
from tests.support.stage import RECORDS, Stage, eventually

WATCHED = ("pods", RECORDS)


def churn(it: Stage, names: str = "abcdef") -> None:
    """A little of everything: some pods come, some go, one changes."""
    for name in names:
        it.pod(name, "80,53/udp")
    for name in names:
        it.ready(name, 2)
    it.delete_pod(names[0])
    it.annotate(names[1], **{"expose-port": "443"})
    it.annotate(names[2], switch="false")
    it.kube.kubelet.restart(it.ns, names[3])


def test_watch_too_old_is_listed_anew_and_nothing_is_missed(calm: Stage) -> None:
    """410 Gone at the start of a watch; what happened meanwhile was never told."""
    calm.pod("stays")
    calm.pod("goes", "80,443")
    calm.ready("stays")
    calm.ready("goes", 2)
    for resource in WATCHED:
        calm.kube.faults.watches.swallow(resource, 50)
    calm.delete_pod("goes", grace=0)
    calm.pod("comes")
    calm.kube.faults.watches.clear()
    for resource in WATCHED:
        calm.kube.faults.expire_watches(resource)
    calm.kube.watches.close()
    calm.ready("comes")
    calm.gone("goes")
    calm.assert_at_rest()


@pytest.mark.parametrize("reset", [False, True])
def test_watches_that_close_at_once_again_and_again(it: Stage, reset: bool) -> None:
    """As client-go's VeryShortWatch: no storm of lists, nothing lost."""
    before = len(it.kube.requests.all(lambda r: r.verb == "list"))
    for n in range(12):
        it.pod(f"web-{n}")
        it.kube.watches.close(reset=reset)
    for n in range(12):
        it.ready(f"web-{n}")
    it.assert_at_rest()
    assert len(it.kube.requests.all(lambda r: r.verb == "list")) - before <= 3 * 12, (
        "one look of each informer for each time"
    )


def test_events_told_out_of_order(it: Stage) -> None:
    it.kube.faults.watches.reorder("pods", 4)
    churn(it)
    it.kube.watches.close()
    it.assert_at_rest()


def test_own_write_not_yet_seen_is_not_repeated(calm: Stage) -> None:
    """The watch of PodDNATs is deaf: no second PodDNAT, no second entry for one port."""
    calm.kube.faults.watches.swallow(RECORDS, 1000)
    calm.pod("web", "80,443")
    calm.ready("web", 2)
    calm.quiet()
    assert len(calm.calls("CreateForwardEntry", code="")) == 2
    creates = calm.kube.requests.all(lambda r: r.verb == "create" and r.resource == RECORDS)
    assert len(creates) == 1
    calm.assert_at_rest()


ERRORS = {
    "429 with Retry-After": Fault(code=429, retry_after=1),
    "500": Fault(code=500),
    "503": Fault(code=503),
    "504 after it was done": Fault(code=504, after=True),
    "403 during an upgrade": Fault(code=403),
    "connection reset": Fault(drop=True),
    "reset after it was done": Fault(drop=True, after=True),
    "slow": Fault(delay=0.5),
}


@pytest.mark.parametrize("error", ERRORS)
def test_every_write_to_a_poddnat_fails_at_first(it: Stage, error: str) -> None:
    for verb in ("create", "patch", "delete"):
        for subresource in ("", "status"):
            match = Match(verb=verb, resource=RECORDS, subresource=subresource)
            it.kube.faults.add(ERRORS[error], match, times=2)
    it.pod("web", "80,443")
    it.ready("web", 2)
    it.kube.kubelet.restart(it.ns, "web")
    eventually(lambda: not it.wrong())
    it.delete_pod("web")
    it.gone("web")
    it.kube.faults.clear()
    it.heal()
    it.assert_at_rest()
    assert len(it.calls("CreateForwardEntry", code="")) == 2, "nothing was made twice"


def test_conflicts_are_decided_anew_and_are_no_errors(it: Stage) -> None:
    """Somebody else writes the same PodDNATs all the time."""
    for n in range(4):
        it.pod(f"web-{n}", "80,443")
    for turn in range(40):
        for record in it.records():
            labels = {"metadata": {"labels": {"turn": str(turn)}}}
            it.kube.store.patch(RECORDS, it.ns, record["metadata"]["name"], labels)
    for n in range(4):
        it.ready(f"web-{n}", 2)
    it.assert_at_rest()
    metrics = it.running[0].controller.parts.metrics
    assert metrics.reconcile_errors.labels("dnatctl")._value.get() == 0


def test_a_status_whose_reply_was_lost_is_read_before_rows_are_deleted(calm: Stage) -> None:
    """It may list what the cache does not know of: that has to be withdrawn first."""
    status = Match(verb="patch", resource=RECORDS, subresource="status")
    calm.kube.faults.watches.swallow(RECORDS, 1000)
    calm.kube.faults.add(Fault(drop=True, after=True), status)
    calm.kube.faults.add(Fault(code=503), status, times=3)
    calm.kube.faults.add(Fault(code=503), Match(verb="get", resource=RECORDS), times=3)
    calm.pod("web")
    eventually(lambda: calm.entries("web"))
    calm.delete_pod("web", grace=0)
    calm.gone("web")
    calm.assert_fair()


def test_api_server_away_for_a_while(it: Stage) -> None:
    churn(it)
    it.kube.go_offline()
    it.delete_pod("e", grace=0)
    it.pod("new", "80")
    it.pod("e", "8080")
    eventually(lambda: len(it.kube.requests.all()) > 0)
    it.kube.go_online()
    it.ready("new")
    it.assert_at_rest()


def test_api_server_goes_back_in_time(it: Stage) -> None:
    """etcd is restored from a backup: what was released since then is there again."""
    it.pod("stays")
    it.pod("goes")
    it.ready("stays")
    it.ready("goes")
    it.quiet()
    backup = it.kube.backup()
    it.delete_pod("goes")
    it.gone("goes")
    it.annotate("stays", **{"expose-port": "80,443"})
    it.ready("stays", 2)
    it.kube.restore(backup)
    eventually(lambda: len(it.entries("goes")) == 1 and it.own_rows("goes"))
    it.assert_at_rest()


def test_stale_lists_after_a_restart_cost_nobody_an_entry(it: Stage) -> None:
    """A lagging API server shows the state before the exposure: nothing may be taken for ended."""
    it.pod("web", switch="false")
    it.pod("other", "80")
    first = it.ready("other")
    it.kube.pin_lists("pods")
    it.annotate("web", switch="true")
    before = it.ready("web")
    it.delete_pod("other", grace=0)
    it.pod("other", "80")
    eventually(lambda: it.entries("other") not in (first, []))
    kept = it.entries("other")
    it.stop_controllers()
    deletes = len(it.calls("DeleteForwardEntry", code=""))
    it.start_controller()
    it.assert_at_rest()
    it.kube.unpin_lists("pods")
    assert (it.entries("web"), it.entries("other")) == (before, kept)
    assert len(it.calls("DeleteForwardEntry", code="")) == deletes


def test_stale_poddnats_after_a_restart_are_not_claimed_twice(it: Stage) -> None:
    it.pod("one")
    it.ready("one")
    it.kube.pin_lists(RECORDS)
    it.pod("two", "80,443")
    before = it.ready("two", 2)
    it.stop_controllers()
    it.start_controller()
    it.assert_at_rest()
    assert it.entries("two") == before
    assert len(it.calls("CreateForwardEntry", code="")) == 3


def test_a_worker_that_raises_harms_nobody_else(calm: Stage) -> None:
    """A bug for one pod: counted, backed off, the others are served, the program stays live."""
    workers = calm.running[0].controller.parts.workers
    real = workers._reconcile

    def buggy(ref):  # type: ignore[no-untyped-def]
        if ref.key.name == "cursed":
            raise ZeroDivisionError("a bug")
        return real(ref)

    workers._reconcile = buggy
    calm.pod("cursed")
    for n in range(6):
        calm.pod(f"web-{n}")
    for n in range(6):
        calm.ready(f"web-{n}")
    controller = calm.running[0].controller
    panics = controller.parts.metrics.reconcile_panics.labels("dnatctl")._value
    eventually(lambda: panics.get() >= 1)
    assert panics.get() <= 20, "it is backed off"
    assert controller.parts.hearts.complaint() == ""
    workers._reconcile = real
    calm.ready("cursed")
    panics.set(0)  # they were foreseen here


def test_the_crd_has_no_conditions_and_no_protocols(it: Stage) -> None:
    """The older CRD, pruning what it does not know: exposures of one protocol work all the same."""
    crd = it.kube.store.get("customresourcedefinitions.apiextensions.k8s.io", "", RECORDS)
    assert crd is not None
    for version in crd["spec"]["versions"]:
        shape = version["schema"]["openAPIV3Schema"]["properties"]
        shape["status"]["properties"].pop("conditions")
        ports = shape["spec"]["properties"]["portMapping"]["items"]["properties"]
        ports.pop("protocol")
    it.kube.store.patch(
        "customresourcedefinitions.apiextensions.k8s.io",
        "",
        RECORDS,
        {"spec": {"versions": crd["spec"]["versions"]}},
    )
    [running] = it.running
    notes = running.controller.parts.definition.notes
    eventually(notes)  # it tells of it once, which is a write
    it.pod("web", "80,443")
    it.ready("web", 2)
    it.assert_at_rest()
    it.delete_pod("web")
    it.gone("web")
