"""Everything that a test of the whole program needs: cluster, cloud, replicas, and the oracles."""

import itertools
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dnatctl_sim.cloud import Acts, Call, Cloud, CloudServer, Knobs, Scenario, rows
from dnatctl_sim.cloud.spec import REGION, VPC_ID
from hack.controlplane.files import CONTROLLER_NAMESPACE, CONTROLLER_USER, write_kubeconfig
from tests.e2e.audit import AuditEvent
from tests.e2e.control_plane import ControlPlane
from tests.e2e.eventually import eventually
from tests.e2e.kubeapi import Object
from tests.e2e.oracle import Row, differences, entries_of
from tests.e2e.replica import Replica
from tests.support.link import Link

CLUSTER = "c11ba338192xxxxxxx"
SECRET = "never-to-be-told-"
"""How the secret of every replica begins: `test_secrets.py` looks for it in all that is left."""
POD_NETWORK = "172.16.0.0/16"
"""Where pods must have their IPs for the emulated cloud to know them."""
WRITES = ("CreateForwardEntry", "DeleteForwardEntry", "ModifyForwardEntry")
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{CONTROLLER_NAMESPACE}/leases/dnatctl"
CONFIG_MAPS = f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}/configmaps"
EVENTS = f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}/events"


class Arena:
    """A control plane with the manifests installed, an emulated cloud, and replicas of dnatctl.

    Use as a context manager: at the end replicas and cloud are gone, and with them what dnatctl
    keeps in its own namespace.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        folder: Path,
        scenario: Scenario | None = None,
        *,
        version: str = "v1",
    ) -> None:
        """`version` is that in which the cluster serves PodDNATs."""
        self.version = version
        self.control_plane = control_plane
        self.api = control_plane.api
        self.cloud = Cloud(scenario or Scenario(knobs=Knobs(default_limit=0, quota=1000)))
        self.acts = Acts(self.cloud)
        self.replicas: list[Replica] = []
        self._secrets: dict[str, str] = {}
        self._server = CloudServer(self.cloud)
        self._folder = folder
        self._numbers = itertools.count()
        self._began = control_plane.audit.mark()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for replica in self.replicas:
            replica.kill()
        self._server.stop()
        self._forget()

    def _forget(self) -> None:
        """What a controller left would make the next test wait, or be taken for its own word."""
        if self.api.find(LEASE):
            self.api.delete(LEASE)
        self.api.delete(CONFIG_MAPS, gracePeriodSeconds=0)
        self.api.delete(EVENTS)

    # Replicas

    def replica(
        self,
        *arguments: str,
        link: Link | None = None,
        tuning: Mapping[str, float] | None = None,
        program: Sequence[str] = (),
        **config: Any,
    ) -> Replica:
        """A replica, not started yet; keywords are keys of its configuration file.

        It reaches the API server by `link`, if given, and signs its calls to the cloud with an
        AccessKey of its own. For `tuning` see `tests/e2e/tuned.py`.
        """
        number = next(self._numbers)
        folder = self._folder / f"replica-{number}"
        key, secret = f"LTAI-replica-{number}", SECRET + secrets.token_hex()
        self.acts.add_key(key, secret)
        self._secrets[key] = secret
        config["credential"] = {"accessKey": key, "accessSecret": secret}
        replica = Replica(
            folder,
            self._kubeconfig(folder, link),
            self.configuration(**config),
            *arguments,
            tuning=tuning,
            program=program,
        )
        self.replicas.append(replica)
        return replica

    def secret_of(self, replica: Replica) -> str:
        """What signs its calls to the cloud."""
        return self._secrets[replica.key]

    def start(self, *arguments: str, **more: Any) -> Replica:
        """A replica, as `replica` makes it, that leads and is at work."""
        replica = self.replica(*arguments, **more)
        replica.start()
        return replica.wait_leading()

    def _kubeconfig(self, folder: Path, link: Link | None) -> Path:
        folder.mkdir(parents=True)
        write_kubeconfig(
            folder / "kubeconfig",
            server=link.url if link else self.control_plane.url,
            authority=self.control_plane.authority,
            token=self.control_plane.tokens["dnatctl"],
        )
        return folder / "kubeconfig"

    def configuration(self, **changes: Any) -> dict[str, Any]:
        """A configuration file for the emulated cloud, patient enough for a test."""
        pool = [
            {
                "natgwId": gateway.id,
                "zoneId": gateway.zone,
                "portRangeStart": 512,
                "portRangeEnd": 1024,
                "eips": [],
            }
            for gateway in self.cloud.scenario.gateways
        ]
        endpoint = self._server.endpoint
        return {
            "clusterID": CLUSTER,
            "regionID": REGION,
            "vpcID": VPC_ID,
            "enableControllers": ["natgw"],
            "networkController": {"natGwPool": pool},
            "endpoints": {"vpc": endpoint, "ecs": endpoint},
            "quarantine": "1s",
            "resync": "3s",
            "publish": {"condition": True} | changes.pop("publish", {}),
        } | changes

    # What there is

    def record(self, namespace: str, name: str) -> Object | None:
        """A PodDNAT, None where there is none."""
        return self.api.find(f"{self.records_path(namespace)}/{name}")

    def records(self, namespace: str = "") -> list[Object]:
        """The PodDNATs of one namespace, or all."""
        return self.api.items(self.records_path(namespace))

    def records_path(self, namespace: str = "") -> str:
        """The collection of PodDNATs of a namespace, or of all."""
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"/apis/alibabacloud.com/{self.version}{scope}/poddnats"

    def rows(self) -> list[Row]:
        """The rows of all tables."""
        return list(rows(self.cloud))

    def own_rows(self) -> list[Row]:
        """The rows that bear this cluster's mark."""
        return [row for row in self.rows() if str(row["name"]).startswith(f"dnatctl_{CLUSTER}_")]

    def calls(self, *apis: str, since: int = 0) -> list[Call]:
        """The cloud's own log: calls of these APIs, all where none is named."""
        return [call for call in self.cloud.calls(since) if not apis or call.api in apis]

    def requests(self, *, since: int | None = None) -> list[AuditEvent]:
        """What dnatctl asked the API server since this test began."""
        start = self._began if since is None else since
        return self.control_plane.audit.events(since=start, user=CONTROLLER_USER)

    # Oracles

    def ready(self, namespace: str, name: str, *, within: float = 120) -> list[Object]:
        """Wait until a pod's PodDNAT lists one usable entry for each port, and return those.

        Others may have written into its status before: what is listed is what it claims.
        """

        def entries() -> list[Object] | None:
            record = self.record(namespace, name)
            if record is None:
                return None
            listed = entries_of(record)
            claimed = record["spec"]["portMapping"]
            return listed if _external(listed) == _external(claimed) else None

        listed: list[Object] = self.wait_until(entries, within)
        return listed

    def gone(self, namespace: str, name: str, *, within: float = 120) -> None:
        """Wait until a PodDNAT is gone."""
        self.wait_until(lambda: self.record(namespace, name) is None, within)

    def settled(self, *, within: float = 120) -> None:
        """Wait until pods, PodDNATs and tables of the whole cluster agree."""

        def agree() -> bool:
            found = self.differences()
            assert not found, "\n".join(found[:20])
            return True

        self.wait_until(agree, within, every=0.25)

    def differences(self) -> list[str]:
        """What of pods, PodDNATs and tables is not as it should be."""
        pods = self.api.items("/api/v1/pods")
        return differences(pods, self.records(), self.rows(), CLUSTER)

    def at_rest(self, *, seconds: float = 4) -> None:
        """Wait until no write comes for so many seconds: a write at each resync would be no rest.

        They are to include a resync. A shorter look first would take the pause before a refused
        write is tried again for rest. The lease is renewed all the same.
        """

        def rests() -> bool:
            writes = self._writes_within(seconds)
            assert not writes, "\n".join(writes)
            return True

        eventually(rests, within=60)

    def _writes_within(self, seconds: float) -> list[str]:
        called, asked = self.cloud.counters()["calls"], self.control_plane.audit.mark()
        time.sleep(seconds)  # that nothing happens can only be seen by waiting
        after = self.cloud.counters()["calls"]
        writes = [api for api in WRITES if _count(after, api) != _count(called, api)]
        return writes + [
            f"{event.verb} {event.uri}"
            for event in self.requests(since=asked)
            if event.is_write and event.resource != "leases"
        ]

    def wait_until(self, probe: Callable[[], Any], within: float = 120, every: float = 0.05) -> Any:
        """As `eventually`; the error shows pods, and what replicas and controllers logged last."""
        try:
            return eventually(probe, within=within, every=every)
        except AssertionError as error:
            logs = [f"{r.log}:\n{r.tail()}" for r in self.replicas]
            logs += [self.control_plane.log("kube-controller-manager")[-3000:]]
            pods = [_in_short(pod) for pod in self.api.items("/api/v1/pods")]
            raise AssertionError("\n".join([str(error), *logs, *pods])) from None


def _in_short(pod: Object) -> str:
    meta, status = pod["metadata"], pod.get("status", {})
    ends = meta.get("deletionTimestamp", "")
    return f"{meta['namespace']}/{meta['name']} {status.get('phase')} {status.get('podIP')} {ends}"


def _count(calls: Any, api: str) -> int:
    return int(calls.get(api, 0))


def pods_path(namespace: str) -> str:
    """The collection of pods of a namespace."""
    return f"/api/v1/namespaces/{namespace}/pods"


def exposing(ports: str, **more: str) -> Mapping[str, str]:
    """Annotations that expose ports; keywords (`fixed`, `expose_protocol`) add others."""
    prefix = "k8s.aliyun.com/pod-dnat"
    extra = {f"{prefix}-{key.replace('_', '-')}": value for key, value in more.items()}
    return {prefix: "", f"{prefix}-expose-port": ports} | extra


def _external(ports: Iterable[Object]) -> list[str]:
    return sorted(port["externalPort"] for port in ports)
