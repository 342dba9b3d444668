"""Inner parts of other people's packages that the program leans on.

When one of these fails after an upgrade, that part has moved: see where it is used before the cap
in setup.cfg is raised.
"""

from __future__ import annotations

import ast
import inspect
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import kubernetes.client
import urllib3
from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config
from alibabacloud_vpc20160428.client import Client as VpcClient
from urllib3.connection import HTTPConnection, HTTPSConnection

from dnatctl.cloud.credentials import Keys
from dnatctl.cloud.framing import framed
from dnatctl.cloud.operation import Operation
from dnatctl.cloud.providers import StaticProvider
from dnatctl.cloud.sdk import _METHODS

SOURCE = Path(__file__).parents[2] / "src" / "dnatctl"


def imported() -> set[str]:
    """Top-level modules that production code imports."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.partition(".")[0])
    # pydantic_core is pydantic's own, in the version that it asks for.
    return (
        found - sys.stdlib_module_names - {"dnatctl", "dnatctl_sim", "_typeshed", "pydantic_core"}
    )


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


def test_what_is_imported_is_declared() -> None:
    declared = set()
    for line in requires("dnatctl") or ():
        name = line
        for mark in " ;<>=![":
            name = name.partition(mark)[0]
        declared.add(plain(name))
    homes = packages_distributions()
    for module in imported():
        assert {plain(name) for name in homes[module]} & declared, module


def test_kubernetes_keeps_its_pool_where_it_was() -> None:
    client = kubernetes.client.ApiClient(kubernetes.client.Configuration(host="http://127.0.0.1:1"))
    assert isinstance(client.rest_client.pool_manager, urllib3.PoolManager)
    assert list(inspect.signature(client.update_params_for_auth).parameters)[:3] == [
        "headers",
        "queries",
        "auth_settings",
    ]


def test_urllib3_makes_its_connections_of_replaceable_classes() -> None:
    assert set(urllib3.PoolManager().pool_classes_by_scheme) == {"http", "https"}
    for connection in (HTTPConnection, HTTPSConnection):
        assert {"connect", "request"} <= set(dir(connection))
        assert hasattr(connection, "response_class")


def test_every_operation_of_the_sdk_ends_in_call_api() -> None:
    for operation in Operation:
        kind = EcsClient if operation is Operation.READ_ENIS else VpcClient
        assert "self.call_api(" in inspect.getsource(getattr(kind, _METHODS[operation]))


def test_the_sdk_s_client_knows_the_endpoint_of_its_region() -> None:
    credential = framed(StaticProvider(Keys("key", "secret")))
    client = VpcClient(Config(credential=credential, region_id="cn-hangzhou"))
    assert client._endpoint.endswith("aliyuncs.com")


def test_the_sdk_signs_in_parts_that_can_be_called() -> None:
    for name in ("hash", "get_timestamp", "get_nonce", "get_authorization", "get_user_agent"):
        assert callable(getattr(Utils, name))


def test_the_package_s_client_lends_what_a_provider_has() -> None:
    lent = framed(StaticProvider(Keys("key", "secret")))
    assert isinstance(lent, CredentialClient)
    held = lent.get_credential()
    assert (held.access_key_id, held.access_key_secret) == ("key", "secret")
