"""The writer of one forward table: the only thread that writes to it, one write at a time.

It paces itself by what the table answers (`dnatctl.table.pacing`), asks before each write whether
this process is still the leader, and takes each answer into the view of the table at once.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from dnatctl.cloud.api import CloudApi, Stopped
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.control.blame import Blame
from dnatctl.control.desk import Desk
from dnatctl.control.listener import Listener
from dnatctl.control.mends import hindrance, is_passing, told
from dnatctl.control.pace import TablePace
from dnatctl.control.pauses import (
    BARRED_PAUSE_S,
    DENIED_PAUSE_S,
    IDLE_S,
    LOST_S,
    QUOTA_BELIEVED_S,
    REJECTED_RETRY_S,
    RETRY_S,
)
from dnatctl.control.sending import begin, send, token_of
from dnatctl.control.wishes import Wish, is_done
from dnatctl.control.world import World
from dnatctl.heartbeat import CALL_S, Heartbeats
from dnatctl.plan.case import UNFORESEEN_BELIEVED
from dnatctl.plan.values import CreateRow, DeleteRow, ModifyRow, Refusal, Refused

log = structlog.get_logger(__name__)


class TableWriter(Desk):
    """Owns every write to one table."""

    def __init__(
        self,
        gateway_id: str,
        world: World,
        cloud: CloudApi,
        *,
        listener: Listener,
        fence: Callable[[], bool],
        hearts: Heartbeats | None = None,
    ) -> None:
        super().__init__(world.clock)
        self.gateway_id = gateway_id
        self._world = world
        self._cloud = cloud
        self._listener = listener
        self._fence = fence
        self._blame = Blame(gateway_id, world, listener)
        self._table = world.table(gateway_id)
        self._pace = TablePace(world.clock.monotonic())
        self._paused_until = float("-inf")
        self._stopping = False
        self._accepted_writes = 0
        hearts = hearts or Heartbeats(world.clock)
        self._thread = hearts.thread(f"dnatctl-writer-{gateway_id}", self._run)

    # --- for the poller

    def writes(self) -> int:
        """How many writes have been accepted."""
        return self._accepted_writes

    def typical_settle(self) -> float:
        """Seconds after which the last write has usually settled; 0 while nothing is known."""
        return self._pace.typical

    # --- the thread

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more; a call on its way is waited for by `join`."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait for the thread to end; whether it did."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            self._thread.by(IDLE_S, "waits for a write to be due")
            wish = self._next()
            if wish is None:
                continue
            self._thread.by(CALL_S, wish.write)
            try:
                self._write(wish)
            except Stopped:
                self._done(wish)
            except Exception:
                log.exception("writer failed", gateway=self.gateway_id)
                self._postpone(wish, RETRY_S)

    def _next(self) -> Wish | None:
        """Wait until something may be sent, and take it; None if it is to be tried again."""
        with self._changed:
            now = self._clock.monotonic()
            wait = self._wait(now)
            if wait > 0 or self._stopping:
                self._changed.wait(min(wait, IDLE_S))
                return None
            if not self._fence():
                self._changed.wait(0.1)
                return None
            return self._wishes.take(now)

    def _wait(self, now: float) -> float:
        due = self._wishes.next_due()
        if due is None:
            return IDLE_S
        return max(due, self._pace.next, self._paused_until) - now

    def _write(self, wish: Wish) -> None:
        if wish.lost_at is not None and self._is_resolved(wish, wish.lost_at):
            return
        begun = begin(self._world, wish)
        if begun is None:
            self._put_off(wish)
            return
        sent = self._clock.monotonic()
        try:
            entry_id = self._send(wish)
        except CloudError as error:
            self._listener.written(self.gateway_id, wish.write, error.kind)
            if not error.kind.leaves_doubt and wish.lost_at is None:
                self._world.never_sent(begun)
            self._failed(wish, error, sent)
            return
        self._listener.written(self.gateway_id, wish.write, "ok")
        self._accepted(wish, entry_id, sent)

    def _put_off(self, wish: Wish) -> None:
        if wish.lost_at is None:
            self._settled(wish)
        else:
            self._postpone(wish, RETRY_S)

    def _send(self, wish: Wish) -> str:
        with self._changed:
            attempt = self._wishes.attempt(wish)
        token = token_of(self._world.marks, wish, attempt)
        return send(self._cloud, self._table.table_id, wish.write, token, self._fence)

    def _is_resolved(self, wish: Wish, lost_at: float) -> bool:
        """Whether a write whose answer was lost needs no further try (now).

        The table shows its outcome; or nobody wants it any more: then it is not asked again, as
        that could carry it out only now. It is waited out: a reading is made when no call of then
        can still be under way.
        """
        with self._world.lock:
            done = is_done(self._table, wish)
        if done:
            self._settled(wish)
            return True
        if wish.wanted:
            return False
        now = self._clock.monotonic()
        with self._changed:
            wish.not_before = max(lost_at + LOST_S, now + 1.0)
        if now < lost_at + LOST_S:
            self._done(wish)
        elif wish.doubted is not None and self._table.generation > wish.doubted:
            self._settled(wish)
        else:
            wish.doubted = self._table.generation
            self._listener.read_soon(self.gateway_id)
            self._done(wish)
        return True

    # --- answers

    def _accepted(self, wish: Wish, entry_id: str, sent: float) -> None:
        now = self._clock.monotonic()
        with self._world.lock:
            before = self._table.row(entry_id)
            match wish.write:
                case CreateRow(entry=entry):
                    self._table.created(entry.as_row(entry_id), now)
                case ModifyRow(entry=entry):
                    self._table.modified(entry.as_row(entry_id), now)
                case DeleteRow():
                    self._table.deleting(entry_id, now)
        self._pace.accepted(type(wish.write), sent, now)
        self._accepted_writes += 1
        with self._changed:
            self._wishes.release(type(wish.write))
            self._wishes.answered(wish)
            self._wishes.refuse(wish, None)
        self._settled(wish)
        if isinstance(wish.write, CreateRow):
            self._blame.accepted(wish.uid, wish.write.entry.external_ip)
        if before is not None and isinstance(wish.write, ModifyRow):
            # Whoever has the address that the row led to may have waited for that.
            for key in self._world.keys_at(before.entry.internal_ip):
                self._listener.changed(key)

    def _settled(self, wish: Wish) -> None:
        with self._changed:
            wish.lost_at = None
            self._wishes.drop(wish)
        self._done(wish)
        self._tell(wish)

    def _done(self, wish: Wish) -> None:
        with self._changed:
            self._wishes.done(wish)

    def _put_back(self, wish: Wish) -> None:
        with self._changed:
            self._wishes.put_back(wish)

    def _tell(self, wish: Wish) -> None:
        if (key := self._world.key_of(wish.uid)) is not None:
            self._listener.changed(key)

    def _failed(self, wish: Wish, error: CloudError, sent: float) -> None:
        log.info(
            "write refused",
            gateway=self.gateway_id,
            operation=error.operation,
            kind=error.kind,
            error_code=error.code,
            error=error.message,
            request_id=error.request_id,
            uid=wish.uid,
        )
        if not error.kind.keeps_token:
            with self._changed:
                self._wishes.answered(wish)
        if not is_passing(error.kind, wish.failures) and self.hinder(wish, hindrance(error)):
            self._tell(wish)
        match error.kind:
            case ErrorKind.BUSY | ErrorKind.RETRY:
                self._pace.refused(sent, self._clock.monotonic())
                self._put_back(wish)
            case ErrorKind.THROTTLED:
                self._put_back(wish)
            case ErrorKind.UNKNOWN:
                self._lost(wish)
            case ErrorKind.GONE:
                self._gone(wish)
            case ErrorKind.GONE_OR_BUSY:
                self._look(wish, sent)
            case ErrorKind.AUTH | ErrorKind.DENIED | ErrorKind.GATEWAY:
                self._barred(wish, error)
            case _:
                self._refused(wish, error)

    def _lost(self, wish: Wish) -> None:
        """No answer: it may have been carried out, or may be yet; asked again, one may come."""
        with self._changed:
            wish.lost_at = self._clock.monotonic()
        self._pace.lost(type(wish.write), self._clock.monotonic())
        self._listener.read_soon(self.gateway_id)
        self._postpone(wish, RETRY_S)

    def _gone(self, wish: Wish) -> None:
        if isinstance(wish.write, CreateRow):
            self._listener.gateway_in_doubt(self.gateway_id)
            self._postpone(wish, RETRY_S)
            return
        with self._world.lock:
            self._table.gone(wish.write.entry_id, self._clock.monotonic())
        self._settled(wish)

    def _look(self, wish: Wish, sent: float) -> None:
        """The one code that means busy and gone alike: the table tells which."""
        if isinstance(wish.write, CreateRow):
            self._pace.refused(sent, self._clock.monotonic())
            self._done(wish)
            return
        entry_id, asked = wish.write.entry_id, self._clock.monotonic()
        try:
            entry = self._cloud.read_entry(self._table.table_id, entry_id)
        except CloudError:
            self._postpone(wish, RETRY_S)
            return
        with self._world.lock:
            changes = self._table.answered(entry_id, entry, asked)
        if any(change.after is None for change in changes):
            self._settled(wish)
        else:
            self._pace.refused(sent, self._clock.monotonic())
            self._done(wish)

    def _barred(self, wish: Wish, error: CloudError) -> None:
        """Nothing can be written with these credentials, or on this gateway, for now."""
        if error.kind is ErrorKind.DENIED and isinstance(wish.write, ModifyRow):
            self._listener.modify_denied()
            self._settled(wish)
            return
        now = self._clock.monotonic()
        if error.kind is ErrorKind.GATEWAY:
            if isinstance(wish.write, CreateRow):
                self._blame.everything(wish.write.entry.external_ip, error, firm=True)
            self._note_refusal(wish, Refused.UNUSABLE, error)
            self._listener.gateway_in_doubt(self.gateway_id)
        elif error.kind is ErrorKind.DENIED:
            # The credentials work, and may be good for other tables and other kinds of writes.
            self._note_refusal(wish, Refused.REJECTED, error)
            with self._changed:
                self._wishes.hold(type(wish.write), DENIED_PAUSE_S, now)
            if isinstance(wish.write, CreateRow):
                self._blame.everything("", error)
        else:
            self._note_refusal(wish, Refused.REJECTED, error)
            self._paused_until = now + BARRED_PAUSE_S
        self._postpone(wish, RETRY_S)
        self._tell(wish)

    def _refused(self, wish: Wish, error: CloudError) -> None:
        """The row itself was refused: that changes what to do next."""
        match error.kind:
            case ErrorKind.QUOTA:
                until = self._clock.monotonic() + QUOTA_BELIEVED_S
                with self._world.lock:
                    self._world.pool.learn_limit(self.gateway_id, len(self._table), until)
                self._note_refusal(wish, Refused.QUOTA, error)
                self._postpone(wish, REJECTED_RETRY_S)
            case ErrorKind.CONFLICT | ErrorKind.UNCLASSIFIED if self._blame.is_own(wish):
                self._settled(wish)
            case ErrorKind.CONFLICT | ErrorKind.MISMATCH:
                self._conflict(wish, Refused.CONFLICT, error)
            case ErrorKind.UNCLASSIFIED:
                self._unforeseen(wish, error)
            case _:
                self._note_refusal(wish, Refused.REJECTED, error)
                self._postpone(wish, REJECTED_RETRY_S)
        self._tell(wish)

    def _unforeseen(self, wish: Wish, error: CloudError) -> None:
        """A code of no table. It may be the word for an address that is taken: the table tells.

        If it does not, it is held against the endpoint, and then step by step against more.
        """
        refusal = self._refusal(wish)
        count = refusal.count if refusal and refusal.why is Refused.UNFORESEEN else 0
        if not isinstance(wish.write, CreateRow) or count >= UNFORESEEN_BELIEVED:
            self._note_refusal(wish, Refused.UNFORESEEN, error)
            self._postpone(wish, REJECTED_RETRY_S)
            return
        if count + 1 == UNFORESEEN_BELIEVED:
            self._blame.unforeseen(wish.uid, wish.write.entry, error)
        self._conflict(wish, Refused.UNFORESEEN, error)

    def _refusal(self, wish: Wish) -> Refusal | None:
        if isinstance(wish.write, DeleteRow):
            return None
        with self._changed:
            return self._wishes.refusals(wish.uid).get(wish.write.entry)

    def _conflict(self, wish: Wish, why: Refused, error: CloudError) -> None:
        """Somebody has the address, or it is not clear what is wrong: read the table first."""
        if (key := self._world.key_of(wish.uid)) is not None:
            self._world.wait_for_reading(self.gateway_id, key)
        self._note_refusal(wish, why, error)
        self._postpone(wish, RETRY_S)
        with self._changed:
            wish.lost_at = None
            self._wishes.drop(wish)
        self._listener.read_soon(self.gateway_id)

    def _note_refusal(self, wish: Wish, why: Refused, error: CloudError) -> None:
        with self._changed:
            if isinstance(wish.write, DeleteRow):
                return
            before = self._wishes.refusals(wish.uid).get(wish.write.entry)
            text = told(error, before.message if before else "", self.gateway_id, len(self._table))
            count = before.count + 1 if before is not None and before.why is why else 1
            self._wishes.refuse(wish, Refusal(why, count, self._table.generation, text))

    def _postpone(self, wish: Wish, pause: tuple[float, float]) -> None:
        first, longest = pause
        with self._changed:
            wait = min(first * 2.0 ** min(wish.failures, 16), longest)
            wish.failures += 1
            wish.not_before = self._clock.monotonic() + wait
        self._done(wish)
