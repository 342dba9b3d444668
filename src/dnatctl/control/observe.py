"""Look at everything that concerns one namespace and name, and put it into one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from dnatctl.clock import Clock
from dnatctl.cloud.eni import EniCache
from dnatctl.control.gateways import Gateways
from dnatctl.control.tenancy import Nodes, Tenancy
from dnatctl.control.world import World
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.cache import Cache
from dnatctl.model import Endpoint, Eni, NewEntry
from dnatctl.objects import Key, Owner, Pod, PodDNAT
from dnatctl.plan.exposure import Ask, Rules, read_exposure
from dnatctl.plan.plan import is_fixed, needs_fresh_look
from dnatctl.plan.values import Policy, Refusal, Seen, Workload

WORKLOAD_BELIEVED_S = 15.0


class Lookups(Protocol):
    """Reads of single objects, past every cache."""

    def pod(self, key: Key) -> Pod | None:
        """The pod as it is now."""
        ...

    def keeps(self, key: Key, owner: Owner) -> Workload:
        """What the workload says of the pod's name."""
        ...


@dataclass(frozen=True, slots=True)
class _Look:
    """A fresh look at a pod, and what the caches held when it was made."""

    basis: tuple[str, str, str]
    pod: Pod | None


class Observer:
    """Makes `Seen` values."""

    def __init__(
        self,
        world: World,
        pods: Cache[Pod],
        records: Cache[PodDNAT],
        *,
        rules: Rules,
        policy: Callable[[], Policy],
        quota: Callable[[str], int | None],
        nodes: Nodes,
        lookups: Lookups,
        gateways: Callable[[], Gateways | None],
        enis: EniCache,
        neighbours: Neighbours,
        clock: Clock,
    ) -> None:
        self._world = world
        self._pods = pods
        self._records = records
        self._rules = rules
        self._policy = policy
        self._quota = quota
        self._nodes = nodes
        self._lookups = lookups
        self._gateways = gateways
        self._enis = enis
        self._tenancy = Tenancy(
            world, pods, nodes, neighbours, pod_now=lookups.pod, enis=enis, clock=clock
        )
        self._clock = clock
        self._looks: dict[Key, _Look] = {}
        self._workloads: dict[Key, tuple[float, str, Workload]] = {}

    def look(self, key: Key) -> Seen:
        """Everything about one name. Raises KubeError where a fresh look fails."""
        record = self._records.get(key)
        seen = self._seen(key, self._pods.get(key), record)
        if needs_fresh_look(seen):
            seen = self._seen(key, self._fresh(key, seen), record)
        else:
            self._looks.pop(key, None)
        if self._may_be_away(seen):
            seen = replace(seen, workload=self._workload(key, record))
        return seen

    def forget(self, key: Key) -> None:
        """There is no record and no pod of that name any more."""
        self._looks.pop(key, None)
        self._workloads.pop(key, None)

    def is_denied(self, seen: Seen) -> bool:
        """Whether the namespace has used up its quota; ask with the world locked, and claim so.

        A PodDNAT may have been written by hand, so those that are there are counted as well.
        """
        namespace = seen.key.namespace
        limit = self._quota(namespace)
        if limit is None:
            return False
        if seen.record is None:
            return self._world.exposed_in(namespace) >= limit
        return self._world.place_of(namespace, seen.record.uid) >= limit

    def _seen(self, key: Key, pod: Pod | None, record: PodDNAT | None) -> Seen:
        exposure, retry_in = self._tenancy.judge(pod, read_exposure(pod, self._rules))
        wants_address = exposure.ask in (Ask.ON, Ask.KEEP) and exposure.ip
        return Seen(
            key=key,
            exposure=exposure,
            pod=pod,
            record=record,
            tables=self._world.tables,
            marks=self._world.marks,
            policy=self._policy(),
            now=self._clock.monotonic(),
            wall=self._clock.now(),
            refusals=self._refusals(record),
            unanswered=self._unanswered(record),
            durable=self._durable(record),
            absent=self._world.absent,
            made_here=record is not None and self._world.made_here(record.uid),
            eni=self._eni(exposure.ip, record) if wants_address else None,
            no_interface=bool(wants_address) and self._enis.missing(exposure.ip),
            zone_id=self._nodes.zone_of(pod.node) if pod else "",
            names=self._world.names,
            stated_for=self._clock.monotonic() - self._world.stated_since(exposure.ip),
            retry_in=retry_in,
        )

    def _durable(self, record: PodDNAT | None) -> frozenset[Endpoint]:
        if record is None:
            return frozenset()
        return self._world.durable(record.spec.endpoints(), record.uid)

    def _eni(self, ip: str, record: PodDNAT | None) -> Eni | None:
        """Asked for only while the record lacks it: interfaces do not change under a pod."""
        if record is not None and record.spec.eni and record.spec.internal_ip == ip:
            return None
        return self._enis.want(ip)

    def _refusals(self, record: PodDNAT | None) -> Mapping[NewEntry, Refusal]:
        gateways = self._gateways()
        writer = gateways.writer(record.spec.gateway_id) if gateways and record else None
        return writer.refusals(record.uid) if writer and record else {}

    def _unanswered(self, record: PodDNAT | None) -> bool:
        gateways = self._gateways()
        if gateways is None or record is None:
            return False
        return any(writer.unanswered(record.uid) for writer in gateways.writers())

    def _fresh(self, key: Key, seen: Seen) -> Pod | None:
        """The pod past the cache: looked up once for each state the caches have been in."""
        record, pod = seen.record, seen.pod
        basis = (
            record.uid if record else "",
            pod.uid if pod else "",
            pod.resource_version if pod else "",
        )
        look = self._looks.get(key)
        if look is None or look.basis != basis:
            look = self._looks[key] = _Look(basis, self._lookups.pod(key))
        return look.pod

    @staticmethod
    def _may_be_away(seen: Seen) -> bool:
        return (
            seen.record is not None
            and not seen.record.deleting
            and is_fixed(seen.record)
            and seen.exposure.ask is Ask.ENDED
        )

    def _workload(self, key: Key, record: PodDNAT | None) -> Workload:
        if record is None or not record.owners:
            return Workload.UNKNOWN
        now = self._clock.monotonic()
        asked, uid, answer = self._workloads.get(key, (float("-inf"), "", Workload.UNKNOWN))
        if now - asked > WORKLOAD_BELIEVED_S or uid != record.uid:
            answer = self._lookups.keeps(key, record.owners[0])
            self._workloads[key] = (now, record.uid, answer)
        return answer
