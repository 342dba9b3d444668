"""Whatever a controller leaves behind, its keys are not in it."""

from __future__ import annotations

import json
import resource
import urllib.error
import urllib.request

import pytest

from dnatctl_sim.cloud import Fault
from dnatctl_sim.cloud.spec import ACCESS_KEY, ACCESS_SECRET
from tests.integration.faults.test_process_life import port_of, program
from tests.support.process import Program
from tests.support.stage import stage

ECHO = f"signed with {ACCESS_KEY}:{ACCESS_SECRET}, which nobody may know"
"""What a careless proxy or cloud may answer: such words end up in events and conditions."""

KINDS = ("pods", "poddnats.alibabacloud.com", "events", "leases.coordination.k8s.io", "configmaps")
PAGES = (("health", "/readyz?verbose"), ("metrics", "/metrics"), ("status", "/status"))

UNLIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
"""


def test_nothing_that_a_run_leaves_behind_holds_a_key() -> None:
    with stage() as it, program(it, "--log-level", "debug", elect=True) as controller:
        for api in ("CreateForwardEntry", "DescribeForwardTableEntries", "DescribeNatGateways"):
            it.cloud.add_fault(
                Fault(action="error", apis=[api], code="Odd.Code", message=ECHO, times=3)
            )
        controller.start()
        it.pod("web")
        it.ready("web")
        left = {kind: json.dumps(it.kube.store.list(kind)) for kind in KINDS}
        left["ps"] = controller.shown_by_ps()
        left |= {page: _page(controller, which, page) for which, page in PAGES}
        controller.end()
        left["log"] = controller.log.read_text("utf-8")
        assert "which nobody may know" in left["log"], "what was answered is shown"
        for key in (ACCESS_SECRET, ACCESS_KEY):
            assert [where for where, text in left.items() if key in text] == []


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_CORE)[1] in {0, 1}, reason="there are no core dumps here"
)
def test_its_memory_is_in_no_core_dump() -> None:
    with stage() as it, program(it, before=UNLIMITED) as controller:
        controller.start()
        it.pod("web")
        it.ready("web")
        assert controller.limit_of_cores() == "1"


def _page(controller: Program, which: str, path: str) -> str:
    url = f"http://127.0.0.1:{port_of(controller, which)}{path}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            text: bytes = answer.read()
    except urllib.error.HTTPError as answer:  # not ready: what it says then matters as much
        with answer:
            text = answer.read()
    assert text
    return text.decode()
