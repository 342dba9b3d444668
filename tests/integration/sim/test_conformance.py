"""The emulated API server answers as the real one does, but for what is listed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dnatctl_sim.kube import KubeServer, Settings
from tests.conformance.cases import Case, emulated, load_cases, load_differences
from tests.conformance.playing import Server, play

CASES = load_cases()
DIFFERENCES = load_differences()
Servers = dict[bool, tuple[KubeServer, Server]]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """One without and one with those who change objects by themselves."""
    with ExitStack() as stack:
        made: Servers = {}
        for actors in (False, True):
            kube = stack.enter_context(KubeServer(settings=Settings(actors=actors)))
            server = Server(kube.url, kube.compact)
            stack.callback(server.close)
            server.install()
            made[actors] = (kube, server)
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case)
def test_it_answers_as_the_real_server(servers: Servers, case: Case) -> None:
    kube, server = servers[case.collected]
    namespace = f"case-{CASES.index(case)}"
    kube.store.create("namespaces", {"metadata": {"name": namespace}})

    assert play(emulated(case, DIFFERENCES), server, namespace) == []


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.case for case in CASES]
    assert sorted(names) == sorted(set(names))


def test_every_difference_is_of_a_case_and_has_a_reason() -> None:
    names = {case.case for case in CASES}
    assert [d.case for d in DIFFERENCES if d.case not in names or not d.because.strip()] == []
