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
from dnatctl.plan.deletion import ASK_AGAIN_S, POD_IS_GOING
from dnatctl.plan.exposure import Ask, Rules, read_exposure
from dnatctl.plan.owners import is_fixed, was_let_go, workload_to_ask
from dnatctl.plan.plan import needs_cause, needs_fresh_look
from dnatctl.plan.values import UNASKED, Allowance, Deletion, Policy, Seen, WorkloadAnswer
from dnatctl.table.writes import Refusal

WORKLOAD_BELIEVED_S = 15.0
_NEVER_ASKED = (float("-inf"), "", UNASKED)


class Lookups(Protocol):
    """Reads of single objects, past every cache."""

    def pod(self, key: Key) -> Pod | None:
        """The pod as it is now."""
        ...

    def keeps(self, key: Key, owner: Owner) -> WorkloadAnswer:
        """What the workload says of the pod's name."""
        ...

    def deletion(self, record: PodDNAT, pod: Pod, now: float) -> Deletion:
        """Why the record is being deleted, while its pod lives."""
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
        self._nodes = nodes
        self._lookups = lookups
        self._gateways = gateways
        self._enis = enis
        self._tenancy = Tenancy(
            world, pods, nodes, neighbours, pod_now=lookups.pod, enis=enis, clock=clock
        )
        self._clock = clock
        self._looks: dict[Key, _Look] = {}
        self._workloads: dict[Key, tuple[float, str, WorkloadAnswer]] = {}
        self._deletions: dict[Key, tuple[float, str, Deletion]] = {}
        self._served: dict[Key, tuple[str, str]] = {}

    def look(self, key: Key) -> Seen:
        """Everything about one name. Raises KubeError where a fresh look fails."""
        record = self._records.get(key)
        seen = self._seen(key, self._pods.get(key), record)
        if self._ask(needs_fresh_look, seen):
            seen = self._seen(key, self._fresh(key, seen), record)
        else:
            self._looks.pop(key, None)
        if self._ask(needs_cause, seen):
            seen = replace(seen, deletion=self._deletion(key, seen))
        if (owner := workload_to_ask(seen)) is not None:
            seen = replace(seen, workload=self._workload(key, owner))
        return seen

    def _ask(self, question: Callable[[Seen], bool], seen: Seen) -> bool:
        """The answer to a question about rows: they must not change meanwhile."""
        with self._world.lock:
            return question(seen)

    def forget(self, key: Key) -> None:
        """There is no record and no pod of that name any more."""
        self._looks.pop(key, None)
        self._workloads.pop(key, None)
        self._deletions.pop(key, None)
        self._served.pop(key, None)

    def settle(self, seen: Seen, held_back: Allowance | None) -> Seen:
        """Bring what a decision takes from the pool up to the moment of it.

        Ask with the world locked, and claim so. `held_back`: why the name may take nothing now.
        """
        record = seen.record
        if record is not None:
            self._world.admit(record.uid)
        return replace(
            seen,
            denied=record is not None and self._world.pool.has_nothing(record.uid),
            durable=self._durable(record),
            asked=self._world.asked(seen.key),
            allowance=held_back or self._world.quota_left(seen.key),
        )

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
            deletion=self._deletion_known(key, record),
            served=self._served_by(key, record, pod),
            hindrances=self._hindrances(record),
            outage=self._world.outage(record.spec) if record else "",
        )

    def _served_by(self, key: Key, record: PodDNAT | None, pod: Pod | None) -> str:
        """Which pod a fixed record is for, or was when its workload still had it."""
        if record is None or not is_fixed(record):
            return ""
        if pod is not None and not was_let_go(record, pod):
            self._served[key] = (record.uid, pod.uid)
        uid, served = self._served.get(key, ("", ""))
        return served if uid == record.uid else ""

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

    def _hindrances(self, record: PodDNAT | None) -> Mapping[str, str]:
        gateways = self._gateways()
        found: dict[str, str] = {}
        for writer in gateways.writers() if gateways and record else ():
            found.update(writer.hindrances(record.uid) if record else {})
        return found

    def _unanswered(self, record: PodDNAT | None) -> bool:
        gateways = self._gateways()
        if gateways is None or record is None:
            return False
        return any(writer.unanswered(record.uid) for writer in gateways.writers())

    def _fresh(self, key: Key, seen: Seen) -> Pod | None:
        """The pod past the cache: looked up once for each state the caches have been in.

        What the cache has not heard of yet is looked up again: it may come and go between two
        looks, and the cache be as it was.
        """
        record, pod = seen.record, seen.pod
        basis = (record.uid if record else "", *_version(pod))
        look = self._looks.get(key)
        if look is not None and look.basis == basis:
            return look.pod
        found = self._lookups.pod(key)
        self._looks.pop(key, None)
        if _version(found) == _version(pod):
            self._looks[key] = _Look(basis, found)
        return found

    def _deletion_known(self, key: Key, record: PodDNAT | None) -> Deletion:
        """What was found out before: once it is known it stays, whatever goes afterwards."""
        if record is None or not record.deleting:
            return UNASKED
        _, uid, answer = self._deletions.get(key, _NEVER_ASKED)
        return answer if uid == record.uid else UNASKED

    def _deletion(self, key: Key, seen: Seen) -> Deletion:
        record, pod = seen.record, seen.pod
        if record is None or pod is None:
            return UNASKED
        now = self._clock.monotonic()
        asked, uid, answer = self._deletions.get(key, _NEVER_ASKED)
        if pod.deleting:
            answer = POD_IS_GOING
        elif uid != record.uid or now - asked >= ASK_AGAIN_S:
            answer = self._lookups.deletion(record, pod, now)
        else:
            return answer
        self._deletions[key] = (now, record.uid, answer)
        return answer

    def _workload(self, key: Key, owner: Owner) -> WorkloadAnswer:
        now = self._clock.monotonic()
        asked, uid, answer = self._workloads.get(key, (float("-inf"), "", WorkloadAnswer.UNKNOWN))
        if now - asked > WORKLOAD_BELIEVED_S or uid != owner.uid:
            answer = self._lookups.keeps(key, owner)
            self._workloads[key] = (now, owner.uid, answer)
        return answer


def _version(pod: Pod | None) -> tuple[str, str]:
    return (pod.uid, pod.resource_version) if pod else ("", "")
