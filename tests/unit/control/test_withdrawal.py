"""What is taken off pods once it is published no longer."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dnatctl.config import Publishing
from dnatctl.control.people.untold import ASK_AGAIN_S
from dnatctl.control.people.withdrawal import Withdrawal
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import ENDPOINTS, POD_READY, Condition, Pod
from tests.support.clock import FakeClock
from tests.unit.plan.made import pod

TOLD = Condition(POD_READY, "True", "EntriesAvailable", "1 of 1 ports are reachable", "t")
CARRIES = pod(condition=TOLD)
CARRIES = replace(CARRIES, annotations=CARRIES.annotations | {ENDPOINTS: "1.1.1.1:600/tcp->80"})
OFF = Publishing(condition=False, annotation=False)


class Api:
    """Has one pod, and takes off it what it is asked to, unless it is to fail."""

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self.now: Pod = CARRIES

    def remove_condition(self, _pod: Pod) -> Pod:
        return self._becomes(replace(self.now, condition=None))

    def patch_annotation(self, _pod: Pod, name: str, value: str | None) -> Pod:
        assert value is None
        rest = {key: text for key, text in self.now.annotations.items() if key != name}
        return self._becomes(replace(self.now, annotations=rest))

    def _becomes(self, a_pod: Pod) -> Pod:
        if self.failure:
            raise KubeError(self.failure, "no")
        self.now = a_pod
        return a_pod


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def withdrawal(api: Any, clock: FakeClock) -> Withdrawal:
    return Withdrawal(api, lambda _pod: None, clock)


def after(withdrawal: Withdrawal, api: Api, publish: Publishing) -> Pod:
    """The pod when all is done that is due."""
    for take_off in withdrawal.due(api.now, publish):
        take_off()
    return api.now


def test_all_that_is_off_goes_once(withdrawal: Withdrawal, api: Api) -> None:
    left = after(withdrawal, api, OFF)
    assert left.condition is None
    assert left.annotations == pod().annotations
    assert list(withdrawal.due(left, OFF)) == []


@pytest.mark.parametrize("condition", [None, True])
def test_what_is_published_stays(withdrawal: Withdrawal, condition: bool | None) -> None:
    """Where it is not said whether the condition is wanted, it is set where there is leave."""
    assert list(withdrawal.due(CARRIES, Publishing(condition=condition, annotation=True))) == []


def test_one_alone_may_be_off(withdrawal: Withdrawal, api: Api) -> None:
    left = after(withdrawal, api, Publishing(condition=True, annotation=False))
    assert left == replace(CARRIES, annotations=pod().annotations)
    assert after(withdrawal, api, Publishing(condition=False, annotation=True)) == pod()


def test_a_pod_that_carries_nothing_of_it_costs_no_request(withdrawal: Withdrawal) -> None:
    assert list(withdrawal.due(pod(), OFF)) == []


def test_a_missing_leave_is_believed_for_a_while_in_that_namespace(
    withdrawal: Withdrawal, api: Api, clock: FakeClock
) -> None:
    api.failure = Failure.FORBIDDEN
    assert after(withdrawal, api, OFF) == CARRIES
    assert list(withdrawal.due(CARRIES, OFF)) == []
    elsewhere = replace(CARRIES, key=replace(CARRIES.key, namespace="elsewhere"))
    assert len(list(withdrawal.due(elsewhere, OFF))) == 2
    clock.advance(ASK_AGAIN_S)
    assert len(list(withdrawal.due(CARRIES, OFF))) == 2


def test_any_other_failure_is_the_callers(withdrawal: Withdrawal, api: Api) -> None:
    api.failure = Failure.SERVER
    for take_off in withdrawal.due(CARRIES, OFF):
        with pytest.raises(KubeError):
            take_off()
    assert len(list(withdrawal.due(CARRIES, OFF))) == 2, "it is tried again"
