"""Which addresses rows take, against a slow and simple answer to the same question."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dnatctl.model import ALL_PORTS, PortRange
from dnatctl_sim.cloud.mapping import Taken

Address = tuple[str, str, PortRange]

_ports = st.one_of(
    st.integers(1, 12).map(lambda port: PortRange(port, port)),
    st.tuples(st.integers(1, 12), st.integers(0, 6)).map(lambda p: PortRange(p[0], p[0] + p[1])),
)
_addresses = st.one_of(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["tcp", "UDP", "Tcp"]), _ports),
    st.tuples(st.sampled_from(["a", "b"]), st.just("Any"), st.just(ALL_PORTS)),
)


def _clash(one: Address, other: Address) -> bool:
    protocols = {one[1].lower(), other[1].lower()}
    return (
        one[0] == other[0]
        and (len(protocols) == 1 or "any" in protocols)
        and one[2].overlaps(other[2])
    )


@given(st.lists(st.tuples(_addresses, st.booleans()), max_size=25), _addresses)
def test_a_clash_is_found_exactly_when_there_is_one(
    steps: list[tuple[Address, bool]], asked: Address
) -> None:
    taken, rows = Taken(), dict[str, Address]()
    for number, (address, keep) in enumerate(steps):
        holder = taken.holder(*address)
        clashing = {row_id for row_id, row in rows.items() if _clash(address, row)}
        assert bool(holder) == bool(clashing)
        if holder:
            assert holder in clashing
            besides = taken.holder(*address, besides=holder)
            assert bool(besides) == bool(clashing - {holder})
            continue
        taken.add(str(number), *address)
        if keep:
            rows[str(number)] = address
        else:
            taken.remove(str(number), *address)
    assert bool(taken.holder(*asked)) == any(_clash(asked, row) for row in rows.values())
    assert taken.uses(asked[0]) == any(row[0] == asked[0] for row in rows.values())
