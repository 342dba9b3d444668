"""Which way a request goes is decided by its host, as the environment says."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.cloud.web import proxy_for

PROXIES = {"http": "http://proxy:3128", "https": "http://proxy:3129"}
VPC = "https://vpc-vpc.cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        (VPC, "", False),
        (VPC, "*", True),
        (VPC, "vpc-vpc.cn-hangzhou.aliyuncs.com", True),
        (VPC, "VPC-VPC.CN-HANGZHOU.ALIYUNCS.COM", True),
        (VPC, "aliyuncs.com", True),
        (VPC, ".aliyuncs.com", True),
        (VPC, "*.aliyuncs.com", True),
        (VPC, "localhost, 10.0.0.0/8 ,.aliyuncs.com", True),
        (VPC, "localhost 127.0.0.1 .aliyuncs.com", True),
        (VPC, "aliyuncs.com:443", True),
        (VPC, "aliyuncs.com:80", False),
        (VPC, "yuncs.com", False),
        (VPC, "aliyuncs.com.evil", False),
        (VPC, ".,,*.", False),
        (f"{VPC}:8443", "aliyuncs.com:8443", True),
        ("http://10.1.2.3:9100", "10.0.0.0/8", True),
        ("http://10.1.2.3:9100", "10.1.2.3", True),
        ("http://10.1.2.3:9100", "10.1.2.3:9100", True),
        ("http://10.1.2.3:9100", "10.1.2.3:9101", False),
        ("http://10.1.2.3:9100", "10.1.2.0/30", True),
        ("http://10.1.2.3:9100", "10.1.3.0/24,192.168.0.0/16", False),
        ("http://127.0.0.1:9100", "127.0.0.0/8", True),
        ("http://127.0.0.1:9100", "localhost", False),
        ("http://[fd00::1]:9100", "fd00::/8", True),
        ("http://[fd00::1]:9100", "[fd00::1]:9100", True),
        ("http://[fd00::1]:9100", "[fd00::1]:9101", False),
        ("http://[fd00::1]:9100", "fd00::2", False),
    ],
)
def test_no_proxy_is_honoured(url: str, no_proxy: str, direct: bool) -> None:
    proxy = proxy_for(urlsplit(url), {**PROXIES, "no": no_proxy})
    assert proxy == ("" if direct else PROXIES[urlsplit(url).scheme])


def test_each_scheme_has_its_proxy_and_one_may_be_for_all() -> None:
    assert proxy_for(urlsplit("http://a"), PROXIES) == "http://proxy:3128"
    assert proxy_for(urlsplit("https://a"), {"http": "http://p"}) == ""
    assert proxy_for(urlsplit("https://a"), {"all": "https://p"}) == "https://p"
    assert proxy_for(urlsplit("https://a"), {"https": "p:3128"}) == "http://p:3128"


@given(st.text(st.sampled_from("*.,:/[] a1%") | st.characters(), max_size=40))
def test_any_text_is_read(no_proxy: str) -> None:
    for url in (VPC, "http://10.1.2.3:9100", "http://[fd00::1]"):
        assert proxy_for(urlsplit(url), {**PROXIES, "no": no_proxy}) in ("", *PROXIES.values())
