"""Whatever an API server answers, decoding it ends with a value or with the declared error."""

from __future__ import annotations

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl import decoding
from dnatctl.decoding import DEEPEST
from dnatctl.kube import answers
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.poddnat_json import READER


class Read(msgspec.Struct):
    a: int = 0
    b: str = ""


DECODER = msgspec.json.Decoder(Read)

DEEP = b"[" * 5_000 + b"]" * 5_000
HALF = b'{"x":' * 5_000

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\[]{}é\n')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('"[]')), inner),
    max_leaves=20,
)
SHREDS = st.lists(
    st.sampled_from([b'"', b"\\", b"[", b"]", b"{", b"}", b'"a":', b"1", b",", b"\xff", DEEP, HALF])
).map(b"".join)


@given(JSON)
def test_what_is_not_deep_is_left_alone(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()
    assert decoding.shallow(text) == text


@given(JSON, st.integers(0, 2 * DEEPEST))
def test_what_is_deep_is_cut_and_stays_json(value: object, depth: int) -> None:
    text = b"[" * depth + json.dumps({"v": value}).encode() + b"]" * depth
    cut = decoding.shallow(text)
    json.loads(cut)
    assert cut.count(b"[" * (DEEPEST + 1)) == 0
    assert (cut == text) or depth + 1 > DEEPEST or b"null" in cut


@pytest.mark.parametrize("deep", [DEEP, HALF + b"1" + b"}" * 5_000], ids=["lists", "objects"])
def test_what_is_read_is_read_beside_what_is_too_deep(deep: bytes) -> None:
    assert decoding.decode(DECODER, b'{"deep":%s,"a":7,"b":"]"}' % deep) == Read(7, "]")


@given(st.binary() | SHREDS)
def test_nothing_else_is_raised(data: bytes) -> None:
    with suppress(msgspec.DecodeError):
        decoding.decode(DECODER, data)
    with suppress(KubeError):
        READER.answer(data)
    with suppress(msgspec.DecodeError):
        READER.page(data, lambda _key, _uid: True)
    with suppress(msgspec.DecodeError):
        READER.event(data, lambda _key, _uid: True)


@pytest.mark.parametrize("data", [b"", b'{"b":"\xff"}', HALF, b"[]", b'{"a":1'])
def test_an_answer_that_makes_no_sense_is_told(data: bytes) -> None:
    with pytest.raises(KubeError) as caught:
        answers.read(DECODER, data)
    assert caught.value.failure is Failure.UNKNOWN
