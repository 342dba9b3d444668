"""One gateway of the configuration: what is offered of it, and what the cloud says of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from dnatctl.model import Endpoint, GatewayEip, PortRange, Protocol, is_ipv4
from dnatctl.pool.line import Line
from dnatctl.pool.values import GatewayPool, Wanted, number_of

PRIVILEGED_LIMIT = 1024
"""Above it, an EIP that also serves SNAT needs PortBreak (CreateForwardEntry, PortBreak)."""

A_ROW_LONGER_S = 60.0

NEVER = float("-inf")
"""Before all times."""

UNDESCRIBED = "not described by the cloud yet"
"""What is wrong with a gateway of which nothing has been heard since the start."""


class OfferedGateway:
    """A gateway that endpoints are handed out on; `problem` says why not, empty if it can be used.

    `orphans`: own rows in its table that nothing claims. `left`: the configuration names it no
    more, and it stays until nothing of ours is left there. `leaving`: endpoints that were offered
    to their claimants' namespaces when they were claimed, and are not any more: they are their
    claimants' to the end.
    """

    def __init__(self, offer: GatewayPool) -> None:
        self.offer = offer
        self.left = False
        self.leaving: set[Endpoint] = set()
        self.bound: dict[str, GatewayEip] = {}
        self.eips: dict[str, GatewayEip] = {}
        """Those of the bound ones that endpoints are handed out on."""
        self._beside: tuple[str, ...] = ()
        """EIPs bound to it that the configuration does not name, where it names some."""
        self.problem = UNDESCRIBED
        self.orphans = 0
        self.zone_id = offer.zone_id
        self._described_zone = ""
        self._lines: dict[tuple[str, Protocol], Line] = {}
        self._learned_limit = 0
        self._learned_until = NEVER
        self._known: set[str] = set(offer.eips)
        self._ranges = {offer.ports}
        """All that it has offered."""

    def describe(self, eips: Iterable[GatewayEip], problem: str, zone_id: str) -> bool:
        """Take in what the cloud says; returns whether anything changed."""
        self.zone_id, self._described_zone = self.offer.zone_id or zone_id, zone_id
        wanted = self.offer.eips
        eips = tuple(eips)
        offered = {eip.ip: eip for eip in eips if not wanted or eip.ip in wanted}
        self._known |= offered.keys()
        changed = (self.eips, self.problem) != (offered, problem)
        self.bound = {eip.ip: eip for eip in eips}
        self.eips, self.problem = offered, problem
        self._beside = tuple(eip.ip for eip in eips if eip.ip not in offered)
        return changed

    def lacks_use_of(self, ip: str) -> bool:
        """Whether the EIP cannot be used here, as it was described."""
        known = self.eips.get(ip)
        return self.problem != UNDESCRIBED and (known is None or not known.usable)

    def offer_again(
        self, offer: GatewayPool | None, claimed: Iterable[tuple[Endpoint, str]]
    ) -> None:
        """The configuration offers something else of it now, or nothing at all.

        `claimed` on it, each with the claimant's namespace: of these, what is offered to that no
        longer leaves when its claim ends.
        """
        ours = [each for each in claimed if each[0] in self.leaving or self._is_offered_now(*each)]
        self.left = offer is None
        if offer is not None:
            if offer.ports != self.offer.ports:
                self._lines = {key: line.over(offer.ports) for key, line in self._lines.items()}
            self._ranges.add(offer.ports)
            self._known.update(offer.eips)
            self.offer = offer
            self.describe(self.bound.values(), self.problem, self._described_zone)
        self.leaving = {e for e, space in ours if not (self.offers(e) and self.offer.serves(space))}

    def keep(self, endpoints: Iterable[Endpoint], namespace: str) -> None:
        """That namespace uses these: what of them is not offered to it leaves when its claim
        ends."""
        self.leaving.update(e for e in endpoints if not self._is_offered_now(e, namespace))

    def offers(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint is among those that may be handed out at all."""
        return self.hands_out(endpoint.ip) and endpoint.port in self.offer.ports

    def hands_out(self, ip: str) -> bool:
        """Whether anything of that external IP may be handed out."""
        return ip in self.eips and not self.left

    def may_claim(self, endpoint: Endpoint) -> bool:
        """Whether rows may be made for a claim to the endpoint: it is offered, or was when it was
        claimed."""
        return self.may_lead(endpoint.ip) if endpoint in self.leaving else self.offers(endpoint)

    def may_lead(self, ip: str) -> bool:
        """Whether rows on that external IP may be of use, offered or not: it is bound, or will be
        again, perhaps, when what is wrong with the gateway is over."""
        return ip in self.bound or bool(self.problem)

    def serves(self, endpoint: Endpoint, namespace: str) -> bool:
        """Whether that namespace may have the endpoint, as far as reservations go: it has it since
        before there was one, perhaps."""
        return endpoint in self.leaving or self.offer.serves(namespace)

    def lacks(self, ip: str) -> bool:
        """Whether that external IP would be handed out if only it were bound to the gateway."""
        wanted = not self.offer.eips or ip in self.offer.eips
        return wanted and ip not in self.bound and not (self.left or self.problem)

    def _is_offered_now(self, endpoint: Endpoint, namespace: str) -> bool:
        """As `offers`, and to that namespace; while no IP is known to be bound, any that was before
        will do."""
        if self.left or not self.offer.serves(namespace):
            return False
        return endpoint.ip in (self.eips or self._known) and endpoint.port in self.offer.ports

    def may_offer(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint is or was among those, or may be before the cloud was asked."""
        known = endpoint.ip in self._known if self._known else is_ipv4(endpoint.ip)
        return known and any(endpoint.port in ports for ports in self._ranges)

    def offered_ports(self, ports: PortRange) -> set[int]:
        """Those of the ports that it offers or has offered."""
        return {port for offered in self._ranges for port in ports.common(offered)}

    @property
    def known(self) -> frozenset[str]:
        """External IPs of which anything is or was handed out, as far as has been heard."""
        return frozenset(self._known)

    def take(self, endpoint: Endpoint) -> None:
        """The endpoint is claimed: out of the line, if it is in one."""
        if self._is_in_a_line(endpoint):
            self.line(endpoint.ip, endpoint.protocol).take(endpoint.port)

    def give_back(self, endpoint: Endpoint, *, used: bool) -> None:
        """It is claimed no more: to the end of the line, or to where it was if it was not used."""
        if self._is_in_a_line(endpoint):
            line = self.line(endpoint.ip, endpoint.protocol)
            (line.give_back if used else line.put_back)(endpoint.port)

    def _is_in_a_line(self, endpoint: Endpoint) -> bool:
        """There is none for an IP that nobody but a PodDNAT names: its author may invent any, and
        while nothing is described nobody says which there are."""
        return endpoint.ip in self._known and self.may_offer(endpoint)

    def line(self, ip: str, protocol: Protocol) -> Line:
        """The ports of one external IP and protocol, in the order of their use."""
        if (ip, protocol) not in self._lines:
            self._lines[ip, protocol] = Line(self.offer.ports)
        return self._lines[ip, protocol]

    def needs_port_break(self, endpoint: Endpoint) -> bool:
        """Whether a row for the endpoint has to be created with PortBreak."""
        eip = self.bound.get(endpoint.ip)
        return eip is not None and eip.serves_snat and endpoint.port > PRIVILEGED_LIMIT

    def learn_limit(self, rows: int, until: float) -> None:
        """The cloud refused a row for quota with that many in the table; believed until then."""
        self._learned_limit, self._learned_until = rows, until

    def has_grown(self, rows: int) -> None:
        """The cloud has taken so many rows: fewer are no limit, whatever was learned."""
        if rows > self._learned_limit:
            self._learned_until = NEVER

    def limit(self, now: float, need: int = 1) -> int | None:
        """How many rows the table may hold, as far as is known, for one who needs so many more.

        Whether more are allowed by now only a try can tell, which costs as many rows as it makes:
        so what was learned is believed for a minute longer for each row beyond the first.
        """
        until = self._learned_until + max(need - 1, 0) * A_ROW_LONGER_S
        return self._limit(learned=now < until)

    def last_limit(self, rows: int) -> int | None:
        """As `limit`, for people: what was learned stands until that many rows disprove it, though
        it is time to try again."""
        ever = self._learned_until > NEVER
        return self._limit(learned=ever and rows <= self._learned_limit)

    def _limit(self, *, learned: bool) -> int | None:
        known = self._learned_limit if learned else None
        limits = [n for n in (self.offer.max_entries, known) if n is not None]
        return min(limits, default=None)

    def flaw(self, ip: str) -> str:
        """Why no rows can be made on that IP, as the cloud describes it; empty if they can."""
        eip = self.eips.get(ip)
        if eip is None or self.left:
            return "is not in the pool any more"
        return "" if eip.usable else eip.problem or "is not usable"

    def why_no_ip(
        self, flaw: Callable[[str], str], wanted: Wanted, short: Collection[Protocol]
    ) -> str:
        """What is wrong if none of the external IPs has room; `flaw` says it of each.

        `short`: of which protocols one or the other has too few.
        """
        if not self.eips:
            return self.why_none_bound()
        bad = [f"{ip} {why}" for ip in self.eips if (why := flaw(ip))]
        bad += [f"{ip} is not bound to it" for ip in self.offer.eips if ip not in self.eips]
        if len(bad) >= len(self.offer.eips or self.eips):
            return "none of its EIPs is usable: " + "; ".join(bad)
        ports, protocols = self.offer.ports, sorted({protocol for _, protocol in wanted})
        if (need := max(number_of(wanted, protocol) for protocol in protocols)) > len(ports):
            handed_out = (
                f"only {len(ports)} of each EIP are handed out ({ports.first}-{ports.last})"
            )
            return f"{need} ports are asked for, and {handed_out}"
        lacking = sorted(short) or protocols
        need = max(number_of(wanted, protocol) for protocol in lacking)
        what, where = " and ".join(lacking), f"in {ports.first}-{ports.last}"
        if len(lacking) > 1:
            return f"none of its EIPs has enough free ports of {what} {where}"
        if need > 1:
            return f"none of its EIPs has {need} free {what} ports {where}"
        return f"no free {what} port is left {where} on its EIPs"

    def why_none_bound(self) -> str:
        """What is wrong where no external IP that may be handed out is bound to the gateway."""
        wanted = ", ".join(self.offer.eips)
        if not wanted:
            return "no EIP is bound to it"
        has = f"bound are {', '.join(self._beside)}" if self._beside else "no EIP is"
        return f"none of the EIPs that the configuration names ({wanted}) is bound to it, {has}"
