"""Rows that become a PodDNAT's, and a ledger that takes the note, or does not."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from dnatctl.control.worker.adopter import Adopter
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import Adopted, Key, PodDNAT
from dnatctl.plan.values import Adopt

WEB = Key("games", "web")
RECORD = PodDNAT(WEB, "uid-1", "1")
STEP = Adopt("ngw-a", ("fwd-1", "fwd-2"))
NOTED = Adopted("uid-1", WEB.digest, "ngw-a")


class World:
    """A ledger that takes notes unless `full`, and what is held of them."""

    def __init__(self) -> None:
        self.full = False
        self.noted: dict[str, Adopted] = {}
        self.adopted: dict[str, Adopted] = {}

    def note(self, gateway_id: str, adopted: Mapping[str, Adopted]) -> None:
        if self.full:
            raise KubeError(Failure.FORBIDDEN, "exceeded quota")
        self.noted.update(adopted)

    def load(self, gateway_id: str) -> dict[str, Adopted]:
        return self.noted

    def adopt(self, adopted: Mapping[str, Adopted]) -> None:
        self.adopted.update(adopted)


@pytest.fixture
def world() -> World:
    return World()


def seen(record: PodDNAT | None = RECORD) -> Any:
    return SimpleNamespace(key=WEB, record=record)


def made(world: Any) -> Adopter:
    return Adopter(world, world)


def test_what_cannot_be_noted_is_not_held(world):
    world.full = True
    with pytest.raises(KubeError):
        made(world).adopt(RECORD, STEP)
    assert world.adopted == {}
    world.full = False
    made(world).adopt(RECORD, STEP)
    assert world.adopted == world.noted == dict.fromkeys(STEP.entry_ids, NOTED)


def test_what_is_held_all_the_same_is_noted_once_it_is_taken(world):
    adopter, world.full = made(world), True
    assert adopter.note_late(seen()) is None, "there is nothing to note"
    adopter.adopt_unnoted(RECORD, STEP)
    assert world.adopted == dict.fromkeys(STEP.entry_ids, NOTED)
    problem = adopter.note_late(seen())
    assert problem is not None
    assert "exceeded quota" in problem.message
    world.full = False
    assert adopter.note_late(seen()) is None
    assert world.noted == dict.fromkeys(STEP.entry_ids, NOTED)
    world.noted.clear()
    assert adopter.note_late(seen()) is None
    assert world.noted == {}, "once is enough"


def test_of_a_poddnat_that_is_gone_nothing_is_noted(world):
    adopter = made(world)
    adopter.adopt_unnoted(RECORD, STEP)
    assert adopter.note_late(seen(None)) is None
    assert adopter.note_late(seen()) is None
    assert world.noted == {}


def test_nor_is_it_for_the_next_poddnat_of_that_name(world):
    adopter = made(world)
    adopter.adopt_unnoted(RECORD, STEP)
    assert adopter.note_late(seen(PodDNAT(WEB, "uid-2", "1"))) is None
    assert adopter.note_late(seen()) is None
    assert world.noted == {}


def test_a_note_that_was_stored_without_an_answer_is_held(world):
    world.noted["fwd-3"] = NOTED
    made(world).load("ngw-a")
    assert world.adopted == {"fwd-3": NOTED}
