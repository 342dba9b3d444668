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
