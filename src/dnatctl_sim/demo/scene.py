"""What there is to see on a stage: pods, their PodDNATs, and the forward entries behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dnatctl_sim.cloud import rows
from dnatctl_sim.configuration import CLUSTER_ID
from dnatctl_sim.stage import Stage

Object = dict[str, Any]

RESOURCE = "poddnats.alibabacloud.com"
EXPOSED_PORTS = "k8s.aliyun.com/pod-dnat-expose-port"


@dataclass(frozen=True, slots=True)
class PodLine:
    """How one name stands: its pod, its claim, and the entries that carry it out.

    `phase` is that of the pod, `Terminating` while it is being deleted, `gone` where only the
    PodDNAT is left. `entry`: status of the forward entries, or where they lead if not to the pod.
    `ready`: as many entries listed as ports asked for, which is what OpenKruiseGame looks at.
    """

    name: str
    ip: str
    phase: str
    endpoint: str
    entry: str
    ready: bool

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be done for a pod that lives."""
        return self.ready and self.phase == "Running" and self.entry == "Available"


@dataclass(frozen=True, slots=True)
class Exposure:
    """A pod, its PodDNAT and their rows, as they were at one time; any of them may be missing."""

    name: str
    pod: Object | None
    record: Object | None
    rows: tuple[Object, ...]

    @property
    def ip(self) -> str:
        """The pod's IP."""
        return str(self.pod["status"].get("podIP", "")) if self.pod else ""

    @property
    def spec(self) -> Object:
        """The claim; empty where there is none."""
        return (self.record or {}).get("spec", {})  # type: ignore[no-any-return]

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The claimed endpoints, as `IP:port`."""
        ports = self.spec.get("portMapping", ())
        return tuple(f"{self.spec['externalIP']}:{port['externalPort']}" for port in ports)

    @property
    def listed(self) -> list[Object]:
        """The entries that the PodDNAT says are usable."""
        return (self.record or {}).get("status", {}).get("entries", [])  # type: ignore[no-any-return]

    @property
    def asked(self) -> int:
        """How many ports the pod asks to expose, counted as OpenKruiseGame counts them."""
        notes = self.pod["metadata"].get("annotations", {}) if self.pod else {}
        return len(notes[EXPOSED_PORTS].split(",")) if EXPOSED_PORTS in notes else 0

    @property
    def ready(self) -> bool:
        """What OpenKruiseGame takes for readiness of the network."""
        return self.asked > 0 and len(self.listed) == self.asked

    @property
    def reachable(self) -> bool:
        """Whether packets to every listed endpoint arrive at the pod, by the cloud's own truth."""
        found = {
            (row["external_ip"], row["external_port"], row["internal_ip"], row["internal_port"])
            for row in self.rows
            if row["works"] and row["internal_ip"] == self.ip
        }
        wanted = {
            (e["externalIP"], e["externalPort"], e["internalIP"], e["internalPort"])
            for e in self.listed
        }
        return bool(wanted) and wanted <= found

    @property
    def versions(self) -> tuple[str, ...]:
        """Different whenever pod or PodDNAT were written in between."""
        objects = (self.pod or {}, self.record or {})
        return tuple(obj.get("metadata", {}).get("resourceVersion", "") for obj in objects)

    def line(self) -> PodLine:
        """The same for people."""
        return PodLine(
            self.name,
            self.ip,
            self._phase(),
            ", ".join(self.endpoints),
            ", ".join(map(self._row, self.rows)),
            self.ready,
        )

    def _phase(self) -> str:
        if self.pod is None:
            return "gone"
        if "deletionTimestamp" in self.pod["metadata"]:
            return "Terminating"
        return str(self.pod["status"]["phase"])

    def _row(self, row: Object) -> str:
        astray = self.ip and row["internal_ip"] != self.ip
        return f"to {row['internal_ip']}" if astray else str(row["status"])


class Scene:
    """Looks at a stage, past every API: nothing is late or hidden."""

    def __init__(self, stage: Stage, namespace: str = "default") -> None:
        self._stage = stage
        self._namespace = namespace

    def look(self) -> list[Exposure]:
        """Every name that has a pod or a PodDNAT, by name."""
        pods = self._by_name("pods")
        table = self.own_rows()
        # Last, so that a row which is not there any more cannot look as if it were listed.
        records = self._by_name(RESOURCE)
        return [
            Exposure(
                name,
                pods.get(name),
                records.get(name),
                tuple(row for row in table if _is_of(row, records.get(name))),
            )
            for name in sorted({*pods, *records})
        ]

    def find(self, name: str) -> Exposure:
        """One of them; raises KeyError."""
        return {exposure.name: exposure for exposure in self.look()}[name]

    def own_rows(self) -> list[Object]:
        """The rows that carry this cluster's mark."""
        mark = f"dnatctl_{CLUSTER_ID}_"
        return [row for row in rows(self._stage.cloud) if str(row["name"]).startswith(mark)]

    def lies(self) -> list[str]:
        """Names whose PodDNAT lists an endpoint that does not reach the pod.

        Only what stayed as it was over two looks counts: the rows were then read in between.
        """
        before = {exposure.name: exposure.versions for exposure in self.look()}
        return [
            exposure.name
            for exposure in self.look()
            if exposure.pod and exposure.listed and not exposure.reachable
            if exposure.versions == before.get(exposure.name)
        ]

    def events(self, reason: str) -> list[str]:
        """What the events of that reason say."""
        found = self._stage.kube.store.list("events", self._namespace)
        return [event["message"] for event in found if event.get("reason") == reason]

    def _by_name(self, resource: str) -> dict[str, Object]:
        found = self._stage.kube.store.list(resource, self._namespace)
        return {obj["metadata"]["name"]: obj for obj in found}


def _is_of(row: Object, record: Object | None) -> bool:
    return record is not None and str(row["name"]).split("_")[2] == record["metadata"]["uid"]
