"""Which network interface is behind a pod IP: asked in batches, remembered for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, NamedTuple, TypeVar

from dnatctl.clock import Clock
from dnatctl.cloud.api import MAX_ENI_IPS, CloudApi, Unsaid
from dnatctl.cloud.division import Heard, ask_in_parts
from dnatctl.model import Eni

TTL: Final = 600.0
"""Seconds for which an answer is believed: addresses move between interfaces as pods come and go.
Also how long an address is looked for after it was last asked for."""

_V = TypeVar("_V")
_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 64.0
MISSES_BELIEVED: Final = 5
"""After so many answers, in 15 s, an address that no interface has is not just a new one."""
_MISSING_RETRY: Final = 300.0
"""Longest pause for one that is `missing`, and of which nothing was ever learned: an address in a
block of addresses is never listed, and in some clusters all of them are such. Also for one that the
cloud refuses to be asked for."""
_TOGETHER: Final = 60.0
"""Those that have come to the longest pause are asked for at multiples of this: many in one call,
however their pods came, and not all of them in front of a new one."""


@dataclass(slots=True)
class _Want:
    """An address that is looked for: when it was last asked for, and when to look again.

    `missed`: how often the cloud has answered that no interface has it. `node`: where the pod is.
    `since`: since when the latest pod that asked for it has stated it.
    `unclear`: whether the cloud has answered that it is not clear which one has it.
    `apart`: the cloud refuses to be asked for it, and not for others: it is asked for alone.
    `expected`: the machine that it is thought to be on. Where there is one nobody waits for the
    answer: it is asked for behind the others, and only another machine is news.
    """

    asked_at: float
    due_at: float
    retry: float = _FIRST_RETRY
    missed: int = 0
    unclear: bool = False
    apart: bool = False
    node: str = ""
    expected: str = ""
    since: float = float("-inf")

    @property
    def is_new(self) -> bool:
        """Whether somebody waits for a first answer."""
        return not (self.missed or self.unclear or self.expected)

    def is_news(self, eni: Eni) -> bool:
        """Whether that answer is to be told."""
        return not self.expected or eni.instance_id != self.expected


class _Learned(NamedTuple):
    """An answer: when it was asked for, on which node the pod was that it was asked for, and since
    when the same machine is named.

    It may be no newer than the question: on its way back it says nothing of a pod that has come
    meanwhile.
    """

    at: float
    eni: Eni
    node: str
    since: float

    def counts(self, now: float, since: float, node: str) -> bool:
        """Whether it is fresh, and of the pod that asks or of an earlier one on its node."""
        return now - self.at < TTL and self.is_of(since, node)

    def is_of(self, since: float, node: str) -> bool:
        """Whether it is of the pod that asks, or of an earlier one on its node."""
        return self.at >= since or (bool(node) and self.node == node)


class EniCache:
    """Answers from memory, and queues what it does not know for one resolving thread.

    `on_news(ip)` is called, in the resolving thread, for every queued address once its interface
    is known and once it is `missing`, and for every one whose interface is not clear any more. At
    most `capacity` addresses are remembered and as many queued; the oldest go first.
    """

    def __init__(
        self, clock: Clock, on_news: Callable[[str], None], capacity: int = 20_000
    ) -> None:
        self._clock = clock
        self._on_news = on_news
        self._capacity = capacity
        self._changed = threading.Condition()
        self._known: dict[str, _Learned] = {}
        self._wanted: dict[str, _Want] = {}
        self._told_as_expected = False
        self._divide_at = float("-inf")
        """When a question that is refused may be divided again: all of its parts were refused."""
        self.asking = False
        """Whether the cloud is being asked just now."""

    def want(self, ip: str, since: float = float("-inf"), node: str = "") -> Eni | None:
        """The interface behind `ip` if it is known; None if not, and then it is looked for.

        What was learned before `since` (monotonic) was learned of an earlier pod with that address,
        and counts only if that was on the same `node`: an address stays with the interface that it
        is an address of, and the interface with its machine, while pods come and go
        (Terway, https://github.com/AliyunContainerService/terway, docs/design.md).
        So do answers that no interface has it: for a later pod it is looked for afresh.
        """
        now = self._clock.monotonic()
        with self._changed:
            known = self._known.get(ip)
            if known is not None and known.counts(now, since, node):
                return known.eni
            want = self._wanted.get(ip)
            if want is not None and since <= want.since:
                want.asked_at, want.node, want.expected = now, node or want.node, ""
            else:
                _put(self._wanted, ip, _Want(now, now, node=node, since=since), self._capacity)
                self._changed.notify()
            return None

    def latest(self, ip: str, since: float) -> Eni | None:
        """As `want`, but what was learned since then stands until something newer is learned."""
        if (eni := self.want(ip, since)) is not None:
            return eni
        with self._changed:
            known = self._known.get(ip)
            return known.eni if known is not None and known.at >= since else None

    def confirm(self, ip: str, since: float, node: str, machine: str) -> bool:
        """Look for `ip` once, when nobody else waits for an answer: it is thought to be on that
        machine, and `on_news` is called only if it is on another, or the first. False if too many
        are queued."""
        now = self._clock.monotonic()
        with self._changed:
            known = self._known.get(ip)
            if ip in self._wanted or (known is not None and known.is_of(since, node)):
                return True
            if 2 * len(self._wanted) >= self._capacity:
                return False
            self._wanted[ip] = _Want(now, now, node=node, expected=machine, since=since)
            self._changed.notify()
            return True

    def held(self, ip: str, since: float, node: str = "") -> tuple[Eni, float] | None:
        """What was learned of `ip` since then, or of an earlier pod on the node as `want` has it,
        and for how long the same machine has been named since then, in seconds from the first
        question to the last; asks nothing."""
        with self._changed:
            known = self._known.get(ip)
            if known is None or not known.is_of(since, node):
                return None
            return known.eni, max(known.at - max(known.since, since), 0.0)

    def ask_again(self, ip: str, after: float) -> None:
        """Look for `ip` once more, that long after the last answer, in seconds: it is in doubt."""
        with self._changed:
            known = self._known.get(ip)
            if known is None or ip in self._wanted:
                return
            again = _Want(
                self._clock.monotonic(), known.at + after, node=known.node, since=known.at
            )
            _put(self._wanted, ip, again, self._capacity)
            self._changed.notify()

    def missing(self, ip: str) -> bool:
        """Whether the cloud goes on saying that no interface of the VPC has `ip`.

        That is no proof that nothing can reach it: an interface may have a block of addresses
        (Ipv4PrefixSets), in which none is listed by itself.
        """
        with self._changed:
            want = self._wanted.get(ip)
            return want is not None and want.missed >= MISSES_BELIEVED

    def missed_once(self, ip: str) -> bool:
        """Whether the cloud has answered, be it once, and named no interface that has `ip`."""
        with self._changed:
            want = self._wanted.get(ip)
            return want is not None and (want.missed > 0 or want.unclear)

    def forget(self, ip: str) -> None:
        """Look for `ip` no more: the pod that had it has it no more."""
        with self._changed:
            self._wanted.pop(ip, None)

    def wait_for_work(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until `resolve_pending` would ask for something."""
        with self._changed:
            if not self._due():
                self._changed.wait(min(timeout, self.due_in()))
            return bool(self._due())

    def waiting(self) -> int:
        """For how many addresses `resolve_pending` would ask now."""
        with self._changed:
            return len(self._due())

    def resolve_pending(self, cloud: CloudApi) -> int:
        """Ask once, for all addresses that are due (100 at most); returns how many were found,
        those that are as expected apart.

        Those not found are asked for again after 1, 2, 4 ... 64 s, and after up to 5 minutes while
        they are `missing`. Raises `errors.CloudError`; the addresses then stay queued in the same
        way. Where it may be about one of them it is found by halves, and the others are answered
        before that is raised.
        """
        with self._changed:
            asked_at, batch = self._clock.monotonic(), self._due()
            nodes = {ip: self._wanted[ip].node for ip in batch}
            self._postpone(batch)
        if not batch:
            return 0
        self.asking = True
        try:
            return self._ask(cloud, batch, asked_at, nodes)
        finally:
            self.asking = False

    def _ask(
        self, cloud: CloudApi, batch: list[str], asked_at: float, nodes: Mapping[str, str]
    ) -> int:
        heard = ask_in_parts(cloud.find_enis, batch, divide=asked_at >= self._divide_at)
        with self._changed:
            missing = self._miss((ip for ip in heard.answered if ip not in heard.answer), asked_at)
            known = {ip: eni for ip, eni in heard.answer.items() if isinstance(eni, Eni)}
            found = self._learn(known, asked_at, nodes)
            doubted = self._doubt(heard.answer)
            self._take_refusal(heard, divided=len(batch) > 1 and asked_at >= self._divide_at)
        for ip in (*found, *missing, *doubted):
            self._on_news(ip)
        if heard.error is not None:
            raise heard.error
        return len(found)

    def _take_refusal(self, heard: Heard[Eni | Unsaid], *, divided: bool) -> None:
        """Put those apart for which alone it was refused, unless it was for all alike."""
        if heard.answered:
            self._divide_at = float("-inf")
        elif heard.is_of_one and divided:
            self._divide_at = self._clock.monotonic() + _LAST_RETRY
        for ip in heard.answered:
            self._put_apart(ip, apart=False)
        for ip in heard.refused if heard.answered else ():
            self._put_apart(ip, apart=True)
        for ip in heard.left if heard.answered and heard.is_of_one else ():
            self._hasten(ip)

    def _put_apart(self, ip: str, *, apart: bool) -> None:
        if (want := self._wanted.get(ip)) is not None:
            want.apart = apart

    def _hasten(self, ip: str) -> None:
        """Ask for it again at the first pace: it was not its turn."""
        if (want := self._wanted.get(ip)) is not None:
            want.due_at, want.retry = self._clock.monotonic() + _FIRST_RETRY, _FIRST_RETRY

    def _due(self) -> list[str]:
        now = self._clock.monotonic()
        due = [(ip, want) for ip, want in self._wanted.items() if want.due_at <= now]
        first = (ip for ip, want in due if not (want.apart or want.expected))
        behind = (ip for ip, want in due if not want.apart and want.expected)
        together = list(islice(chain(first, behind), MAX_ENI_IPS))
        # Where they are asked for one by one, each in its turn.
        together.sort(key=lambda ip: (bool(self._wanted[ip].expected), self._wanted[ip].missed))
        return together or [ip for ip, want in due if want.apart][:1]

    def due_in(self) -> float:
        """Seconds until the first queued address is due; for ever if none is queued."""
        now = self._clock.monotonic()
        return min((want.due_at - now for want in self._wanted.values()), default=float("inf"))

    def _postpone(self, batch: list[str]) -> None:
        now = self._clock.monotonic()
        for ip in batch:
            want = self._wanted[ip]
            want.due_at = now + want.retry
            if want.retry >= _MISSING_RETRY:
                want.due_at -= want.due_at % _TOGETHER
            want.retry = min(2 * want.retry, self._longest_retry(ip, want))
            if now - want.asked_at > TTL and not want.expected:
                del self._wanted[ip]

    def _longest_retry(self, ip: str, want: _Want) -> float:
        # What was learned of it decides meanwhile, and is to be put right soon.
        is_missing = want.missed >= MISSES_BELIEVED and ip not in self._known
        return _MISSING_RETRY if is_missing or want.apart else _LAST_RETRY

    def _miss(self, ips: Iterable[str], asked_at: float) -> list[str]:
        """Note that no interface has these; returns those of which that is believed from now on.

        It says nothing of a pod that came after it was asked.
        """
        wanted = ((ip, self._wanted.get(ip)) for ip in ips)
        wants = {ip: want for ip, want in wanted if want is not None and want.since <= asked_at}
        for ip, want in wants.items():
            want.missed += 1
            if want.expected:  # it names no other machine, and that was the question
                del self._wanted[ip]
        return [ip for ip, want in wants.items() if want.missed == MISSES_BELIEVED]

    def _doubt(self, answer: Mapping[str, Eni | Unsaid]) -> list[str]:
        """Take in of which it is not clear whose they are; returns those that were known before.

        Those that have not been asked for yet, and are waited for, come soon.
        """
        for ip, said in answer.items():
            want = self._wanted.get(ip)
            if want is not None and said is Unsaid.UNCLEAR:
                want.unclear = True
            elif want is not None and said is Unsaid.NOT_ASKED and want.is_new:
                self._hasten(ip)
        unclear = [ip for ip, said in answer.items() if said is Unsaid.UNCLEAR]
        return [ip for ip in unclear if self._known.pop(ip, None) is not None]

    def _learn(
        self, answer: Mapping[str, Eni], asked_at: float, nodes: Mapping[str, str]
    ) -> list[str]:
        """Take in what the cloud says, which is said of all addresses of an interface; returns
        those of them of which that is news. `nodes`: where they were when it was asked."""
        wants = {ip: want for ip in answer if (want := self._wanted.pop(ip, None))}
        news = [ip for ip, want in wants.items() if want.is_news(answer[ip])]
        if not self._told_as_expected and len(news) < len(wants):
            # The first that is as expected shows that the cloud names machines as nodes do.
            self._told_as_expected, news = True, list(wants)
        machines = {answer[ip].eni_id: node for ip, node in nodes.items() if node and ip in answer}
        for ip, eni in answer.items():
            old = self._known.get(ip)
            same = old is not None and old.eni.instance_id == eni.instance_id
            since = old.since if old is not None and same else asked_at
            learned = _Learned(asked_at, eni, machines.get(eni.eni_id, ""), since)
            _put(self._known, ip, learned, self._capacity)
        return news


def _put(mapping: dict[str, _V], key: str, value: _V, capacity: int) -> None:
    """Set `key` as the newest of at most `capacity` keys."""
    mapping.pop(key, None)
    mapping[key] = value
    if len(mapping) > capacity:
        del mapping[next(iter(mapping))]
