"""What Prometheus sees of dnatctl, and that it is what happened."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnatctl_sim.cloud import Fault, Knobs, Scenario, Settle
from tests.e2e.arena import WRITES, Arena, exposing
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubelet import Kubelet
from tests.e2e.prometheus import Prometheus, job, promtool
from tests.e2e.workloads import deployment

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"

BATCH, BATCHES = 100, 3
KNOBS = Knobs(default_limit=0, quota=1000, settle=Settle.all(0.02))


@pytest.fixture
def arena(installed: ControlPlane, tmp_path: Path) -> Iterator[Arena]:
    """Several gateways, for pace."""
    with Arena(installed, tmp_path, Scenario.many(3, knobs=KNOBS)) as arena:
        yield arena


def test_every_documented_metric_is_there_from_the_first_scrape_with_its_meaning(
    arena: Arena,
) -> None:
    replica = arena.replica()
    replica.start()
    first = eventually(replica.metrics_if_served, within=60)
    _assert_as_documented(first)
    replica.wait_leading()
    _assert_as_documented(replica.metrics())


def _assert_as_documented(exposition: str) -> None:
    assert promtool("check", "metrics", stdin=exposition) == ""
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE))
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", exposition, re.MULTILINE))
    for name, kind, meaning in _documented():
        assert types.get(name) == kind
        assert helps.get(name) == meaning


def _documented() -> list[tuple[str, str, str]]:
    rows = re.findall(r"^\| `(\S+)` \| (\w+) \|.*\| (.+) \|$", REFERENCE.read_text(), re.MULTILINE)
    assert len(rows) > 20
    return rows


@pytest.mark.timeout(240)
def test_counters_agree_with_the_cloud_and_the_api_server_after_a_churn(
    arena: Arena, kubelet: Kubelet, namespace: str, tmp_path: Path
) -> None:
    """Three hundred pods in three waves, while the cloud fails now and then.

    Shown to fail when failed calls were left out of `dnatctl_cloud_requests_total`: the two counts
    never agreed.
    """
    replica = arena.start()
    _fail_now_and_then(arena)
    with Prometheus(tmp_path / "prometheus", [job("dnatctl", replica.address)]) as prometheus:
        _churn(arena, namespace)
        total = BATCH * BATCHES
        assert prometheus.wait_for(f"dnatctl_allocations_total == {total}") == total
        assert prometheus.wait_for(f"dnatctl_releases_total == {total}") == total
        assert [target["health"] for target in prometheus.targets()] == ["up"]
        eventually(lambda: _is_called(arena) == _is_counted(prometheus), within=60)
        claims = [e for e in arena.requests() if (e.verb, e.resource) == ("create", "poddnats")]
        assert len([event for event in claims if event.code == 201]) == total
        writes = prometheus.query("sum(dnatctl_table_writes_total)")[0][1]
        assert writes == len(arena.calls(*WRITES))
        assert not prometheus.query("dnatctl_forward_entries > 0")


def _fail_now_and_then(arena: Arena) -> None:
    for code, status in (("SystemBusy", 503), ("InternalError", 500)):
        fault = Fault(action="error", stage="before", code=code, status=status, times=5)
        arena.cloud.add_fault(_of_creates(fault))
    arena.cloud.add_fault(_of_creates(Fault(action="close", stage="after", times=3)))


def _of_creates(fault: Fault) -> Fault:
    fault.apis, fault.probability = ["CreateForwardEntry"], 0.05
    return fault


def _churn(arena: Arena, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    seen: set[str] = set()
    for wave in range(BATCHES):
        workload = deployment(f"wave-{wave}", BATCH, annotations=exposing("80"))
        arena.api.create(path, workload)
        arena.wait_until(lambda: len(arena.records(namespace)) == BATCH, every=0.5)
        arena.settled()
        seen |= {record["metadata"]["uid"] for record in arena.records(namespace)}
        arena.api.delete(f"{path}/wave-{wave}", propagationPolicy="Foreground")
        arena.wait_until(lambda: not arena.records(namespace), every=0.5)
    assert len(seen) == BATCH * BATCHES


def _is_called(arena: Arena) -> dict[tuple[str, bool], float]:
    """Calls by API, and whether they succeeded, as the cloud has them."""
    return dict(Counter((call.api, not call.code) for call in arena.calls() if call.replied))


def _is_counted(prometheus: Prometheus) -> dict[tuple[str, bool], float]:
    """The same, as Prometheus has them."""
    counts: Counter[tuple[str, bool]] = Counter()
    for labels, value in prometheus.query("dnatctl_cloud_requests_total > 0"):
        counts[labels["operation"], labels["class"] == "ok"] += int(value)
    return dict(counts)
