"""Every alert fires on a real Prometheus when what it tells of happens to a real controller."""

import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from dnatctl_sim.cloud import Fault, Knobs, Scenario
from dnatctl_sim.cloud.knobs import DOCUMENTED_POLICY
from tests.e2e.arena import CLUSTER, LEASE, Arena, exposing, pods_path
from tests.e2e.conftest import MANIFESTS
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubelet import Kubelet
from tests.e2e.older import older_crd
from tests.e2e.prometheus import Prometheus, job
from tests.e2e.replica import Replica
from tests.e2e.rules import alert_names, hurried_rules
from tests.e2e.workloads import pod
from tests.support.link import Link

DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/poddnats.alibabacloud.com"
DASHBOARD = MANIFESTS.parents[1] / "monitoring" / "dashboard.json"
TUNED = Path(__file__).with_name("tuned.py")
PORTS, ROWS = 11, 12
"""What the pool of the first gateway has, and what its table holds."""
KNOBS = Knobs(default_limit=0, quota=1000)
UNSAID = ("no value", "error expanding", "NaN", "%!")
"""What Prometheus writes where a text asks for something that is not there."""


@pytest.fixture
def arena(installed: ControlPlane, tmp_path: Path) -> Iterator[Arena]:
    """Two gateways; at the end the definition is ours again."""
    scenario = Scenario.many(2, eips=1, knobs=KNOBS)
    with Arena(installed, tmp_path, scenario, version="v1beta1") as arena:
        yield arena
    installed.install(MANIFESTS)


class Trouble:
    """A controller with a Prometheus, all that can go wrong with it, and what has fired."""

    def __init__(
        self, arena: Arena, namespace: str, replica: Replica, prometheus: Prometheus
    ) -> None:
        self.arena = arena
        self.namespace = namespace
        self.replica = replica
        self.prometheus = prometheus
        self.first, self.second = arena.cloud.scenario.gateways
        self.fired: dict[str, float] = {}
        """Seconds from the cause to the alert, by its name: the rules wait for nothing here."""

    def fires(self, *names: str, within: float = 90, caused: datetime | None = None) -> None:
        """Wait until these alerts fire, each with texts that say something.

        `caused`: when what they tell of began; None: just now.
        """
        began = caused or datetime.now(UTC)
        for name in names:
            alert = eventually(lambda name=name: self._firing(name), within=within, every=0.2)  # type: ignore[misc]
            since = datetime.fromisoformat(alert["activeAt"])
            self.fired.setdefault(name, max((since - began).total_seconds(), 0.0))
            for text in alert["annotations"].values():
                assert text
                assert not [word for word in UNSAID if word in text], text

    def rests(self, name: str, within: float = 90) -> None:
        """Wait until that alert fires no more."""
        eventually(lambda: not self._firing(name), within=within, every=0.2)

    def _firing(self, name: str) -> Any:
        alerts = (a for a in self.prometheus.alerts() if a["labels"]["alertname"] == name)
        return next((alert for alert in alerts if alert["state"] == "firing"), None)

    def expose(self, name: str, ports: str) -> None:
        """Create a pod."""
        made = pod(name, annotations=exposing(ports))
        self.arena.api.create(pods_path(self.namespace), made)

    def foreign(self, gateway: Any, port: int, name: str = "") -> str:
        """Put a row that this controller has not made."""
        where = gateway.id, gateway.eips[0], str(port), f"172.16.200.{port % 200}", str(port)
        return self.arena.acts.create_entry(*where, name=name)

    @contextmanager
    def may(self, *actions: str) -> Iterator[None]:
        """RAM grants no more than that for a while."""
        self.arena.cloud.set_knobs(allowed=actions)
        yield
        self.arena.cloud.set_knobs(allowed=KNOBS.allowed)


