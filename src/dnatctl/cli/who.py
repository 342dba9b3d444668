"""`dnatctl who`: whose an endpoint is, and whose it was."""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING

import click

from dnatctl.cli.asking import Asking, aside, asking, give
from dnatctl.model import Endpoint, PortRange, Protocol
from dnatctl.status.who import holders

if TYPE_CHECKING:
    from dnatctl.status.document import StatusDocument

HEAD = ("ENDPOINT", "WHAT", "WHO", "SINCE", "UNTIL", "NOTE")


class _EndpointType(click.ParamType[tuple[Endpoint, ...]]):
    """`IP:PORT`, `IP:PORT/tcp` or `IP:PORT/udp`."""

    name = "endpoint"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Endpoint, ...]:
        """See click."""
        address, _, name = value.partition("/")
        ip, _, port = address.rpartition(":")
        try:
            protocols = [Protocol(name.lower())] if name else list(Protocol)
            number = PortRange.parse(port).first
            ip = str(ipaddress.IPv4Address(ip))
        except ValueError:
            text = f"{value!r}: write IP:PORT, such as 47.1.2.3:512 or 47.1.2.3:512/udp"
            self.fail(text, param, ctx)
        return tuple(Endpoint(ip, number, protocol) for protocol in protocols)


@click.command()
@click.argument("endpoint", type=_EndpointType())
@asking(all_namespaces=False)
def who(it: Asking, endpoint: tuple[Endpoint, ...]) -> None:
    """Show who has IP:PORT[/PROTOCOL] now, and who had it before.

    Claims are read from the PodDNATs of all namespaces. What rests, what is somebody else's entry
    and who had it before is the leader's word; without a leader that part is missing, and it says
    so. Exits with 1 if nothing is known of it.
    """
    records = it.all_records()
    status = it.status_if_told("PodDNATs")
    found = list(holders(endpoint, records, status))
    if found or it.output in ("json", "yaml"):
        give(it.output, [holder._asdict() for holder in found], HEAD, found)
    if status is not None and status.history_since:
        aside(f"(remembered since {status.history_since})")
    if not found:
        aside(f"nobody has it, as far as is known{_place(endpoint[0], status)}")
        sys.exit(1)


def _place(endpoint: Endpoint, status: StatusDocument | None) -> str:
    """What to tell of one that nobody has: it is free, or none that dnatctl gives out."""
    gateways = status.gateways if status else ()
    ranges = {eip.ip: each for each in gateways for eip in each.eips}
    if not ranges:
        return ""
    gateway = ranges.get(endpoint.ip)
    if gateway is None:
        return f": dnatctl uses only {', '.join(sorted(ranges))}"
    if gateway.first <= endpoint.port <= gateway.last:
        return f": it is free, on {gateway.id}"
    return f": of {endpoint.ip} dnatctl gives out {gateway.first} to {gateway.last}"
