"""The real API server answers as the cases say that the emulated one is held to."""

from collections.abc import Iterator

import pytest

from tests.conformance.cases import Case, load_cases
from tests.conformance.playing import Server, play
from tests.e2e.control_plane import ControlPlane


@pytest.fixture(scope="module")
def server(control_plane: ControlPlane) -> Iterator[Server]:
    """The real server, with the custom resource of the cases."""
    made = Server(
        control_plane.url,
        control_plane.compact_etcd,
        headers={"Authorization": f"Bearer {control_plane.tokens['admin']}"},
        authority=str(control_plane.authority),
        later="v1.20." not in control_plane.version_of("kube-apiserver"),
    )
    made.install()
    yield made
    made.close()


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.case)
def test_the_real_server_answers_as_the_case_says(
    server: Server, namespace: str, case: Case
) -> None:
    assert play(case, server, namespace) == []
