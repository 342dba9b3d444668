"""`dnatctl check --online` and the cloud: credentials, RAM actions, gateways, EIPs, room."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from math import ceil
from typing import Final, Protocol

from dnatctl.cloud.api import PAGE_SIZE, EntryPage, Unsaid
from dnatctl.cloud.codes import new_credentials
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.config import Config, EntryPolicy, GatewayConfig
from dnatctl.model import ALL_PORTS, Eni, ForwardEntry, Gateway, NewEntry, PortRange
from dnatctl.model import Protocol as Transport
from dnatctl.status.document import USUAL_QUOTA
from dnatctl.status.findings import Finding, fail, note, ok

CLOUD: Final = "cloud"
NEARLY: Final = 0.9
"""Share of the rows from which on a table is nearly full."""

MOST_PAGES: Final = 40
"""Pages of a table that are looked through: more rows than a quota is raised to."""

NOWHERE: Final = "192.0.2.1"
"""An address that no EIP and no pod has (RFC 5737)."""

NO_EIP: Final = "198.51.100.1"
"""One more: a row that leads an address to itself is refused for that, and RAM is not heard."""

_COSTS: Final = {
    Operation.READ_GATEWAYS: "nothing works: no gateway is known",
    Operation.READ_EIPS: "nothing works: no EIP is known",
    Operation.READ_TABLE: "nothing is handed out: nobody knows what is taken",
    Operation.READ_ENIS: "PodDNATs lack eni and vswitch, and a pod IP outside the VPC is told late",
    Operation.CREATE: "no pod gets an address",
    Operation.MODIFY: "an entry that has to change is made anew instead, which takes longer",
    Operation.DELETE: "addresses of pods that have ended stay public",
}
_LET_THROUGH: Final = frozenset(
    {
        ErrorKind.DRY_RUN,
        ErrorKind.BUSY,
        ErrorKind.CONFLICT,
        ErrorKind.GONE,
        ErrorKind.GONE_OR_BUSY,
        ErrorKind.QUOTA,
        ErrorKind.GATEWAY,
    }
)
"""Answers that speak of what was asked for: whoever may not ask for it gets no such answer."""


class AskedCloud(Protocol):
    """What is asked of the cloud; `dnatctl.cloud.client.Cloud` is one."""

    def describe_gateways(self, wanted: Collection[str] = ()) -> list[Gateway]:
        """See `CloudApi`."""
        ...

    def read_page(self, table_id: str, page_number: int) -> EntryPage:
        """See `CloudApi`."""
        ...

    def find_enis(self, ips: Collection[str]) -> Mapping[str, Eni | Unsaid]:
        """See `CloudApi`."""
        ...

    def rehearse(self, operation: Operation, table_id: str, entry: NewEntry) -> CloudError:
        """See `Cloud.rehearse`."""
        ...


def look_at_cloud(
    cloud: AskedCloud, config: Config, who: str, *, remedy: str = "", try_delete: bool = False
) -> Iterator[Finding]:
    """All that the controller needs of the cloud. Nothing is changed there.

    `who`: what signs the calls, for people. `remedy`: what to do if that gives no credentials.
    `try_delete`: also ask to delete a row that does not
    exist, as RAM says in no other way whether that is allowed.
    """
    try:
        described = cloud.describe_gateways([each.gateway_id for each in config.gateways])
    except CloudError as error:
        yield from _without_gateways(error, remedy)
        return
    yield ok(CLOUD, f"credentials accepted in {config.region_id} ({who})")
    yield _may(Operation.READ_GATEWAYS)
    yield _may(Operation.READ_EIPS)
    yield _interfaces(cloud)
    known = {gateway.gateway_id: gateway for gateway in described}
    for configured in config.gateways:
        gateway = known[configured.gateway_id]
        yield from _gateway(gateway, configured.eips)
        if gateway.table_id and not (gateway.problem or gateway.unread):
            yield from _table(cloud, gateway, configured, config, try_delete=try_delete)


def _may(operation: Operation, where: str = "", how: str = "") -> Finding:
    return ok(CLOUD, f"may {operation.action}{where}{how}")


def _without_gateways(error: CloudError, remedy: str) -> Iterator[Finding]:
    """Nothing can be looked at without the first answer."""
    if error.kind is ErrorKind.DENIED:
        yield ok(CLOUD, "credentials accepted")
        if error.operation is Operation.READ_EIPS:
            yield _may(Operation.READ_GATEWAYS)
    if error.kind is ErrorKind.AUTH and not error.code:  # not even signed
        yield fail(CLOUD, f"no credentials: {error.message}", remedy)
    else:
        yield _refused(error)
    yield note(CLOUD, "gateways, EIPs, tables and the other RAM actions were not looked at")


def _refused(error: CloudError, where: str = "") -> Finding:
    """A call that failed: why, and what to do."""
    operation = error.operation
    if error.kind is ErrorKind.DENIED:
        text = f"may not {operation.action}{where}: {_COSTS.get(operation, 'it is needed')}"
        return fail(CLOUD, text, "grant it to the controller's credentials (manifests/ram)")
    return fail(CLOUD, str(error), _mend(error))


def _mend(error: CloudError) -> str:
    match error.kind:
        case ErrorKind.AUTH:
            return new_credentials(error.code)
        case ErrorKind.THROTTLED:
            return "others use up the account's calls: try again in a minute"
        case ErrorKind.UNKNOWN | ErrorKind.RETRY:
            return "try again; see whether this machine gets there, and `endpoints` and `regionID`"
        case _:
            return "see whether `regionID`, `vpcID` and `natGwPool` are right"


def _interfaces(cloud: AskedCloud) -> Finding:
    try:
        cloud.find_enis((NOWHERE,))
    except CloudError as error:
        return _refused(error)
    return _may(Operation.READ_ENIS)


def _gateway(gateway: Gateway, wanted: tuple[str, ...]) -> Iterator[Finding]:
    about = gateway.gateway_id
    if gateway.problem:
        mend = "put it right in the VPC's console, or take it out of natGwPool"
        yield fail(about, gateway.problem, mend)
        return
    if gateway.unread:
        yield fail(about, f"unknown: {gateway.unread}", "ask the cloud why it does not say more")
        return
    yield ok(about, f"table {gateway.table_id}, zone {gateway.zone_id}")
    bound = {eip.ip: eip for eip in gateway.eips}
    for ip in wanted or bound:
        eip = bound.get(ip)
        if eip is None:
            yield fail(about, f"EIP {ip} is not bound to it", "bind it, or take it out of eips")
        elif not eip.usable:
            yield fail(
                about,
                f"EIP {ip}: {eip.problem}",
                "put it right in the console: nothing new goes on it meanwhile",
            )
        else:
            yield ok(about, f"EIP {ip}{', also serves SNAT' if eip.serves_snat else ''}")
    if not bound:
        yield fail(about, "no EIP is bound to it", "bind one: pods get its address")


def _table(
    cloud: AskedCloud,
    gateway: Gateway,
    configured: GatewayConfig,
    config: Config,
    *,
    try_delete: bool,
) -> Iterator[Finding]:
    where = f" on {gateway.gateway_id}"
    try:
        total, rows = _rows(cloud, gateway.table_id)
    except CloudError as error:
        yield _refused(error, where)
    else:
        yield _may(Operation.READ_TABLE, where)
        yield _room(gateway.gateway_id, total, configured.max_entries)
        yield from _mapped_whole(gateway, configured.eips, rows)
    entry = _sample(gateway, configured, config)
    writes = [Operation.CREATE, Operation.MODIFY]
    if config.policy is not EntryPolicy.UPSERT_ONLY:
        if try_delete:
            writes.append(Operation.DELETE)
        else:
            yield _untried(where)
    for operation in writes:
        yield from _write(cloud.rehearse(operation, gateway.table_id, entry), gateway.gateway_id)


def _untried(where: str) -> Finding:
    return note(
        CLOUD,
        f"not tried: {Operation.DELETE.action}{where} has no dry run",
        "see the policy in the RAM console, or have it tried with --try-delete",
    )


def _rows(cloud: AskedCloud, table_id: str) -> tuple[int, list[ForwardEntry]]:
    """How many rows the table has, and the rows, as far as `MOST_PAGES` go."""
    first = cloud.read_page(table_id, 1)
    rows = list(first.entries)
    for number in range(2, min(ceil(first.total / PAGE_SIZE), MOST_PAGES) + 1):
        rows += cloud.read_page(table_id, number).entries
    return first.total, rows


def _mapped_whole(
    gateway: Gateway, wanted: tuple[str, ...], rows: list[ForwardEntry]
) -> Iterator[Finding]:
    """EIPs of which nothing can be handed out, as one row has all their ports."""
    ours = wanted or [eip.ip for eip in gateway.eips]
    for row in rows:
        if row.external_ip in ours and row.external_ports == ALL_PORTS:
            text = f"EIP {row.external_ip} is mapped whole to {row.internal_ip} by {row.entry_id}"
            mend = "delete that entry, or take the EIP out of eips"
            yield fail(gateway.gateway_id, text, mend)


def _room(about: str, rows: int, most: int | None) -> Finding:
    limit = most or USUAL_QUOTA
    text = f"{rows} of {limit} forward entries"
    if most is None:
        text += " (the quota, unless it was raised: then set maxEntries)"
    if rows < limit * NEARLY:
        return ok(about, text)
    mend = "have the quota natgw_quota_dnat_entry_num raised, or add a gateway to natGwPool"
    if most is not None:
        mend = f"raise maxEntries; at the cloud's quota, {mend}"
        if rows >= most:
            return fail(about, f"no room: {text}", mend)
    return note(about, f"little room: {text}", mend)


def _sample(gateway: Gateway, configured: GatewayConfig, config: Config) -> NewEntry:
    """A row as it might be made; that it might not be made for what it says tells as much."""
    eip = next((each.ip for each in gateway.eips if each.usable), NO_EIP)
    network = next(iter(config.vpc_cidrs), None)
    one = PortRange(configured.port_range_end, configured.port_range_end)
    internal = str(network[1]) if network and network.num_addresses > 1 else NOWHERE
    return NewEntry(eip, one, internal, PortRange(80, 80), Transport.TCP, "dnatctl-check")


def _is_let_through(answer: CloudError) -> bool:
    """Whether RAM has been asked by then: not before parameters are found missing or misspelt, but
    before it is said that an address is not the VPC's."""
    refused = answer.kind is ErrorKind.REJECTED and answer.code.startswith("Forbi")
    return refused or answer.kind in _LET_THROUGH


def _write(answer: CloudError, gateway_id: str) -> Iterator[Finding]:
    """What an answer to a write that was not made says of the leave to make it."""
    operation, where = answer.operation, f" on {gateway_id}"
    if _is_let_through(answer):
        how = "dry run" if answer.kind is ErrorKind.DRY_RUN else f"it answered {answer.code}"
        yield _may(operation, where, f" ({how})")
        if answer.kind is ErrorKind.QUOTA:
            yield fail(gateway_id, f"its table takes no more: {answer}", "have its quota raised")
    elif answer.kind is ErrorKind.DENIED and operation is Operation.MODIFY:
        yield note(CLOUD, f"may not {operation.action}{where}: {_COSTS[operation]}", "or grant it")
    elif answer.kind in (ErrorKind.DENIED, ErrorKind.AUTH):
        yield _refused(answer, where)
    else:
        text = f"not known whether {operation.action} is granted{where}: {answer}"
        yield note(CLOUD, text, "try again")
