"""The image of a process's memory is whole: nothing the program remembers is left out of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pytest

from dnatctl.control.sight.look import Lookout
from dnatctl.control.state.ips import StatedIPs
from dnatctl.control.state.records import Records
from dnatctl.control.state.views import Views
from dnatctl.control.worker.reconciler import Reconciler
from dnatctl.pool.claims import Claims
from dnatctl.pool.gateway import OfferedGateway
from dnatctl.pool.line import Line
from dnatctl.pool.pool import Pool
from dnatctl.pool.proofs import Proofs
from dnatctl.pool.quarantine import Quarantine
from dnatctl.table.backlog import Backlog
from dnatctl.table.departed import Departed
from dnatctl.table.doubts import Doubts
from dnatctl.table.orphans import _Sighting
from dnatctl.table.view import Row, Table
from dnatctl.table.waiting import Remembered
from dnatctl.table.writes import PendingWrite
from tests.model.image import Image, PendingImage, RememberedImage
from tests.support.clock import FakeClock
from tests.unit.pool.made import offer
from tests.unit.table.made import EIP, GATEWAY, MARKS, TCP

CONSTANT = "given when it is made"
DERIVED = "an index over what is in the image"
UNUSED = "for waking up who waits: in small worlds everybody may act at any time"
FIXED = "the same in all small worlds"
UNCHANGED = "of a configuration that changes, which that of small worlds does not"
FEW_CHANGES = "fewer changes than it holds up are made in small worlds"
NO_QUOTA = "of quotas that there are none of in small worlds"
NEVER_REFUSED = "of refusals that there are none of in small worlds"
ONE_PAGE = "of tables of several pages, which none of small worlds has"
NOT_TWICE = "of writes that were accepted twice and not done: not in small worlds"

KEPT = {
    Table: {
        "_rows": "rows",
        "generation": "read",
        "first_read": "first_read",
        "_shown": "shown",
        "_doubts": "table",
        "_departed": "table",
        "_overlooked": ONE_PAGE,
        "lag": "table",
        "gateway_id": CONSTANT,
        "table_id": FIXED,
        "unreadable": FIXED,
        "read_wait": FIXED,
        "_owner_of": CONSTANT,
        "_vacated": CONSTANT,
        "_by_owner": DERIVED,
        "_by_internal_ip": DERIVED,
        "_by_external": DERIVED,
        "_in_flux": DERIVED,
    },
    Doubts: {
        "lag": "table",
        "_pasts": "table",
        "_doubts": "table",
    },
    Departed: {
        "_deleted": "deleted",
        "_gone": "table",
        "_given_up": "table",
    },
    Pool: {
        "quotas": NO_QUOTA,
        "_claims": "claims",
        "_quarantine": "quarantine",
        "_gateways": "lines",
        "_tables": CONSTANT,
        "proofs": UNCHANGED,
        "_dismissed": "dismissed",
        "trust": NEVER_REFUSED,
        "orders": UNUSED,
    },
    Proofs: {
        "_held": UNUSED,
        "_holders": DERIVED,
        "lapsed": UNUSED,
        "_in_use": UNCHANGED,
    },
    Claims: {
        "_by_uid": "claims",
        "_since": "contests",
        "_sequence": "contests",
        "_unused": "unused",
        "_counted_for": DERIVED,
        "_counts": DERIVED,
        "_claimants": DERIVED,
        "_contests": DERIVED,
        "_rows": DERIVED,
        "_ips": DERIVED,
    },
    Quarantine: {
        "_until": "quarantine",
        "_ports": DERIVED,
        "_retired": "retired",
        "_noted": "noted",
        "_waiting": UNUSED,
        "_all_until": FIXED,
        "_seconds": CONSTANT,
        "_ends": DERIVED,
        "_counted_for": NO_QUOTA,
        "_counts": NO_QUOTA,
    },
    Line: {
        **dict.fromkeys(("_fresh", "_returned", "_unused", "_first_use"), "lines"),
        "_left": DERIVED,
        "ports": CONSTANT,
    },
    OfferedGateway: {
        "_lines": "lines",
        "offer": CONSTANT,
        "left": UNCHANGED,
        "leaving": UNCHANGED,
        "_ranges": UNCHANGED,
        "_described_zone": FIXED,
        "bound": FIXED,
        "eips": FIXED,
        "problem": FIXED,
        "orphans": DERIVED,
        "zone_id": FIXED,
        "_known": FIXED,
        "_beside": FIXED,
        "_learned_limit": NEVER_REFUSED,
        "_learned_until": NEVER_REFUSED,
    },
    Views: {
        "pool": "claims",
        "tables": "rows",
        "adopted": "adopted",
        "going": "going",
        "went_along": FIXED,
        "records": "made",
        "ips": DERIVED,
        "marks": CONSTANT,
        "unmodifiable": NEVER_REFUSED,
        "clock": CONSTANT,
        "lock": CONSTANT,
        "gateways": FIXED,
        "absent": FIXED,
        "outages": FIXED,
        "waiting": UNUSED,
        "_awaiting_reading": UNUSED,
        "history": UNUSED,
        "orders": UNUSED,
    },
    Records: {
        "_made": "made",
        "_keys": DERIVED,
        "_pod_uids": DERIVED,
    },
    StatedIPs: {
        "_since": DERIVED,
        "_shared": DERIVED,
        "_lock": CONSTANT,
        "_clock": CONSTANT,
    },
    Lookout: {
        "_confirmed": "looks",
        "_workloads": "workloads",
        **dict.fromkeys(
            (
                "_views",
                "_pods",
                "_records",
                "_rules",
                "_policy",
                "_nodes",
                "_lookups",
                "_gateways",
                "_enis",
                "_tenancy",
                "_clock",
            ),
            CONSTANT,
        ),
    },
    Reconciler: {
        "_doubted": "doubted",
        "_refusals": NEVER_REFUSED,
        "_statuses": "mute",
        "_in_vain": NEVER_REFUSED,
        "_damper": FEW_CHANGES,
        **dict.fromkeys(
            (
                "_lookout",
                "_views",
                "_records",
                "_api",
                "_ledger",
                "_hands",
                "_reporter",
                "_note_soon",
                "_signals",
                "_dry_run",
                "_keeper",
            ),
            CONSTANT,
        ),
    },
    Backlog: {
        "waiting": CONSTANT,
        "_records": "backlog",
        "_deletes": "backlog",
        "_expedited": "backlog",
        "sending": "backlog",
        "_turns": FIXED,
        "_held": NEVER_REFUSED,
        "_unready": NEVER_REFUSED,
        "_behind": NEVER_REFUSED,
        "_vain": NOT_TWICE,
    },
}


def _made() -> list[object]:
    world = Views(MARKS, [offer()], 60.0, FakeClock())
    pool = world.pool
    gateway = pool._gateways[GATEWAY]
    line = gateway.line(EIP, TCP)
    return [
        world,
        world.table(GATEWAY),
        world.table(GATEWAY)._departed,
        world.table(GATEWAY)._doubts,
        pool,
        pool._claims,
        pool._quarantine,
        pool.proofs,
        gateway,
        line,
        Backlog(),
        world.records,
        world.ips,
    ]


@pytest.mark.parametrize("made", _made(), ids=lambda made: type(made).__name__)
def test_every_attribute_is_accounted_for(made: object) -> None:
    assert vars(made).keys() == KEPT[type(made)].keys(), "does tests/model/image.py carry it?"


@pytest.mark.parametrize(
    ("kept", "fields"),
    [
        (PendingWrite, (*PendingImage._fields, "looked_at")),  # for waking up who waits
        (Remembered, (*RememberedImage._fields, "hindrances")),  # NEVER_REFUSED
        (Row, Row.__dataclass_fields__),
        (_Sighting, ("orphan", "first", "generation")),
    ],
)
def test_every_field_is_accounted_for(kept: type, fields: Iterable[str]) -> None:
    renamed = {"not_before": "postponed"}
    has = {renamed.get(field.name, field.name) for field in dataclasses.fields(kept)}
    assert has == set(fields) - {"uid"} | (has & {"uid"}), "does tests/model/image.py carry it?"


def test_every_part_named_is_one_of_the_image() -> None:
    reasons = {CONSTANT, DERIVED, UNUSED, FIXED, NEVER_REFUSED}
    reasons |= {NO_QUOTA, FEW_CHANGES, UNCHANGED, NOT_TWICE, ONE_PAGE}
    named = {part for parts in KEPT.values() for part in parts.values()} - reasons
    assert named <= set(Image._fields)
