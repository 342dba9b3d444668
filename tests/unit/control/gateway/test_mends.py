"""What people are told of refused writes: the vendor's words, a mend, and no news that is none."""

from __future__ import annotations

import pytest

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.mends import LOSSES_UNTOLD, hindrance, is_passing, told


def error(
    kind: ErrorKind,
    code: str = "Some.Code",
    request: str = "R1",
    what: Operation = Operation.CREATE,
) -> CloudError:
    return CloudError(what, kind, code=code, message="no", request_id=request)


def test_a_quota_names_gateway_number_and_mend_and_no_word_twice() -> None:
    text = told(error(ErrorKind.QUOTA, "QuotaExceeded"), "", "ngw-1", 20)
    assert text.startswith("ngw-1: its table takes no more than the 20 entries it has; ")
    assert "natgw_quota_dnat_entry_num" in text
    assert text.count("QuotaExceeded") == 1


def test_a_missing_leave_is_named() -> None:
    text = told(error(ErrorKind.DENIED, "Forbidden.RAM"), "", "ngw-1", 0)
    assert text.endswith("grant the controller's credentials vpc:CreateForwardEntry")


@pytest.mark.parametrize("kind", [ErrorKind.QUOTA, ErrorKind.DENIED, ErrorKind.REJECTED])
def test_the_same_refusal_once_more_is_no_news(kind: ErrorKind) -> None:
    first = told(error(kind), "", "ngw-1", 20)
    assert told(error(kind, request="R2"), first, "ngw-1", 21) == first
    assert told(error(kind, "Other.Code"), first, "ngw-1", 20) != first


def test_what_holds_a_delete_is_the_same_at_each_try() -> None:
    texts = {
        hindrance(error(ErrorKind.DENIED, request=request, what=Operation.DELETE))
        for request in ("R1", "R2")
    }
    (text,) = texts
    assert text.startswith("DeleteForwardEntry: Some.Code: no; grant ")
    assert text.endswith(" vpc:DeleteForwardEntry")


def test_one_lost_answer_is_not_told_and_a_dead_cloud_is() -> None:
    untold = [is_passing(ErrorKind.UNKNOWN, n) for n in range(LOSSES_UNTOLD + 1)]
    assert untold == [True] * LOSSES_UNTOLD + [False]
    assert is_passing(ErrorKind.BUSY, 100)
    assert not is_passing(ErrorKind.DENIED, 0)
