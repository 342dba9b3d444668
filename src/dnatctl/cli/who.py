"""`dnatctl who`: whose an endpoint is, and whose it was."""

from __future__ import annotations

import ipaddress
import sys

import click

from dnatctl.cli.asking import Asking, aside, asking, give
from dnatctl.model import Endpoint, PortRange, Protocol
from dnatctl.status.who import holders, unheld

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
    so. Of one that nobody has it says whether it is free, or why it is not given out. Exits with 1
    if nobody has it or had it, as far as is known.
    """
    records = it.all_records()
    status = it.status_if_told("PodDNATs")
    found = list(holders(endpoint, records, status))
    if found or it.output in ("json", "yaml"):
        give(it.output, [holder._asdict() for holder in found], HEAD, found)
    if status is not None and status.history_since:
        aside(f"(remembered since {status.history_since})")
    if not found:
        aside(f"nobody has it, as far as is known{unheld(endpoint, status)}")
        sys.exit(1)
