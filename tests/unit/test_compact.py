"""What is held by the ten thousand: one object for one text, and no sets of one name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dnatctl.compact import Multimap, shared

STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.sampled_from("xyz")))


def made_anew(text: str) -> str:
    return "".join(list(text))


def test_one_object_for_all_who_say_the_same() -> None:
    assert shared(made_anew("namespace")) is shared(made_anew("namespace"))


def test_what_others_write_at_length_is_not_remembered() -> None:
    text = made_anew("m" * 65)
    assert shared(text) is text
    assert shared(made_anew("m" * 65)) is not text


class Comparing(str):
    """A key that counts how often one of its kind is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Comparing.compared += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_whether_a_key_is_known_takes_no_look_at_the_others() -> None:
    names: Multimap[Comparing] = Multimap()
    for number in range(1000):
        names.add(Comparing(number), "x")
    Comparing.compared = 0
    assert Comparing(999) in names
    assert Comparing(1000) not in names
    assert Comparing.compared < 10


@given(STEPS)
def test_names_by_key_are_as_sets_would_have_them(steps: list[tuple[bool, str, str]]) -> None:
    names: Multimap[str] = Multimap()
    plain: dict[str, set[str]] = {}
    for adds, key, name in steps:
        if adds:
            names.add(key, name)
            plain.setdefault(key, set()).add(name)
        else:
            names.discard(key, name)
            plain.get(key, set()).discard(name)
        plain = {key: held for key, held in plain.items() if held}
        assert {key: set(names.at(key)) for key in names} == plain
        assert all((key in names) == (key in plain) for key in "abc")
        assert all(len(names.at(key)) == len(plain.get(key, ())) for key in "abc")
