"""A path says what its builder was given, whatever that was, or is not built."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.kube import paths
from dnatctl.kube.errors import Failure, KubeError

NASTY = st.sampled_from("./%?#&=:;@\\ \t\r\n\0é\u202e\ud800\uff0f") | st.characters()
SEGMENT = st.text(NASTY, max_size=20) | st.text(min_size=1, max_size=300)


def can_be_a_name(text: str) -> bool:
    separators = {"/", "%"} & set(text)
    bytes_in_it = len(text.encode(errors="surrogatepass"))
    surrogates = any(0xD800 <= ord(c) < 0xE000 for c in text)
    return text not in ("", ".", "..") and not separators and not surrogates and bytes_in_it < 254


@given(st.lists(SEGMENT, min_size=1, max_size=5))
def test_segments_stay_what_they_are_or_are_refused(segments: list[str]) -> None:
    possible = all(map(can_be_a_name, segments))
    if not possible:
        with pytest.raises(KubeError) as caught:
            paths.path(*segments)
        assert caught.value.failure is Failure.NOT_FOUND
        assert len(str(caught.value)) < 600
        return
    path = paths.path(*segments)
    first, *rest = path.split("/")
    assert (first, [unquote(each) for each in rest]) == ("", segments)
    assert path.isascii()
    assert not set("?#\\ ") & set(path)
    assert paths.is_plain(path)


@pytest.mark.parametrize(
    "segment",
    ["", ".", "..", "a/b", "../..", "%2e%2e", "a%2fb", "\ud800", "a" * 254, "é" * 127],
)
def test_what_nothing_can_be_called_is_not_asked_for(segment: str) -> None:
    with pytest.raises(KubeError) as caught:
        paths.path("api", segment)
    assert caught.value.failure is Failure.NOT_FOUND


def test_names_with_dots_and_colons_are_names() -> None:
    assert paths.path("a.b", "...", "system:x") == "/a.b/.../system%3Ax"


@pytest.mark.parametrize(
    ("api_version", "path"),
    [("v1", "/api/v1"), ("apps/v1", "/apis/apps/v1"), ("a.b.c/v1beta1", "/apis/a.b.c/v1beta1")],
)
def test_versions(api_version: str, path: str) -> None:
    assert paths.of_version(api_version) == path


@pytest.mark.parametrize("api_version", ["", "/", "apps/", "/v1", "a/b/v1", "../v1", "apps/.."])
def test_texts_that_are_no_version(api_version: str) -> None:
    with pytest.raises(KubeError):
        paths.of_version(api_version)


@pytest.mark.parametrize(
    "path",
    ["", "api", "//api", "/api/", "/api/../x", "/api/./x", "/a?b", "/a#b", "/a b", "/é", "/a\n"],
)
def test_paths_that_need_resolving_are_not_plain(path: str) -> None:
    assert not paths.is_plain(path)
