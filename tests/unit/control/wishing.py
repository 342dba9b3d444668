"""Wishes, and what becomes of them, in as few words as a test needs."""

from __future__ import annotations

from dnatctl.control.wishes import Wish, Wishes
from dnatctl.model import NewEntry, PortRange, Protocol
from dnatctl.plan.values import CreateRow, DeleteRow, ModifyRow, Write

GATEWAY = "ngw-1"


def entry(port: int) -> NewEntry:
    ports = PortRange(port, port)
    return NewEntry("1.1.1.1", ports, "10.0.0.1", PortRange(80, 80), Protocol.TCP, "name")


def create(port: int = 600, intent: str = "1/") -> CreateRow:
    return CreateRow(GATEWAY, entry(port), intent)


def modify(entry_id: str = "fwd-1", port: int = 600) -> ModifyRow:
    return ModifyRow(GATEWAY, entry_id, entry(port), "1/")


def delete(entry_id: str = "fwd-1") -> DeleteRow:
    return DeleteRow(GATEWAY, entry_id)


def wanted(*writes: Write, uid: str = "a", namespace: str = "games") -> Wishes:
    wishes = Wishes()
    wishes.want(uid, namespace, writes)
    return wishes


def carry_out(wishes: Wishes, now: float = 0.0) -> Wish | None:
    """Send the next write and have it accepted."""
    wish = wishes.take(now)
    if wish is not None:
        wishes.answered(wish)
        wishes.drop(wish)
        wishes.done(wish)
    return wish


def order(wishes: Wishes, most: int = 1000) -> list[Write]:
    """Everything there is, in the order in which it is written."""
    done = []
    while (wish := carry_out(wishes)) and len(done) < most:
        done.append(wish.write)
    return done


def lose(wishes: Wishes, now: float = 0.0) -> Wish:
    """Send the next write; no answer comes."""
    wish = wishes.take(now)
    assert wish is not None
    wish.lost_at = now
    wishes.done(wish)
    return wish
