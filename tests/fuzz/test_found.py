"""Inputs that once found a fault, of each kind the nearest ones too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz import HARNESSES, outside

READERS = {harness.name: harness.read for harness in HARNESSES}
META = b'"metadata":{"name":"a","namespace":"b","uid":"c"}'
AROUND_THE_END_OF_THE_STACK = range(850, 1030)


def nested(before: bytes, after: bytes) -> Iterator[bytes]:
    """What msgspec or orjson can just read, and Python's own `str` a few frames later cannot."""
    for depth in AROUND_THE_END_OF_THE_STACK:
        yield before + b"[" * depth + b"]" * depth + after


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("poddnat", b'{%s,"spec":{"protocol":' % META, b"}}"),
        ("poddnat", b'{"type":"ADDED","object":{%s,"spec":{"externalIP":' % META, b"}}}"),
        ("others", b'{%s,"spec":{"reserveOrdinals":[' % META, b"]}}"),
        ("cloud", b'\x02\x05\x00{"Code":', b"}"),
        ("cloud", b'\x03\x05\x00{"Message":', b"}"),
        ("cloud", b'\x02\x00\x00{"ForwardEntryId":', b"}"),
        ("credentials", b'{"error":{"code":', b"}}"),
        ("credentials", b'{"Code":"Success","AccessKeyId":"a","Expiration":', b"}"),
        ("lease", b'{"metadata":{"name":', b"}}"),
    ],
)
def test_what_is_nested_is_not_made_text_of(name: str, before: bytes, after: bytes) -> None:
    for data in nested(before, after):
        READERS[name](data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("refusal", b'{"details":' + b"[" * 5_000),
        ("refusal", b'{"object":{"details":{"a":%s%s}}}' % (b"[" * 5_000, b"]" * 5_000)),
        ("refusal", b'{"message":"\xff"}'),
        ("refusal", b'{"object":{"message":"\xff"}}'),
        ("refusal", b'{"object":{"code":%s}}' % (b"9" * 700)),
        ("watch", b'\x10{"type":"ERROR","object":{"message":"\xff"}}\n'),
        (
            "watch",
            b'\x10{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"%s"}}}\n'
            % (b"9" * 5_000),
        ),
        ("ledger", b'{"kind":"pause","target":"all","a":%s%s}' % (b"[" * 5_000, b"]" * 5_000)),
        ("ledger", b'{"gateways":' + b"[" * 5_000),
        ("ledger", b"47.0.0.2:0/udp,47.0.0.1:65536/tcp"),
        ("lease", b'{"metadata":{"annotations":["dnatctl/handover"]}}'),
        ("lease", b'{"metadata":{"annotations":{"dnatctl/handover":7}}}'),
        ("lease", b'{"metadata":{},"spec":{"leaseTransitions":["1"]}}'),
        ("lease", b'{"metadata":{"a":%s}}' % (b"9" * 40)),
        ("cloud", b'\x02\x00\x00{"RequestId":"\\r\\u001b[31m"}'),
        ("cloud", b'\x00\x00\x00{"RequestId":["%s"]}' % (b"x" * 999)),
        ("poddnat", b'{%s,"status":{"observedGeneration":%s}}' % (META, b"9" * 30)),
        (
            "poddnat",
            b'{%s,"status":{"conditions":[{"observedGeneration":%s}]}}' % (META, b"9" * 30),
        ),
        ("configuration", b"takeOver: !!bool maybe"),
        ("configuration", b"maxPortsPerPod: !!int ''"),
        ("configuration", b"maxPortsPerPod: -_"),
        ("configuration", b"maxPortsPerPod: !!float ''"),
        ("configuration", b"maxPortsPerPod: %s1.5" % (b"1:" * 400)),
        ("configuration", b"maxPortsPerPod: !!timestamp x"),
    ],
)
def test_nor_does_anything_else_get_further(name: str, data: bytes) -> None:
    READERS[name](data)


def test_what_nests_is_shown_by_its_beginning() -> None:
    deep = outside.Answer(400, {}, b'{"Code":"X","Message":{"a":[[[[[1]]]]]}}')
    cloud = outside._cloud()
    cloud._sdk._web.send = lambda *_args, **_options: deep
    with pytest.raises(outside.CloudError, match=r"\{'a': \[\[\[\.\.\.\]\]\]\}"):
        cloud.read_page("ftb-1", 1)