@pytest.mark.timeout(600)
def test_every_alert_fires(arena: Arena, kubelet: Kubelet, namespace: str, tmp_path: Path) -> None:
    """In one life of one controller; the rules are the manifests', in a hurry."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(hurried_rules())
    with Link(arena.control_plane.url) as link:
        replica = _replica(arena, namespace, link)
        standby = arena.replica(tuning={"hang": 1})
        jobs = [job("dnatctl", replica.address, standby.address)]
        nobody_since = datetime.now(UTC)
        with Prometheus(tmp_path / "prometheus", jobs, rule_files=[rules]) as prometheus:
            trouble = Trouble(arena, namespace, replica, prometheus)
            trouble.fires("DnatctlAbsent", caused=nobody_since)
            _nobody_leads(trouble)
            _pool_fills_up(trouble)
            _others_meddle(trouble)
            _dashboard_shows(prometheus)
            _deletes_are_refused(trouble)
            standby.start()
            silent_since = datetime.now(UTC)
            with link.closed():
                # What needs no API server, while bookmarks fail to come.
                _gateway_is_locked(trouble)
                _cloud_refuses(trouble)
                _cloud_fails(trouble)
                _config_spoils(trouble)
                trouble.fires("DnatctlThreadsLate", caused=silent_since)
                trouble.fires("DnatctlWatchStale", caused=silent_since)
            _definition_suffers(trouble)
    print({name: round(seconds, 1) for name, seconds in trouble.fired.items()})
    assert sorted(trouble.fired) == sorted(alert_names())


def _replica(arena: Arena, namespace: str, link: Link) -> Replica:
    """It signs with a RAM role's keys, which expire, and bears silence and outages for a while."""
    first, second = arena.configuration()["networkController"]["natGwPool"]
    first |= {"portRangeEnd": first["portRangeStart"] + PORTS - 1, "maxEntries": ROWS}
    second |= {"portRangeEnd": second["portRangeStart"]}
    config = arena.configuration(
        networkController={"natGwPool": [first, second]},
        namespaces={"quota": {namespace: ROWS}},
        maxPortsPerPod=100,
    )
    metadata = config["endpoints"]["ecs"]
    disabled = ("-u", "ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    program = ["env", *disabled, f"DNATCTL_METADATA_ENDPOINT={metadata}", sys.executable]
    replica = arena.replica(
        link=link, program=[*program, str(TUNED), "lease=240", "orphan=2"], **config
    )
    replica.rewrite(yaml.safe_dump(config | {"credential": {"type": "ramRole"}}))
    return replica


def _nobody_leads(trouble: Trouble) -> None:
    """Somebody holds the Lease who does not work."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    held = {"holderIdentity": "another", "leaseDurationSeconds": 3600, "leaseTransitions": 0}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE.rpartition("/")[2]},
        "spec": held | {"acquireTime": now, "renewTime": now},
    }
    trouble.arena.api.create(LEASE.rpartition("/")[0], lease)
    trouble.replica.start()
    trouble.fires("DnatctlNoLeader")
    trouble.arena.api.patch(LEASE, {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}})
    trouble.replica.wait_leading(within=60)
    trouble.rests("DnatctlNoLeader")
    trouble.rests("DnatctlAbsent")


def _pool_fills_up(trouble: Trouble) -> None:
    """Ports first, then rows, then somebody waits."""
    start = 512
    trouble.foreign(trouble.second, start)
    trouble.foreign(trouble.second, start + 1000)
    trouble.fires("DnatctlTableLimitUnknown")
    trouble.expose("most", f"7000-{7000 + PORTS - 2}")
    trouble.arena.ready(trouble.namespace, "most")
    trouble.fires("DnatctlPoolNearlyFull", "DnatctlServiceLevelMissed")
    trouble.expose("last", "80")
    trouble.arena.ready(trouble.namespace, "last")
    trouble.fires("DnatctlPoolFull", "DnatctlTableNearlyFull", "DnatctlNamespaceQuotaNearlyUsedUp")
    trouble.foreign(trouble.first, start + 1000)
    trouble.expose("late", "80")
    trouble.fires("DnatctlTableFull", "DnatctlPodsWaitTooLong")
    trouble.arena.api.delete(f"{pods_path(trouble.namespace)}/late", gracePeriodSeconds=0)
    trouble.rests("DnatctlPodsWaitTooLong")


def _others_meddle(trouble: Trouble) -> None:
    """Rows are deleted, made under our name, and left without an owner."""
    arena, acts = trouble.arena, trouble.arena.acts
    acts.delete_entry(str(arena.own_rows()[0]["entry_id"]))
    trouble.fires("DnatctlDrift")
    mark = f"dnatctl_{CLUSTER}_{{}}"
    strange = trouble.foreign(trouble.second, 2000, f"{mark.format(uuid.uuid4())}_0123abcd_x")
    trouble.fires("DnatctlOtherCluster")
    acts.delete_entry(strange)
    orphans = [
        trouble.foreign(trouble.second, 2001 + n, mark.format(uuid.uuid4())) for n in range(12)
    ]
    trouble.fires("DnatctlOrphansHeld")
    for row in orphans:
        acts.delete_entry(row)


def _gateway_is_locked(trouble: Trouble) -> None:
    acts = trouble.arena.acts
    acts.set_gateway(trouble.second.id, business_status="FinancialLocked")
    trouble.fires("DnatctlGatewayUnusable")
    acts.set_gateway(trouble.second.id, business_status="Normal")
    trouble.rests("DnatctlGatewayUnusable")


def _dashboard_shows(prometheus: Prometheus) -> None:
    """Every query of every panel has something to show after all that."""
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$job", ".*").replace("$__rate_interval", "30s")
            assert prometheus.query(query), f"{panel['title']}: {query}"


def _deletes_are_refused(trouble: Trouble) -> None:
    """RAM does not grant them."""
    with trouble.may(*(set(DOCUMENTED_POLICY) - {"vpc:DeleteForwardEntry"})):
        trouble.arena.api.delete(f"{pods_path(trouble.namespace)}/last", gracePeriodSeconds=0)
        trouble.fires("DnatctlCloudRefuses", "DnatctlReleasesStuck")
    trouble.arena.gone(trouble.namespace, "last", within=90)
    trouble.rests("DnatctlReleasesStuck")


def _cloud_refuses(trouble: Trouble) -> None:
    """RAM grants nothing; then keys live for minutes only."""
    with trouble.may("ecs:*"):
        trouble.fires("DnatctlTableUnread")
    trouble.rests("DnatctlTableUnread", within=90)
    trouble.arena.cloud.set_knobs(sts_lifetime=300)
    trouble.arena.acts.expire_keys()
    trouble.fires("DnatctlCredentialsExpire")


def _cloud_fails(trouble: Trouble) -> None:
    trouble.arena.cloud.add_fault(
        Fault(action="error", stage="before", code="InternalError", status=500, times=None)
    )
    trouble.fires("DnatctlCloudFails")
    trouble.arena.cloud.clear_faults()
    trouble.rests("DnatctlCloudFails", within=90)


def _config_spoils(trouble: Trouble) -> None:
    good = trouble.arena.configuration(credential={"type": "ramRole"})
    trouble.replica.rewrite("clusterID: [")
    trouble.fires("DnatctlConfigRefused")
    trouble.replica.rewrite(yaml.safe_dump(good))
    trouble.rests("DnatctlConfigRefused")


def _definition_suffers(trouble: Trouble) -> None:
    """It is replaced by another chart's, then deleted; the last pod takes it along."""
    api = trouble.arena.api
    crd = older_crd()
    api.replace(DEFINITION, crd | {"metadata": api.get(DEFINITION)["metadata"]})
    trouble.fires("DnatctlDefinitionOlder")
    api.delete(DEFINITION)
    trouble.fires("DnatctlDefinitionGoes")
    api.delete(f"{pods_path(trouble.namespace)}/most", gracePeriodSeconds=0)
    eventually(lambda: api.find(DEFINITION) is None, within=120)
    assert trouble.arena.own_rows() == []
