"""What others write is understood or refused: a few hundred of each kind; more in `make fuzz`."""

from __future__ import annotations

from random import Random

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz import HARNESSES
from tests.fuzz.harness import Bounded, Harness
from tests.fuzz.mutations import mutate

FEW = 200


@pytest.fixture(autouse=True)
def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def _named(harness: Harness) -> str:
    return harness.name


@pytest.mark.parametrize("harness", HARNESSES, ids=_named)
def test_what_is_spoilt_is_understood_or_refused(harness: Harness) -> None:
    random = Random(harness.name)
    for _ in range(FEW):
        harness.read(mutate(random.choice(harness.seeds), random, harness.words))


@pytest.mark.parametrize("harness", HARNESSES, ids=_named)
def test_no_more_memory_is_taken_than_it_is_worth(harness: Harness) -> None:
    for seed in harness.seeds:
        Bounded(harness).weigh(seed)
        Bounded(harness).weigh(seed + b"[" * 20_000)


@pytest.mark.parametrize("harness", HARNESSES, ids=_named)
@settings(max_examples=FEW)
@given(data=st.binary(max_size=200))
@example(data=b"")
def test_bytes_of_any_kind_are(harness: Harness, data: bytes) -> None:
    harness.read(data)


@pytest.mark.parametrize("harness", HARNESSES, ids=_named)
def test_a_seed_is_read_as_what_it_stands_for(harness: Harness) -> None:
    """Else all that is tried ends at the first step."""
    assert harness.seeds
    for seed in harness.seeds:
        harness.read(seed)
