"""The order in which the ports of one IP are handed out: least recently used first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dnatctl.model import PortRange
from dnatctl.pool import Line
from tests.support.memory import weighed


def everything(_: int) -> bool:
    return True


def line(first: int = 600, last: int = 604) -> Line:
    return Line(PortRange(first, last))


def test_fresh_ports_come_in_ascending_order():
    assert line().pick(3, everything) == [600, 601, 602]


def test_picking_takes_nothing():
    ports = line()
    assert ports.pick(1, everything) == ports.pick(1, everything) == [600]


def test_what_is_not_free_is_passed_over():
    assert line().pick(2, lambda port: port % 2 == 1) == [601, 603]


def test_too_few_is_none_at_all():
    assert line().pick(6, everything) is None
    assert line().pick(5, everything) == [600, 601, 602, 603, 604]


def test_returned_ports_come_after_fresh_ones_in_the_order_of_their_return():
    ports = line()
    for port in (600, 601, 602):
        ports.take(port)
    ports.give_back(602)
    ports.give_back(600)
    assert ports.pick(4, everything) == [603, 604, 602, 600]
    assert ports.never_used == 2


def test_a_port_that_is_used_and_returned_again_goes_to_the_end():
    ports = line(600, 601)
    for port in (600, 601, 600):
        ports.take(port)
        ports.give_back(port)
    assert ports.pick(2, everything) == [601, 600]


def test_a_port_returned_twice_in_a_row_goes_to_the_end():
    """Two claims to it have ended, one after the other."""
    ports = line(600, 601)
    for port in (600, 601, 600):
        ports.give_back(port)
    assert ports.pick(2, everything) == [601, 600]


def test_ports_passed_over_by_a_restored_claim_are_next_after_the_fresh_ones():
    ports = line()
    ports.take(602)
    assert ports.pick(4, everything) == [603, 604, 600, 601]
    assert ports.never_used == 2


def test_what_was_passed_over_and_used_since_is_in_line_once():
    ports = line(600, 606)
    ports.take(605)
    for port in (600, 603):
        ports.take(port)
    ports.give_back(603)
    assert ports.pick(5, everything) == [606, 601, 602, 604, 603]
    assert ports.pick(6, everything) is None
    ports.take(603)
    ports.put_back(603)
    assert ports.pick(5, everything) == [606, 603, 601, 602, 604]


def test_what_was_passed_over_takes_no_memory():
    """Whoever writes a PodDNAT may claim the last of all ports, on each of the external IPs."""
    ports = line(1, 65535)
    with weighed() as weight:
        ports.take(65535)
        ports.take(30000)
        again = ports.over(PortRange(2, 65534))
    assert weight.kept < 20_000
    assert again.pick(3, everything) == [2, 3, 4]
    assert again.never_used == 0
    assert len(again.pick(65532, everything) or []) == 65532, "all but the one that is taken"


def test_a_port_returned_without_having_been_taken_was_used():
    """After a restart a quarantined port is returned that this process never handed out."""
    ports = line()
    ports.give_back(601)
    assert ports.pick(5, everything) == [602, 603, 604, 600, 601]


def test_ports_outside_the_range_are_not_handed_out():
    ports = line()
    for port in (599, 605, 70000):
        ports.take(port)
        ports.give_back(port)
    assert ports.pick(5, everything) == [600, 601, 602, 603, 604]
    assert ports.pick(6, everything) is None


def test_runs_are_found_among_the_fresh_first():
    ports = line(600, 609)
    for port in (600, 601, 602):
        ports.take(port)
        ports.give_back(port)
    assert ports.pick_run(3, everything) == [603, 604, 605]
    assert ports.pick_run(8, everything) == [600, 601, 602, 603, 604, 605, 606, 607]
    assert ports.pick_run(10, everything) == list(range(600, 610))
    assert ports.pick_run(11, everything) is None


def test_a_run_has_no_gap():
    assert line(600, 609).pick_run(3, lambda port: port not in (601, 604)) == [605, 606, 607]
    assert line(600, 609).pick_run(3, lambda port: port % 3 != 0) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(598, 612)), max_size=60))
def test_every_port_is_in_line_once_unless_taken(history):
    ports, taken = line(600, 609), set()
    for takes, port in history:
        if takes:
            ports.take(port)
            taken.add(port)
        else:
            ports.give_back(port)
            taken.discard(port)
    free = [port for port in range(600, 610) if port not in taken]
    assert sorted(ports.pick(len(free), everything) or []) == free
    assert ports.pick(len(free) + 1, everything) is None


def test_for_a_run_nobody_is_asked_of_ports_that_are_not_in_line():
    """Most are not, where a gateway is full, and then there is no run to be had."""
    ports, asked = line(1, 5000), list[int]()
    for port in range(1, 5001):
        ports.take(port)
    for port in (7, 8, 10):
        ports.give_back(port)
    assert ports.pick_run(3, lambda port: asked.append(port) or True) is None
    assert asked == [7, 8, 10]
    assert ports.pick_run(2, everything) == [7, 8]


@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)), st.integers(2, 5))
def test_a_run_is_found_where_there_is_one(taken: set[int], resting: set[int], count: int):
    ports = line(1, 30)
    for port in sorted(taken):
        ports.take(port)
    for port in sorted(taken & resting):
        ports.give_back(port)
    free = set(range(1, 31)) - (taken - resting) - {5, 11}
    runs = [range(first, first + count) for first in range(1, 32 - count)]
    found = ports.pick_run(count, lambda port: port not in (5, 11))
    assert found in [list(run) for run in runs if free.issuperset(run)] or (
        found is None and not any(free.issuperset(run) for run in runs)
    )


def test_what_was_claimed_and_never_used_is_where_it_was():
    ports = line()
    before = ports.pick(5, everything)
    for port in (600, 601, 602):
        ports.take(port)
    for port in (601, 600):
        ports.put_back(port)
    assert ports.pick(4, everything) == [600, 601, 603, 604]
    assert ports.never_used == 4
    assert ports.pick_run(2, everything) == [600, 601]
    ports.put_back(602)
    assert ports.pick(5, everything) == before


def test_what_had_been_used_before_goes_to_the_head_of_those():
    ports = line(600, 602)
    for port in (600, 601, 602):
        ports.take(port)
        ports.give_back(port)
    ports.take(600)
    ports.put_back(600)
    assert ports.pick(3, everything) == [600, 601, 602]
    assert ports.never_used == 0


def test_what_was_put_back_and_is_taken_again_is_out_of_line():
    ports = line()
    ports.take(600)
    ports.put_back(600)
    ports.take(600)
    assert ports.pick(4, everything) == [601, 602, 603, 604]
    assert ports.pick(5, everything) is None


def test_what_is_put_back_and_was_never_taken_is_in_line_once():
    ports = line()
    ports.put_back(602)
    assert sorted(ports.pick(5, everything) or []) == [600, 601, 602, 603, 604]
    assert ports.pick(6, everything) is None


def test_over_other_ports_it_is_known_what_was_never_used():
    ports = line(600, 609)
    ports.take(600)
    ports.give_back(600)
    ports.take(600)
    ports.take(601)
    again = ports.over(PortRange(600, 604))
    again.put_back(600)
    again.put_back(601)
    assert again.never_used == 4
    assert again.pick(5, everything) == [601, 602, 603, 604, 600]


def test_over_other_ports_what_was_passed_over_and_taken_since_is_out_of_line():
    ports = line(600, 609)
    ports.take(604)
    ports.take(601)
    again = ports.over(PortRange(600, 611))
    assert again.pick(10, everything) == [605, 606, 607, 608, 609, 610, 611, 600, 602, 603]
    assert again.pick(11, everything) is None


def test_what_is_outside_the_range_has_no_place_in_line():
    ports = line()
    ports.take(99)
    ports.put_back(99)
    assert ports.pick(5, everything) == [600, 601, 602, 603, 604]


PORTS = st.tuples(st.integers(1, 12), st.integers(1, 12)).map(lambda ends: PortRange(*sorted(ends)))
USES = st.lists(st.tuples(st.sampled_from(["take", "give_back", "put_back"]), st.integers(1, 12)))


@given(PORTS, PORTS, USES)
def test_over_other_ports_the_order_of_use_stays(
    old: PortRange, new: PortRange, uses: list[tuple[str, int]]
) -> None:
    ports, taken, returned = Line(old), set[int](), list[int]()
    for what, port in uses:
        if port not in old or (what == "take") == (port in taken):
            continue
        getattr(ports, what)(port)
        if what == "take":
            taken.add(port)
            returned = [p for p in returned if p != port]
        else:
            taken.discard(port)
            returned += [port] if what == "give_back" else []

    order = _order(ports.over(new))

    assert set(order) == set(new) - taken
    there = [p for p in returned if p in new]
    assert [p for p in order if p in there] == [p for p in _order(ports) if p in there]
    fresh = [p for p in new if p not in old]
    assert not (fresh and there) or order.index(fresh[0]) < order.index(there[0])


def _order(ports: Line) -> list[int]:
    free = [count for count in range(len(ports.ports) + 1) if ports.pick(count, everything)]
    return ports.pick(max(free, default=0), everything) or []


def test_a_run_is_of_ports_that_were_never_used_as_long_as_there_is_one():
    ports = line(600, 603)
    for port in (600, 601):
        ports.take(port)
        ports.give_back(port)
    assert ports.pick_run(2, everything) == [602, 603], "to the very last"
