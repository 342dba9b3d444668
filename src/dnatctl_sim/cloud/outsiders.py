"""What others do to the account while a client works: the console, Terraform, the vendor.

No act asks for permission, waits its turn or counts as a call.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dnatctl_sim.cloud.cloud import Cloud
from dnatctl_sim.cloud.errors import refusal
from dnatctl_sim.cloud.mapping import Mapping
from dnatctl_sim.cloud.scenario import build_eni, eip_id, put_entry
from dnatctl_sim.cloud.spec import EniSpec, EntrySpec
from dnatctl_sim.cloud.table import NEVER, ForwardTable, Row
from dnatctl_sim.cloud.world import AccessKey, Eip, NatGateway


class Acts:
    """The acts; each takes effect at once. Raise ApiError where the cloud itself would refuse,
    LookupError for an ID that is not there.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def create_entry(
        self,
        table: str,
        external_ip: str,
        external_port: str,
        internal_ip: str,
        internal_port: str,
        *,
        protocol: str = "tcp",
        name: str = "",
    ) -> str:
        """Put a row, `Available` at once, that no call of the client made; returns its ID."""
        spec = EntrySpec(
            external_ip=external_ip,
            external_port=external_port,
            internal_ip=internal_ip,
            internal_port=internal_port,
            protocol=protocol,
            name=name,
        )
        with self._cloud.lock:
            found = self._table(table)
            self._check_free(found, Mapping(*_fields(spec)))
            return put_entry(found, spec).entry_id

    def edit_entry(self, entry_id: str, **changes: str) -> None:
        """Change fields of a row (`external_ip` ... `protocol`, `name`), with no time in flux."""
        with self._cloud.lock:
            table, row = self._row(entry_id)
            row.name = changes.pop("name", row.name)
            m = row.mapping
            old = {
                "external_ip": m.external_ip,
                "external_port": m.external_port,
                "internal_ip": m.internal_ip,
                "internal_port": m.internal_port,
                "protocol": m.protocol,
            }
            mapping = Mapping(**(old | changes))
            self._check_free(table, mapping, besides=entry_id)
            table.remap(row, mapping)

    def delete_entry(self, entry_id: str) -> None:
        """Remove a row at once."""
        with self._cloud.lock:
            table, row = self._row(entry_id)
            table.drop(row)

    def hold_entry(self, entry_id: str, status: str = "Pending") -> None:
        """Keep a row in flux until `release_entry`."""
        if status not in ("Pending", "Deleting"):
            raise ValueError(f"not a status in flux: {status}")
        with self._cloud.lock:
            table, row = self._row(entry_id)
            table.mark(row, "Pending" if status == "Pending" else "Deleting", NEVER)

    def release_entry(self, entry_id: str) -> None:
        """Let a held row settle now."""
        with self._cloud.lock:
            table, row = self._row(entry_id)
            table.mark(row, row.status, self._cloud.clock.monotonic())

    def fail_entry(self, entry_id: str) -> None:
        """Give up the cloud's own work on a row in flux: it is Available, as it is."""
        with self._cloud.lock:
            table, row = self._row(entry_id)
            table.mark(row, "Available", self._cloud.clock.monotonic())

    def set_gateway(
        self, gateway: str, *, status: str = "", business_status: str = "", nat_type: str = ""
    ) -> None:
        """Change a gateway's status (`Modifying`, ...) or BusinessStatus (`FinancialLocked`)."""
        with self._cloud.lock:
            found = self._gateway(gateway)
            found.status = status or found.status
            found.business_status = business_status or found.business_status
            found.nat_type = nat_type or found.nat_type

    def delete_gateway(self, gateway: str) -> None:
        """Remove a gateway, its table and its rows; its EIPs become free."""
        with self._cloud.lock:
            del self._cloud.world.gateways[self._gateway(gateway).gateway_id]
            for eip in self._cloud.world.eips_of(gateway):
                eip.instance_id, eip.instance_type, eip.status = "", "", "Available"

    def bind_eip(self, ip: str, gateway: str, *, seconds: float = 0.0) -> None:
        """Bind an EIP, made if there is none, to a gateway; `Associating` for so long."""
        with self._cloud.lock:
            found = self._gateway(gateway)
            world = self._cloud.world
            eip = world.eips.setdefault(ip, Eip(ip, eip_id(ip), found.vpc.region))
            eip.instance_id, eip.instance_type = found.gateway_id, "Nat"
            eip.status = "Associating"
            eip.settles_at = self._cloud.clock.monotonic() + seconds

    def unbind_eip(self, ip: str, *, seconds: float = 0.0, force: bool = False) -> None:
        """Unbind an EIP; `Unassociating` for so long.

        Raises ApiError, unless `force`, while rows use it, as the cloud does.
        """
        with self._cloud.lock:
            eip = self._eip(ip)
            gateway = self._cloud.world.gateways.get(eip.instance_id)
            if gateway and gateway.table.external.uses(ip) and not force:
                raise refusal("InvalidIpStatus.HasBeenUsedByForwardEntry")
            eip.status = "Unassociating"
            eip.settles_at = self._cloud.clock.monotonic() + seconds

    def set_eip(
        self, ip: str, *, business_status: str = "", serves_snat: bool | None = None
    ) -> None:
        """Lock an EIP (`FinancialLocked`, `Normal`), or use it for SNAT."""
        with self._cloud.lock:
            eip = self._eip(ip)
            eip.business_status = business_status or eip.business_status
            if serves_snat is not None:
                eip.serves_snat = serves_snat

    def add_eni(self, **spec: object) -> None:
        """Declare an interface; `spec` as in a scenario's `enis`."""
        eni = build_eni(msgspec.convert(spec, EniSpec))
        with self._cloud.lock:
            self._cloud.world.enis[eni.eni_id] = eni

    def set_public_ip(self, ip: str, public_ip: str, *, vpc: str = "") -> None:
        """Give a pod's IP an EIP of its own, or with an empty one take it away."""
        with self._cloud.lock:
            for vpc_id in self._vpcs(vpc):
                if public_ip:
                    self._cloud.world.public_ips[vpc_id, ip] = public_ip
                else:
                    self._cloud.world.public_ips.pop((vpc_id, ip), None)

    def set_unknown_ip(self, ip: str, *, unknown: bool = True, vpc: str = "") -> None:
        """Make an IP belong to no interface, or to one again."""
        with self._cloud.lock:
            for vpc_id in self._vpcs(vpc):
                if unknown:
                    self._cloud.world.unknown_ips.add((vpc_id, ip))
                else:
                    self._cloud.world.unknown_ips.discard((vpc_id, ip))

    def add_key(self, key_id: str, secret: str) -> None:
        """Let an AccessKey sign calls."""
        with self._cloud.lock:
            world = self._cloud.world
            world.keys[key_id] = AccessKey(key_id, secret, world.account)

    def revoke_key(self, key_id: str) -> None:
        """Forget an AccessKey or STS key."""
        with self._cloud.lock:
            self._cloud.world.keys.pop(key_id, None)

    def expire_keys(self) -> None:
        """End every STS key now."""
        with self._cloud.lock:
            now = self._cloud.clock.now().timestamp()
            for key in self._cloud.world.keys.values():
                if key.token:
                    key.expires = now

    def _check_free(self, table: ForwardTable, mapping: Mapping, besides: str = "") -> None:
        external = table.external.holder(
            mapping.external_ip, mapping.protocol, mapping.external_ports, besides=besides
        )
        internal = table.internal.holder(
            mapping.internal_ip, mapping.protocol, mapping.internal_ports, besides=besides
        )
        if external or internal:
            raise refusal(self._cloud.knobs.duplicate_external_code)

    def _table(self, table_id: str) -> ForwardTable:
        for gateway in self._cloud.world.gateways.values():
            if table_id in (gateway.table.table_id, gateway.gateway_id):
                return gateway.table
        raise LookupError(f"no such table: {table_id}")

    def _row(self, entry_id: str) -> tuple[ForwardTable, Row]:
        self._cloud.context()
        for gateway in self._cloud.world.gateways.values():
            if row := gateway.table.rows.get(entry_id):
                return gateway.table, row
        raise LookupError(f"no such entry: {entry_id}")

    def _gateway(self, gateway_id: str) -> NatGateway:
        return self._cloud.world.gateways[gateway_id]

    def _eip(self, ip: str) -> Eip:
        self._cloud.context()
        return self._cloud.world.eips[ip]

    def _vpcs(self, vpc_id: str) -> Iterable[str]:
        return [vpc_id] if vpc_id else list(self._cloud.world.vpcs)


def _fields(spec: EntrySpec) -> tuple[str, str, str, str, str]:
    return (
        spec.external_ip, spec.external_port, spec.internal_ip, spec.internal_port, spec.protocol,
    )  # fmt: skip
