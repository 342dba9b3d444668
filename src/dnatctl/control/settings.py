"""What a controller is told to do: the configuration and the flags, in one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from dnatctl.config import Config, EntryPolicy
from dnatctl.model import PortRange
from dnatctl.plan.exposure import Rules
from dnatctl.plan.values import CHANGES_A_MINUTE, Policy, TakeOver
from dnatctl.pool import GatewayPool
from dnatctl.table.orphans import USUAL, Patience

LabelsOf = Callable[[str], Mapping[str, str] | None]
"""The labels of a namespace; None where they are not known."""

IDLE_SHARE = 10
IDLE_BOUNDS_S = (5.0, 30.0)
LONGEST_IDLE_SHARE = 0.8

CALL_CONNECT_S = 2.0
CALL_READ_S = 8.0
LONGEST_CALL_S = CALL_CONNECT_S + CALL_READ_S
"""A write is sent only if no other replica may take over for so long: by then the call, however
slow, has ended."""


@dataclass(slots=True)
class Settings:
    """`config` is another one when the file has changed (`dnatctl.control.people.reload`): whoever
    needs something of it asks for it each time. All else stays. Addresses are `host:port` or
    `:port`. `metrics_cert_folder`, `metrics_token_review`: by which certificate, and whether only
    to those whom the API server lets, metrics are served. `orphans`, `sweep_s`: how sure the
    sweeper must be, and how often it looks, in seconds.
    `changes_a_minute`: see `dnatctl.control.worker.damping`.
    """

    config: Config
    namespace: str
    identity: str
    metrics_address: str = ":8080"
    health_address: str = ":8081"
    status_address: str = "127.0.0.1:8082"
    metrics_cert_folder: Path | None = None
    metrics_token_review: bool = False
    leader_elect: bool = True
    workers: int = 4
    dry_run: bool = False
    orphans: Patience = USUAL
    sweep_s: float = 5.0
    changes_a_minute: int = CHANGES_A_MINUTE
    _rules: tuple[Config, Rules] | None = field(default=None, init=False, repr=False)
    """The rules made of the configuration that was in force when they were last asked for."""

    @property
    def idle_s(self) -> float:
        """How often a table at rest is read, in seconds: a tenth of `resync`, within reason."""
        least, most = IDLE_BOUNDS_S
        return min(self.config.resync, max(least, min(self.config.resync / IDLE_SHARE, most)))

    @property
    def longest_idle_s(self) -> float:
        """How often a long one is read at least: what others do to it is found within `resync`."""
        return max(self.idle_s, LONGEST_IDLE_SHARE * self.config.resync)

    def offers(self) -> list[GatewayPool]:
        """The pool as the configuration gives it."""
        return [
            GatewayPool(
                gateway_id=gateway.gateway_id,
                ports=gateway.ports,
                zone_id=gateway.zone_id or "",
                eips=gateway.eips,
                max_entries=gateway.max_entries,
                pack=gateway.pack_port_ranges,
                namespaces=gateway.namespaces,
            )
            for gateway in self.config.gateways
        ]

    def quota(self, namespace: str) -> int | None:
        """How many endpoints the namespace may have; None: as many as it likes."""
        return self.config.namespaces.limit(namespace)

    def deletes(self) -> bool:
        """Whether entries may be deleted."""
        return not (self.dry_run or self.config.policy is EntryPolicy.UPSERT_ONLY)

    def rules(self, labels: LabelsOf | None = None) -> Rules:
        """Which pods may be exposed."""
        config, made = self.config, self._rules
        if made is None or made[0] is not config:
            made = self._rules = (config, self._make_rules(config))
        namespaces = config.namespaces
        if labels is None or namespaces.selector is None:
            return made[1]
        return replace(made[1], denial=lambda name: namespaces.denial(name, labels(name)))

    @staticmethod
    def _make_rules(config: Config) -> Rules:
        return Rules(
            denial=config.namespaces.denial,
            grace_s=config.namespaces.grace,
            networks=config.vpc_cidrs,
            stateful_kinds=frozenset({"StatefulSet", *config.custom_stateful_workload_kinds}),
            max_ports=config.max_ports_per_pod,
            denied_ports=tuple(map(PortRange.read, config.denied_ports)),
        )

    def policy(
        self,
        *,
        unmodifiable: frozenset[str],
        keeps_conditions: bool,
        migrating_since: datetime | None,
    ) -> Policy:
        """What the program may do now; for `unmodifiable` see `Policy`. `migrating_since`: when a
        migration began that goes on."""
        migration = TakeOver(migrating_since, tuple(self.offers())) if migrating_since else None
        return Policy(
            upsert_only=self.config.policy is EntryPolicy.UPSERT_ONLY,
            take_over=migration,
            unmodifiable=unmodifiable,
            keeps_conditions=keeps_conditions,
            retain_s=self.config.fixed.retain,
            denied_ports=self.rules().denied_ports,
            max_ports=self.rules().max_ports,
        )
