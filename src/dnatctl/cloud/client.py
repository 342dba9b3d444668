"""`CloudApi` on the vendor's SDK."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from alibabacloud_vpc20160428 import models as vpc

import dnatctl
from dnatctl.clock import Clock, SystemClock
from dnatctl.cloud import wire
from dnatctl.cloud.api import PAGE_SIZE, EntryPage, Guard, Unsaid
from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.hollow import HollowAnswers, Question, is_hollow
from dnatctl.cloud.interfaces import Interfaces
from dnatctl.cloud.limits import Limits
from dnatctl.cloud.operation import Operation
from dnatctl.cloud.providers import Provider
from dnatctl.cloud.sdk import UNREADABLE, ApiHost, OnCall, Sdk, SdkSettings
from dnatctl.cloud.text import shown
from dnatctl.cloud.translate import MOST_PAGES, require_list, unreadable
from dnatctl.model import Eni, ForwardEntry, Gateway, NewEntry

_EIP_PAGE_SIZE: Final = 100

NO_ROW: Final = "fwd-dnatctl-check"
"""The ID of no row: the vendor's have letters and digits behind the `fwd-`, and no second dash."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _understood(operation: Operation) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """For what reads an answer: where that has another shape than documented, raise CloudError."""

    def of(read: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(read)
        def reading(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                return read(*args, **kwargs)
            except UNREADABLE as error:
                raise unreadable(operation, "not as documented") from error

        return reading

    return of


class Cloud:
    """See `api.CloudApi`, which this satisfies. One object serves all threads.

    The first call should be made before there are many threads (`describe_gateways` is): the SDK
    opens a connection pool per thread that races for the first one.
    """

    def __init__(self, sdk: Sdk, region_id: str, vpc_id: str, clock: Clock | None = None) -> None:
        self._sdk = sdk
        self._region_id = region_id
        self._vpc_id = vpc_id
        self._hollow = HollowAnswers(clock or SystemClock())
        self._interfaces = Interfaces(sdk, region_id, vpc_id)

    @classmethod
    def connect(
        cls,
        region_id: str,
        vpc_id: str,
        credentials: Provider,
        *,
        vpc_endpoint: str = "",
        ecs_endpoint: str = "",
        limits: Mapping[Operation, float] | None = None,
        wait: Callable[[float], bool] | None = None,
        observe: OnCall | None = None,
        connect_timeout: float = 5,
        read_timeout: float = 10,
        user_agent: str = f"dnatctl/{dnatctl.__version__}",
        clock: Clock | None = None,
    ) -> Cloud:
        """The cloud of one VPC; no call is made yet.

        An endpoint is `https://host`, `http://host:port` or a host, empty for the region's own.
        `limits`: ceilings in calls a second. `wait(seconds)` returns True if the program stops
        meanwhile, as `threading.Event.wait` does. Timeouts in seconds. Raises ValueError for an
        endpoint that is none.
        """
        settings = SdkSettings(
            region_id,
            ApiHost.parse(vpc_endpoint),
            ApiHost.parse(ecs_endpoint),
            user_agent,
            connect_timeout,
            read_timeout,
        )
        sdk = Sdk(settings, credentials, Limits(limits, wait, clock), observe or _ignore)
        return cls(sdk, region_id, vpc_id, clock)

    @property
    def rates(self) -> dict[Operation, float | None]:
        """The present pace of each API in calls a second, None where nothing limits it."""
        return self._sdk.rates()

    @_understood(Operation.READ_GATEWAYS)
    def describe_gateways(
        self, wanted: Collection[str] = (), heard: Callable[[Gateway], None] | None = None
    ) -> list[Gateway]:
        """See `CloudApi.describe_gateways`."""
        rows = wire.named(self._gateway_rows(vpc_id=self._vpc_id), "nat_gateway_id")
        found, errors = [], []
        for gateway_id in wanted or rows:
            try:
                found.append(self._gateway(gateway_id, rows))
            except CloudError as error:
                if not error.may_be_of_one:
                    raise
                errors.append(error)
                found.append(self._unread(gateway_id, rows, error))
            else:
                if heard is not None:
                    heard(found[-1])
        if found and all(gateway.unread for gateway in found):
            raise errors[0]  # it is not about one of them
        return found

    @_understood(Operation.READ_TABLE)
    def read_page(self, table_id: str, page_number: int) -> EntryPage:
        """See `CloudApi.read_page`."""
        body = self._read_table(
            forward_table_id=table_id, page_number=page_number, page_size=PAGE_SIZE
        )
        total = _total(Operation.READ_TABLE, body)
        listed = getattr(body.forward_table_entries, "forward_table_entry", None)
        if listed is None and total > (page_number - 1) * PAGE_SIZE:
            raise unreadable(Operation.READ_TABLE, "rows are missing", body.request_id or "")
        entries = _entries(body)
        hollow = is_hollow(page_number, total, len(entries))
        self._weigh((table_id, page_number), body, hollow=hollow)
        return EntryPage(total, entries)

    @_understood(Operation.READ_TABLE)
    def read_entry(self, table_id: str, entry_id: str) -> ForwardEntry | None:
        """See `CloudApi.read_entry`."""
        try:
            body = self._read_table(forward_table_id=table_id, forward_entry_id=entry_id)
        except CloudError as error:
            if error.kind is ErrorKind.GONE:
                self._hollow.refuted((table_id, entry_id))
                return None
            raise
        entries = _entries(body)
        hollow = is_hollow(1, _total(Operation.READ_TABLE, body), len(entries))
        self._weigh((table_id, entry_id), body, hollow=hollow)
        found = next((entry for entry in entries if entry.entry_id == entry_id), None)
        if found is None and entries:
            why = "other rows than the one that was asked for"
            raise unreadable(Operation.READ_TABLE, why, body.request_id or "")
        return found

    @_understood(Operation.CREATE)
    def create_entry(
        self, table_id: str, new: NewEntry, token: str, guard: Guard | None = None
    ) -> str:
        """See `CloudApi.create_entry`."""
        request = vpc.CreateForwardEntryRequest(
            region_id=self._region_id,
            client_token=token,
            **wire.new_entry_fields(table_id, new),
        )
        body = self._sdk.call(Operation.CREATE, request, guard)
        if not body.forward_entry_id:
            raise unreadable(Operation.CREATE, "no ForwardEntryId", body.request_id or "")
        return str(body.forward_entry_id)

    def delete_entry(
        self, table_id: str, entry_id: str, token: str, guard: Guard | None = None
    ) -> None:
        """See `CloudApi.delete_entry`."""
        request = vpc.DeleteForwardEntryRequest(
            region_id=self._region_id,
            client_token=token,
            forward_table_id=table_id,
            forward_entry_id=entry_id,
        )
        self._sdk.call(Operation.DELETE, request, guard)

    def modify_entry(
        self,
        table_id: str,
        entry_id: str,
        new: NewEntry,
        token: str,
        guard: Guard | None = None,
    ) -> None:
        """See `CloudApi.modify_entry`."""
        request = vpc.ModifyForwardEntryRequest(
            region_id=self._region_id,
            client_token=token,
            forward_entry_id=entry_id,
            **wire.new_entry_fields(table_id, new),
        )
        self._sdk.call(Operation.MODIFY, request, guard)

    def rehearse(self, operation: Operation, table_id: str, entry: NewEntry) -> CloudError:
        """What the cloud answers to a write of that kind that is not made.

        Creating and changing have a dry run, which "checks the AccessKey pair, the authorization of
        the RAM user, and the required parameters" and ends in an error even where all is well
        (https://help.aliyun.com/zh/nat-gateway/developer-reference/api-vpc-2016-04-28-createforwardentry).
        Deleting has none: what is asked for is the row `NO_ROW`, which is in no table.
        """
        request = _REHEARSALS[operation](self._region_id, table_id, entry)
        try:
            self._sdk.call(operation, request)
        except CloudError as error:
            return error
        return CloudError(operation, ErrorKind.UNKNOWN, message="accepted, which no dry run is")

    @_understood(Operation.READ_ENIS)
    def find_enis(self, ips: Collection[str]) -> dict[str, Eni | Unsaid]:
        """See `CloudApi.find_enis`."""
        return self._interfaces.find(ips)

    def _gateway(self, gateway_id: str, rows: dict[str, Any]) -> Gateway:
        """`rows`: those of the VPC's gateways; what is elsewhere is added."""
        if gateway_id not in rows:
            listed = list(self._gateway_rows(nat_gateway_id=gateway_id))
            rows |= (ids := wire.named(listed, "nat_gateway_id"))
            if listed and not ids:  # that it is absent has consequences
                raise unreadable(Operation.READ_GATEWAYS, "a gateway has no NatGatewayId")
        row = rows.get(gateway_id)
        if row is None:
            return wire.absent_gateway(gateway_id)
        eips = wire.gateway_eips(row, self._eip_rows(gateway_id))
        return wire.gateway(row, self._vpc_id, eips)

    def _unread(self, gateway_id: str, rows: dict[str, Any], error: CloudError) -> Gateway:
        """What is known of a gateway of which the cloud refuses to say all."""
        row = rows.get(gateway_id)
        if row is not None:
            return replace(wire.gateway(row, self._vpc_id, ()), unread=error.text)
        if error.kind is ErrorKind.GONE:
            return wire.absent_gateway(gateway_id)
        return Gateway(gateway_id, "", "", "", (), unread=error.text)

    def _gateway_rows(self, **filters: str) -> Iterator[Any]:
        def request(page: int) -> Any:
            return vpc.DescribeNatGatewaysRequest(
                region_id=self._region_id, page_number=page, page_size=PAGE_SIZE, **filters
            )

        return self._pages(
            Operation.READ_GATEWAYS, request, "nat_gateways", "nat_gateway", PAGE_SIZE
        )

    def _eip_rows(self, gateway_id: str) -> Iterator[Any]:
        def request(page: int) -> Any:
            return vpc.DescribeEipAddressesRequest(
                region_id=self._region_id,
                associated_instance_type="Nat",
                associated_instance_id=gateway_id,
                page_number=page,
                page_size=_EIP_PAGE_SIZE,
            )

        return self._pages(
            Operation.READ_EIPS, request, "eip_addresses", "eip_address", _EIP_PAGE_SIZE
        )

    def _pages(
        self,
        operation: Operation,
        request: Callable[[int], Any],
        container: str,
        name: str,
        page_size: int,
    ) -> Iterator[Any]:
        """The rows of all pages; a short page is the last one."""
        for page in range(1, MOST_PAGES + 1):
            body = self._sdk.call(operation, request(page))
            rows = wire.rows(getattr(body, container), name)
            # That there is none has consequences, so an answer must say so in full.
            if page == 1 and not rows and _total(operation, body) > 0:
                raise unreadable(operation, f"{container} are missing", body.request_id or "")
            yield from rows
            if len(rows) < page_size:
                return
        raise unreadable(operation, "pages without end")

    def _weigh(self, question: Question, body: Any, *, hollow: bool) -> None:
        """Raise CloudError for an answer that counts rows and lists none, until it is believed."""
        if not hollow:
            self._hollow.refuted(question)
        elif not self._hollow.heard(question):
            why = f"it counts rows ({body.total_count}) and lists none"
            raise unreadable(Operation.READ_TABLE, why, body.request_id or "")

    def _read_table(self, **filters: Any) -> Any:
        request = vpc.DescribeForwardTableEntriesRequest(region_id=self._region_id, **filters)
        body = self._sdk.call(Operation.READ_TABLE, request)
        # That a row is gone has consequences, so an answer must say so in full.
        _total(Operation.READ_TABLE, body)
        require_list(Operation.READ_TABLE, body, body.forward_table_entries)
        return body


def _dry_create(region_id: str, table_id: str, entry: NewEntry) -> Any:
    fields = wire.new_entry_fields(table_id, entry)
    return vpc.CreateForwardEntryRequest(region_id=region_id, dry_run=True, **fields)


def _dry_modify(region_id: str, table_id: str, entry: NewEntry) -> Any:
    fields = wire.new_entry_fields(table_id, entry)
    return vpc.ModifyForwardEntryRequest(
        region_id=region_id, forward_entry_id=NO_ROW, dry_run=True, **fields
    )


def _delete_nothing(region_id: str, table_id: str, _entry: NewEntry) -> Any:
    return vpc.DeleteForwardEntryRequest(
        region_id=region_id, forward_table_id=table_id, forward_entry_id=NO_ROW
    )


_REHEARSALS: Final[Mapping[Operation, Callable[[str, str, NewEntry], Any]]] = {
    Operation.CREATE: _dry_create,
    Operation.MODIFY: _dry_modify,
    Operation.DELETE: _delete_nothing,
}


def _entries(body: Any) -> tuple[ForwardEntry, ...]:
    """The rows of an answer; raises CloudError if one lacks a part.

    Made up for, a row of our own would seem to lead elsewhere: it would be changed, or deleted.
    """
    rows = wire.rows(body.forward_table_entries, "forward_table_entry")
    for row in rows:
        if lacking := wire.lacking(row):
            which = shown(row.forward_entry_id or "", longest=64).strip() or "of no ID"
            why = f"row {which} has no {', '.join(lacking)}"
            raise unreadable(Operation.READ_TABLE, why, body.request_id or "")
    return tuple(map(wire.entry, rows))


def _total(operation: Operation, body: Any) -> int:
    """How many there are over all pages; raises CloudError if the answer does not say."""
    text = str(body.total_count)
    if not text.isdecimal():
        raise unreadable(operation, "no TotalCount", body.request_id or "")
    return int(text)


def _ignore(operation: Operation, kind: str, seconds: float) -> None:
    """The observer of those who have none."""
