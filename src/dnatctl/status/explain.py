"""From annotation to reachable: the chain of one pod, link by link, and what it hangs on."""

from __future__ import annotations

from dataclasses import dataclass

from dnatctl.plan.exposure import read_exposure
from dnatctl.plan.reasons import REASONS
from dnatctl.status.document import StatusDocument
from dnatctl.status.facts import PodFacts
from dnatctl.status.links import CHAIN, CONTROLLER, ORDERS, REFUSALS, Link, LinkState, stop

_BROKEN = (LinkState.WRONG, LinkState.WAITS)
_BY_ITSELF = "It goes on by itself: dnatctl status shows what waits, and for what"
_OPEN = "End what the text names, or add a gateway"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The links in order, up to and with the first that does not hold, and the end of it all.

    A pause holds up nothing that is there, nor do some refusals: the chain goes on behind them.
    """

    links: tuple[Link, ...]
    sentence: str

    @property
    def reachable(self) -> bool:
        """Whether the chain holds to its end."""
        return all(link.standing is LinkState.GOOD for link in self.links if not link.keeps)


def explain(facts: PodFacts) -> Explanation:
    """The chain; it ends in one sentence that names the mend."""
    exposure = read_exposure(facts.pod, facts.rules)
    links: list[Link] = []
    for check in CHAIN:
        link = check(facts, exposure)
        links.append(link)
        if link.standing in _BROKEN and not link.keeps:
            break
    return Explanation(tuple(links), _end(facts, links))


def _end(facts: PodFacts, links: list[Link]) -> str:
    """What the last link says; and each that the chain goes on behind, unless that has said it."""
    last = links[-1]
    behind = [link for link in links if link.keeps]
    if last.standing in _BROKEN:
        moves = all(link.name not in (ORDERS, CONTROLLER) for link in behind)
        end = _sentence(facts, last, moves=moves)
    else:
        end = _happy_end(facts, links)
    untold = (link for link in behind if not link.reason or link.reason != last.reason)
    return " ".join([end, *(_besides(facts, link) for link in untold)])


def _besides(facts: PodFacts, link: Link) -> str:
    if link.name == ORDERS:
        return stop(link.text)
    text = _sentence(facts, link, moves=False)
    return f"What it asks for is refused: {text}" if link.name in REFUSALS else text


def _sentence(facts: PodFacts, link: Link, *, moves: bool) -> str:
    """`moves`: what waits goes on by itself, if nothing is to be done about it."""
    known = REASONS.get(link.reason)
    mend = link.mend or (known.mend if known else "")
    if link.reason == "PoolExhausted" and facts.status is not None and _is_shut(facts.status):
        mend = _OPEN
    if not mend and moves and link.standing is LinkState.WAITS and (known or not link.reason):
        mend = _BY_ITSELF
    return " ".join(stop(text) for text in (link.text, mend) if text)


def _is_shut(status: StatusDocument) -> bool:
    """Whether no gateway takes anything new, however many ports are free there."""
    return all(
        gateway.problem or all(eip.problem for eip in gateway.eips) for gateway in status.gateways
    )


def _happy_end(facts: PodFacts, links: list[Link]) -> str:
    entries = facts.record.status.entries if facts.record else ()
    where = ", ".join(f"{e.endpoint} leads to port {e.internal_port}" for e in entries)
    doubt = any(link.standing is LinkState.UNKNOWN for link in links)
    sure = ", as far as the cluster's objects tell" if doubt else ""
    return (
        f"Reachable{sure}: {where}. Where nobody gets through all the same, look at the security"
        " group of the pod (inbound, that port) and at whether the program listens on 0.0.0.0."
    )
