"""Look: everything that concerns one namespace and name, in one value that is of one moment.

What only the API server can say is asked first. Then, with the views locked, all that a decision
rests on is read together, and decided on before anything can change. If by then something else has
to be asked, it is asked, and all is read anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from dnatctl.clock import Clock
from dnatctl.cloud.eni import EniCache
from dnatctl.control.gateway.gateways import Gateways
from dnatctl.control.gateway.writer import TableWriter
from dnatctl.control.settings import LabelsOf
from dnatctl.control.sight.spaces import Spaces
from dnatctl.control.sight.tenancy import Nodes, Tenancy
from dnatctl.control.state.views import Views
from dnatctl.kube.addresses import Neighbours
from dnatctl.kube.cache import Cache
from dnatctl.kube.errors import KubeError
from dnatctl.model import Endpoint, Eni, NewEntry
from dnatctl.objects import Key, Owner, Pod, PodDNAT
from dnatctl.plan.deletion import ASK_AGAIN_S, POD_IS_GOING
from dnatctl.plan.exposure import Ask, Exposure, Rules, in_grace, read_exposure
from dnatctl.plan.owners import is_fixed, pod_of, was_let_go, workload_to_ask
from dnatctl.plan.plan import needs_cause, needs_fresh_look
from dnatctl.plan.values import UNASKED, Deletion, Policy, Seen, WorkloadAnswer, soonest
from dnatctl.table.writes import Refusal

WORKLOAD_BELIEVED_S = 15.0

MOST_QUESTIONS = 8
"""Asked for one look: more where the views changes faster than the API server answers."""

_NEVER_ASKED = (float("-inf"), "", UNASKED)

Made = TypeVar("Made")
Basis = tuple[str, str, str]
"""What the caches held when a pod was looked up: the UID of the record, UID and version of the
pod."""


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


class _Ban(NamedTuple):
    """Since when a pod is known to have what it may not have, on the monotonic clock, and until
    when it keeps that, on the wall clock: reckoned once for a grace, as it is told, and a clock
    that is put right is no news."""

    since: float
    grace_s: float
    end: datetime


@dataclass(slots=True)
class _Answers:
    """What was asked during one look, and counts for that one only.

    `pod`: the pod past the cache, and what the caches held then. `called_on`: other pods that were
    looked up because they are said to state the same IP. `labels`: of namespaces that are not held;
    None for one that is gone.
    """

    pod: tuple[Basis, Pod | None] | None = None
    called_on: set[Key] = field(default_factory=set)
    labels: dict[str, Mapping[str, str] | None] = field(default_factory=dict)


class Lookout:
    """Makes `Seen` values."""

    def __init__(
        self,
        views: Views,
        pods: Cache[Pod],
        records: Cache[PodDNAT],
        *,
        rules: Callable[[LabelsOf], Rules],
        policy: Callable[[], Policy],
        nodes: Nodes,
        spaces: Spaces,
        lookups: Lookups,
        gateways: Callable[[], Gateways | None],
        enis: EniCache,
        neighbours: Neighbours,
        clock: Clock,
    ) -> None:
        self._views = views
        self._pods = pods
        self._records = records
        self._rules = rules
        self._policy = policy
        self._nodes = nodes
        self._spaces = spaces
        self._lookups = lookups
        self._gateways = gateways
        self._enis = enis
        self._tenancy = Tenancy(
            views, pods, nodes, neighbours, pod_now=lookups.pod, enis=enis, clock=clock
        )
        self._clock = clock
        self._confirmed: dict[Key, Basis] = {}
        """Pods that were looked up, and found to be what the cache holds."""
        self._over: dict[Key, str] = {}
        """UIDs of pods that were looked up, and have ended: none ever comes back to life."""
        self._workloads: dict[Key, tuple[float, str, WorkloadAnswer]] = {}
        self._deletions: dict[Key, tuple[float, str, Deletion]] = {}
        self._served: dict[Key, tuple[str, str]] = {}
        self._asked_of: dict[Key, tuple[str, float]] = {}
        """IPs whose interface was recorded before, and that were asked for all the same, and since
        when they were stated then."""
        self._banned: dict[Key, _Ban] = {}
        """Pods that are known to have what they may not have."""

    def look(self, key: Key, then: Callable[[Seen], Made]) -> Made | None:
        """What `then` makes of all that is known of the name, which is so while it is called: the
        views are locked. Raises KubeError where the API server does not say what has to be known.

        None where that cannot be known now, as it changes all the time: try again.
        """
        return self._look(key, then, _Answers())

    def _look(self, key: Key, then: Callable[[Seen], Made], answers: _Answers) -> Made | None:
        for _ in range(MOST_QUESTIONS):
            with self._views.lock:
                seen = self._see(key, answers)
                question = self._question(seen, answers)
                if question is None:
                    return then(seen)
            question()
        return None

    def glance(self, key: Key) -> Seen:
        """What is known of the name without asking: for telling, not for deciding."""
        with self._views.lock:
            return self._see(key, _Answers())

    def forget(self, key: Key) -> None:
        """There is no record and no pod of that name any more."""
        self._confirmed.pop(key, None)
        self._over.pop(key, None)
        self._workloads.pop(key, None)
        self._deletions.pop(key, None)
        self._served.pop(key, None)
        self._banned.pop(key, None)
        self._asked_of.pop(key, None)

    # --- what has to be asked

    def _question(self, seen: Seen, answers: _Answers) -> Callable[[], None] | None:
        """What has to be asked before anything may rest on this; None if nothing has."""
        if seen.paused:
            return None
        space = seen.key.namespace
        if self._lacks_labels(space, answers) and _asks(seen):
            return partial(self._ask_labels, space, answers)
        unknown = self._tenancy.unknown(seen.pod, seen.exposure.ip)
        if neighbours := unknown - answers.called_on:
            answers.called_on |= neighbours
            return partial(self._call_on, neighbours, seen.exposure.ip)
        if not needs_fresh_look(seen):
            self._confirmed.pop(seen.key, None)
        elif not (self._is_confirmed(seen.key, answers) or self._is_over(seen)):
            return partial(self._ask_pod, seen.key, answers)
        if needs_cause(seen) and not self._is_told_why(seen):
            return partial(self._ask_deletion, seen)
        owner = workload_to_ask(seen)
        if owner is not None and self._workload(seen.key, owner, seen.now) is None:
            return partial(self._ask_workload, seen.key, owner)
        return None

    def _lacks_labels(self, space: str, answers: _Answers) -> bool:
        """Whether the labels of the namespace decide, and nobody has said what they are."""
        return space not in answers.labels and self._spaces.must_ask(space)

    def _labels(self, answers: _Answers, space: str) -> Mapping[str, str] | None:
        held = self._spaces.labels(space)
        return held if held is not None else answers.labels.get(space)

    def _call_on(self, neighbours: set[Key], ip: str) -> None:
        for key in neighbours:
            self._tenancy.call_on(key, ip)

    def _ask_labels(self, space: str, answers: _Answers) -> None:
        answers.labels[space] = self._spaces.ask(space)

    def _is_confirmed(self, key: Key, answers: _Answers) -> bool:
        """Whether the pod was looked up since the caches are in the state that they are in."""
        basis = self._basis(key)
        asked_now = answers.pod is not None and answers.pod[0] == basis
        return asked_now or self._confirmed.get(key) == basis

    def _is_over(self, seen: Seen) -> bool:
        """Whether the record's pod was looked up, and had ended or was gone: of a pod's claim that
        cannot change any more, whatever has the name by now. The views do not say otherwise.
        """
        uid, pod = pod_of(seen.record), seen.pod
        ended = pod is None or pod.uid != uid or pod.ended
        return ended and uid != "" and self._over.get(seen.key) == uid

    def _ask_pod(self, key: Key, answers: _Answers) -> None:
        """Look the pod up past the cache: once for each state that the caches have been in.

        What the cache has not heard of yet is looked up again next time: it may come and go between
        two looks, and the cache be as it was.
        """
        basis, uid = self._basis(key), pod_of(self._records.get(key))
        try:
            found = self._lookups.pod(key)
        except KubeError:
            if not self._has_ended(key, uid):
                raise
            self._over[key] = uid
            return
        answers.pod = (basis, found)
        self._confirmed.pop(key, None)
        if _version(found) == basis[1:]:
            self._confirmed[key] = basis
        if uid and (found is None or found.uid != uid or found.ended):
            self._over[key] = uid

    def _has_ended(self, key: Key, uid: str) -> bool:
        """Whether the news told that this pod is gone, or has ended: no view of it is so old that
        it could be wrong. It does where nobody can be asked: what leads to the pod has to go before
        its IP is another's."""
        pod = self._pods.get(key)
        ended = pod is not None and pod.uid == uid and pod.ended
        return uid != "" and (ended or self._pods.told_removed(uid))

    def _ask_deletion(self, seen: Seen) -> None:
        record, pod = seen.record, seen.pod
        if record is None or pod is None:
            return
        now = self._clock.monotonic()
        answer = POD_IS_GOING if pod.deleting else self._lookups.deletion(record, pod, now)
        self._deletions[seen.key] = (now, record.uid, answer)

    def _ask_workload(self, key: Key, owner: Owner) -> None:
        asked = self._clock.monotonic()
        self._workloads[key] = (asked, owner.uid, self._lookups.keeps(key, owner))

    def _is_told_why(self, seen: Seen) -> bool:
        """Whether it was asked lately why the record is being deleted."""
        record, pod = seen.record, seen.pod
        if record is None or pod is None:
            return True
        asked, uid, _ = self._deletions.get(seen.key, _NEVER_ASKED)
        return uid == record.uid and not pod.deleting and seen.now - asked < ASK_AGAIN_S

    # --- what is known

    def _basis(self, key: Key) -> Basis:
        record = self._records.get(key)
        return (record.uid if record else "", *_version(self._pods.get(key)))

    def _pod(self, key: Key, answers: _Answers) -> Pod | None:
        if answers.pod is not None and answers.pod[0] == self._basis(key):
            return answers.pod[1]
        return self._pods.get(key)

    def _see(self, key: Key, answers: _Answers) -> Seen:
        pod, record, now = self._pod(key, answers), self._records.get(key), self._clock.monotonic()
        if record is not None:
            self._views.admit(record.uid)
        rules = self._rules(partial(self._labels, answers))
        exposure, retry_in, doubtful = self._tenancy.judge(pod, read_exposure(pod, rules))
        exposure, left = self._in_grace(key, exposure, rules.grace_s, now, answers)
        wants_address = exposure.ask in (Ask.ON, Ask.KEEP) and exposure.ip
        seen = Seen(
            key=key,
            exposure=exposure,
            pod=pod,
            record=record,
            tables=self._views.tables,
            marks=self._views.marks,
            policy=self._policy(),
            now=now,
            wall=self._clock.now(),
            refusals=self._refusals(record),
            unanswered=self._unanswered(record),
            durable=self._durable(record),
            absent=self._views.absent,
            made_here=record is not None and self._views.records.made_here(record.uid),
            eni=self._eni(exposure.ip, record, pod) if wants_address and not doubtful else None,
            no_interface=bool(wants_address) and self._enis.missing(exposure.ip),
            zone_id=self._nodes.zone_of(pod.node) if pod else "",
            names=self._views.records.keys,
            stated_for=now - self._views.ips.stated_since(exposure.ip),
            retry_in=soonest(retry_in, left),
            deletion=self._deletion(key, record),
            served=self._served_by(key, record, pod),
            hindrances=self._hindrances(record),
            outage=self._views.outage(record.spec) if record else "",
            denied=record is not None and self._views.pool.has_nothing(record.uid),
            paused=self._paused(key, record),
            asked=self._views.asked(key),
            allowance=self._views.quota_left(key),
            trouble=self._trouble(record),
            unready=self._unready(record),
            going=self._views.going,
            adopted=self._views.adopted,
        )
        owner = workload_to_ask(seen)
        known = self._workload(key, owner, now) if owner is not None else None
        return replace(seen, workload=known) if known is not None else seen

    def _in_grace(
        self, key: Key, exposure: Exposure, grace_s: float, now: float, answers: _Answers
    ) -> tuple[Exposure, float | None]:
        """What the pod may still have, and the seconds until that changes, if it does.

        It does not begin while nobody says whether the namespace is refused at all.
        """
        if not exposure.banned:
            self._banned.pop(key, None)
            return exposure, None
        if self._records.get(key) is None:
            return exposure, None
        ban = self._banned.get(key)
        if ban is None and self._lacks_labels(key.namespace, answers):
            return exposure, None
        since = ban.since if ban else now
        left = since + grace_s - now
        if ban is None or ban.grace_s != grace_s:
            end = self._clock.now() + timedelta(seconds=left)
            ban = self._banned[key] = _Ban(since, grace_s, end)
        return in_grace(exposure, left, ban.end), left if left > 0 else None

    def _paused(self, key: Key, record: PodDNAT | None) -> str:
        gateway_id = record.spec.gateway_id if record else ""
        order = self._views.orders.paused(gateway_id, key)
        return str(order) if order else ""

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
        claimed = record.spec.endpoints()
        free = self._views.pool.need_not_rest(claimed, record.uid)
        return self._views.durable(claimed) | free

    def _eni(self, ip: str, record: PodDNAT | None, pod: Pod | None) -> Eni | None:
        """Waited for only while the record lacks it: interfaces do not change under a pod.

        What was learned before this pod stated the IP is of an earlier pod; see `EniCache.want`.
        """
        since, node = self._views.ips.stated_since(ip), pod.node if pod else ""
        if record is not None and record.spec.eni and record.spec.internal_ip == ip:
            self._confirm(record.key, ip, since, node)
            return None
        return self._enis.want(ip, since, node)

    def _confirm(self, key: Key, ip: str, since: float, node: str) -> None:
        """Ask once whose the IP is that has a recorded interface: people may write records too, and
        what was told to an earlier process counts for nothing here."""
        machine = self._nodes.machine_of(node)
        if (
            machine
            and self._asked_of.get(key) != (ip, since)
            and self._enis.confirm(ip, since, node, machine)
        ):
            self._asked_of[key] = ip, since

    def _refusals(self, record: PodDNAT | None) -> Mapping[NewEntry, Refusal]:
        writer = self._writer(record)
        return writer.refusals(record.uid) if writer and record else {}

    def _trouble(self, record: PodDNAT | None) -> str:
        writer = self._writer(record)
        return writer.trouble() if writer else ""

    def _unready(self, record: PodDNAT | None) -> str:
        writer = self._writer(record)
        return writer.unready(record.uid) if writer and record else ""

    def _writer(self, record: PodDNAT | None) -> TableWriter | None:
        """That of the table which the record's claim is in."""
        gateways = self._gateways()
        return gateways.fleet.writer(record.spec.gateway_id) if gateways and record else None

    def _hindrances(self, record: PodDNAT | None) -> Mapping[str, str]:
        gateways = self._gateways()
        found: dict[str, str] = {}
        if gateways is not None and record is not None:
            for writer in gateways.writers_for(record.uid):
                found.update(writer.hindrances(record.uid))
        return found

    def _unanswered(self, record: PodDNAT | None) -> bool:
        gateways = self._gateways()
        if gateways is None or record is None:
            return False
        return any(w.unanswered(record.uid) for w in gateways.writers_for(record.uid))

    def _deletion(self, key: Key, record: PodDNAT | None) -> Deletion:
        """What was found out before: once it is known it stays, whatever goes afterwards."""
        if record is None or not record.deleting:
            return UNASKED
        _, uid, answer = self._deletions.get(key, _NEVER_ASKED)
        return answer if uid == record.uid else UNASKED

    def _workload(self, key: Key, owner: Owner, now: float) -> WorkloadAnswer | None:
        """What the workload said lately; None if it has to be asked."""
        asked, uid, answer = self._workloads.get(key, (float("-inf"), "", None))
        believed = uid == owner.uid and now - asked <= WORKLOAD_BELIEVED_S
        return answer if believed else None


def _asks(seen: Seen) -> bool:
    """Whether the pod asks for anything, so that it matters whether its namespace may have it."""
    return seen.exposure.ask not in (Ask.OFF, Ask.ENDED)


def _version(pod: Pod | None) -> tuple[str, str]:
    return (pod.uid, pod.resource_version) if pod else ("", "")
