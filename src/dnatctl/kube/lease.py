"""Leader election by a Lease, with what the leader tells its successor in an annotation of it.

Written anew because the official client's elector (37.0.2) stops renewing on a refused connection
without telling the leader, and waits without a timeout.

Whether another may lead is judged by the clock of whoever watches: a follower waits until it has
seen no change for the holder's lease duration, and for its own (that a Lease that was held is gone
is a change: its holder may not know yet), the leader counts from the moment it sent its last
successful renewal, and gives up earlier. Clocks need not agree. Nothing here stops a leader that
was suspended in the middle of a write: ask `is_leader` right before each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import structlog

from dnatctl.clock import Clock
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube import paths
from dnatctl.kube.cancel import Canceller
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.lease_record import LeaseRecord
from dnatctl.loop import Loop
from dnatctl.objects import Key

_log = structlog.get_logger()

_SOONEST = 0.5
"""Seconds between renewals at least, however often they are hastened."""
_JITTER = 0.2

_CHANGED = (Failure.CONFLICT, Failure.NOT_FOUND, Failure.ALREADY_EXISTS)
"""What a renewal is answered where the Lease is not as it was last seen: it is to be looked at."""

_LONGEST_BELIEVED = 10
"""Lease durations of its own that a follower waits at most, whatever the Lease says: one that was
forged, or left by another program, would keep everybody from leading for years."""


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """Times in seconds. Raises ValueError unless duration > renew_deadline > 1.2 x retry_period."""

    duration: float = 15.0
    """Others may take the Lease when it has not changed for this long."""
    renew_deadline: float = 10.0
    """The leader stops when it could not renew for this long."""
    retry_period: float = 2.0
    """From one renewal, or try that failed, to the next."""
    look_period: float = 0.5
    """Between the looks of a follower: so late it may see that the Lease was renewed, was given
    back, or has run out."""

    @property
    def patience(self) -> float:
        """The longest that one request may take: half of the time there is, as Kubernetes' own
        components have it. A server that takes seconds for each answer is no reason not to lead."""
        return self.renew_deadline / 2

    def __post_init__(self) -> None:
        if not self.duration > self.renew_deadline > (1 + _JITTER) * self.retry_period > 0:
            raise ValueError(
                "lease times must be duration > renew deadline > 1.2 x retry period, not"
                f" {self.duration}, {self.renew_deadline}, {self.retry_period}"
            )


@dataclass(frozen=True, slots=True)
class LeaseCallbacks:
    """What the elector asks and tells; on its own threads, so all must be quick."""

    on_started: Callable[[str, float], None]
    """Leading now; given the handover state which the previous leader left ("" if none), and how
    many seconds ago it did so at least, by the clock of this process."""
    on_lost: Callable[[], None]
    """Not leading any more, and another is about to be: stop every write at once. Told once."""
    handover: Callable[[], str]
    """The state to store with the next renewal; first asked after `on_started` has returned."""
    on_renewed: Callable[[str], None]
    """This handover state is stored now; "" where none is, as the server refuses it."""


class LeaseElector:
    """Holds, or waits for, one Lease; once it is lost the elector is done.

    One thread takes and renews, another watches the deadline, so that no request, however slow,
    delays the news of the loss. `force` takes the Lease from whoever holds it, without waiting:
    for an installation with one replica.
    """

    def __init__(
        self,
        client: KubeClient,
        lease: Key,
        identity: str,
        callbacks: LeaseCallbacks,
        *,
        clock: Clock,
        settings: LeaseSettings | None = None,
        random: Random | None = None,
        force: bool = False,
        hearts: Heartbeats | None = None,
    ) -> None:
        self._client = client
        self._lease = lease
        self._identity = identity
        self._callbacks = callbacks
        self._clock = clock
        self._settings = settings or LeaseSettings()
        self._random = random or Random()
        self._force = force
        self._cancel = Canceller()
        self._lock = threading.Lock()
        self._due = float("-inf")
        self._renewed: float | None = None
        """When the last successful renewal was sent; None while not leading."""
        self._tried = clock.monotonic()
        self._hasten = False
        self._refused = False
        """Whether the server does not take the handover state."""
        self._begun = False
        """Whether it was told what the last holder left: before that it has no state of its own."""
        self._ended = False
        """Stopped, or lost: nothing is taken or renewed any more."""
        self._record = LeaseRecord.new(lease.namespace, lease.name)
        """As last seen, or last written."""
        self._seen_spec: dict[str, object] | None = None
        self._seen_at = 0.0
        hearts = hearts or Heartbeats(clock)
        longest = self._settings.duration
        self._loops = self._renewer, self._watcher = (
            Loop("dnatctl-lease", self._turn, hearts, longest_s=longest),
            Loop("dnatctl-lease-deadline", self._watch, hearts, longest_s=longest),
        )

    def start(self) -> None:
        """Start the threads, daemons."""
        for loop in self._loops:
            loop.start()

    def is_leader(self, spare: float = 0.0) -> bool:
        """Whether this process may write now, and no other may for another `spare` seconds."""
        renewed, settings = self._renewed, self._settings
        if renewed is None:
            return False
        age = self._clock.monotonic() - renewed
        return age < settings.renew_deadline and age + spare < settings.duration

    def leader(self) -> str:
        """The identity last seen in the Lease, "" if none; one that is gone has its last."""
        return self._record.holder

    def lease_uid(self) -> str:
        """The UID of the Lease as last seen; "" while it has not been."""
        return str(self._record.metadata.get("uid") or "")

    def renew_soon(self) -> None:
        """Hasten the next renewal, to store a new handover state; at most every 0.5 s."""
        self._hasten = True
        self._renewer.wake()

    def stop(self, *, release: bool = True, timeout: float = 5.0) -> None:
        """Stop trying; with `release` give the Lease back so that another may take it at once.

        To be called after the guarded work has ended. `on_lost` is not called.
        """
        self._end()
        # A request in hand is let end: one broken off might still be carried out, in between.
        if not self._join(timeout):
            self._cancel.cancel()
        if release and self._record.holder == self._identity:
            self._release()

    def _join(self, timeout: float) -> bool:
        deadline = self._clock.monotonic() + timeout
        for loop in self._loops:
            loop.join(max(0.0, deadline - self._clock.monotonic()))
        return not any(loop.running for loop in self._loops)

    # --- the thread that takes and renews

    def step(self) -> float:
        """One try to take or renew the Lease; returns the seconds to wait before the next."""
        leading, period = self._renewed is not None, self._settings.retry_period
        self._tried = self._clock.monotonic()
        self._hasten = False
        try:
            if leading:
                self._renew()
            else:
                self._try_to_take()
                period = self._until_next_look()
        except (KubeError, ValueError) as error:
            # Forbidden is no exception: roles are often granted a moment after the start.
            if not self._ended:
                _log.warning("lease request failed", lease=str(self._lease), error=str(error))
        except Exception:  # noqa: BLE001 - whatever somebody wrote into it must not end the thread
            _log.exception("lease request failed", lease=str(self._lease))
        if not leading:
            return period * (1 + _JITTER * self._random.random())
        return max(0.0, self._tried + period - self._clock.monotonic())

    def _until_next_look(self) -> float:
        """Seconds after which a follower looks again: no later than the Lease may be taken."""
        left = self._seen_at + self._patience() - self._clock.monotonic()
        period = min(self._settings.look_period, self._settings.retry_period)
        return min(period, left) if left > 0 else period

    def _turn(self) -> float | None:
        if self._ended:
            return None
        if self._left() <= 0:
            self._due = self.step() + self._clock.monotonic()
        return max(self._left(), 0.0)

    def _left(self) -> float:
        due = self._due
        if self._hasten and self._renewed is not None:
            due = min(due, self._tried + _SOONEST)
        return due - self._clock.monotonic()

    def _try_to_take(self) -> None:
        self._look()
        if not self._may_take():
            return
        inherited = self._record.state
        age = self._clock.monotonic() - self._seen_at if self._record.exists else 0.0
        sent = self._clock.monotonic()
        self._write(self._record.taken(self._identity, self._settings.duration, self._clock.now()))
        if self._held_since(sent):
            self._callbacks.on_started(inherited, age)
            self._begun = True

    def _may_take(self) -> bool:
        record = self._record
        if self._ended:
            return False
        if self._force or record.holder == self._identity or record.is_free:
            return True
        return self._clock.monotonic() - self._seen_at > self._patience()

    def _patience(self) -> float:
        """Seconds without a change after which the Lease may be taken from who holds it.

        Never less than our own duration: a Lease that says less may have been patched, and its
        holder, alike, counts on what it was given. Nor more where somebody took the holder out by
        hand: that one learns so at its next renewal.
        """
        own = self._settings.duration
        if not self._record.holder:
            return own
        return max(own, min(self._record.duration or own, _LONGEST_BELIEVED * own))

    def _renew(self) -> None:
        state = self._state()
        sent = self._clock.monotonic()
        try:
            stored = self._keep(state)
        except KubeError as error:
            if error.failure not in _CHANGED:
                raise
            if not self._still_ours():
                self._lose()
                return
            sent = self._clock.monotonic()
            stored = self._keep(state)
        if self._held_since(sent):
            self._callbacks.on_renewed(stored)

    def _keep(self, state: str) -> str:
        """Renew, and store the state; returns what is stored of it: a Lease that the server does
        not take with it is renewed all the same."""
        try:
            self._write(self._record.renewed(state, self._settings.duration, self._clock.now()))
        except KubeError as error:
            if not error.refused:
                raise
            if not self._refused:
                _log.error("handover state refused", lease=str(self._lease), error=str(error))
            self._refused = True
            self._write(self._record.renewed(None, self._settings.duration, self._clock.now()))
            return ""
        dropped = self._record.state != state
        if dropped and not self._refused:
            _log.error("handover state not stored as it was written", lease=str(self._lease))
        self._refused = dropped
        return "" if dropped else state

    def _still_ours(self) -> bool:
        """Look who holds the Lease; one that was deleted by hand is ours to create anew, until
        another may have had it since."""
        self._look()
        ours = self._record.holder == self._identity
        return ours and (self._record.exists or self.is_leader())

    def _held_since(self, sent: float) -> bool:
        """Take down a success; False where stop or the deadline came in between."""
        with self._lock:
            if self._ended:
                return False
            self._renewed = sent
        self._watcher.wake()
        return True

    def _state(self) -> str:
        try:
            return self._callbacks.handover()
        except Exception:  # noqa: BLE001 - leading matters more than what is handed over
            _log.exception("no handover state", lease=str(self._lease))
            return self._record.state

    # --- the thread that watches the deadline

    def check(self) -> float | None:
        """Tell of the loss if the renew deadline is over; the seconds left, None if not leading."""
        left = self._time_left()
        if left is not None and left <= 0:
            self._lose()
        return left

    def _time_left(self) -> float | None:
        if self._renewed is None:
            return None
        return self._renewed + self._settings.renew_deadline - self._clock.monotonic()

    def _watch(self) -> float | None:
        left = self.check()
        if self._ended:
            return None
        return self._settings.duration if left is None else max(left, 0.0)

    def _end(self) -> bool:
        """Take and renew nothing any more; whether that is news."""
        with self._lock:
            ended, self._ended = self._ended, True
            self._renewed = None
        for loop in self._loops:
            loop.stop()
        return not ended

    def _lose(self) -> None:
        if not self._end():
            return
        self._cancel.cancel()
        _log.error("lease lost", lease=str(self._lease), holder=self._record.holder)
        self._callbacks.on_lost()

    # --- the wire

    def _look(self) -> None:
        """See what the Lease says; where it is gone, that counts as a change, and it still says
        who held it: whoever that is leads until its next renewal finds out."""
        self._record = self._read()
        spec = self._record.spec if self._record.exists else None
        if spec != self._seen_spec:
            self._seen_spec = spec
            self._seen_at = self._clock.monotonic()

    def _read(self) -> LeaseRecord:
        try:
            return LeaseRecord.read(self._request("GET", self._path(self._lease.name)))
        except KubeError as error:
            if not error.says_gone(self._lease.name):
                raise
        return LeaseRecord.new(self._lease.namespace, self._lease.name, self._record.spec)

    def _write(self, record: LeaseRecord) -> None:
        method, names = ("PUT", (self._lease.name,)) if record.exists else ("POST", ())
        self._record = LeaseRecord.read(self._request(method, self._path(*names), record.body))

    def _release(self) -> None:
        self._cancel = Canceller()
        try:
            if self._still_ours():
                state = self._state() if self._begun and not self._refused else None
                self._write(self._record.released(state, self._clock.now()))
        except (KubeError, ValueError) as error:
            _log.warning("lease not released", lease=str(self._lease), error=str(error))

    def _request(self, method: str, path: str, body: object = None) -> bytes:
        return self._client.request(
            method, path, body=body, timeout=self._settings.patience, cancel=self._cancel
        )

    def _path(self, *names: str) -> str:
        return paths.in_namespace("coordination.k8s.io/v1", self._lease.namespace, "leases", *names)
