"""What is loaded of the vendor's packages: as little as is used, all of it where it is asked."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

import pytest

from dnatctl.thin import _OneByOne

VPC, ECS = "alibabacloud_vpc20160428", "alibabacloud_ecs20140526"
CLASSES = """
import inspect
from {package} import models
print(*sorted(name for name in dir(models) if inspect.isclass(getattr(models, name))))
"""


def said(program: str) -> set[str]:
    """The words that a program says, in a process of its own."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done
    return set(done.stdout.split())


def loaded_by(program: str) -> set[str]:
    return said(f"import sys\n{program}\nprint(*sys.modules)")


def test_the_client_of_the_cloud_loads_neither_all_messages_nor_aiohttp() -> None:
    loaded = loaded_by(f"import dnatctl.cloud.client\nimport {ECS}.client")
    assert {VPC, f"{VPC}.models", f"{ECS}.models"} <= loaded
    assert [name for name in loaded if name.startswith((f"{VPC}.models.", f"{ECS}.models."))] == []
    assert [name for name in loaded if name.startswith("aiohttp.")] == []


@pytest.mark.parametrize("package", [VPC, ECS])
def test_every_message_of_an_api_is_there(package: str) -> None:
    program = CLASSES.format(package=package)
    assert said(f"import dnatctl.cloud{program}") == said(program)


def test_the_controller_loads_nothing_that_is_there_for_others() -> None:
    loaded = loaded_by("import dnatctl.cli.run, dnatctl.cli.running, dnatctl.cloud.client")
    assert {"requests", "structlog.dev", "alibabacloud_tea_openapi.utils"} <= loaded
    unwanted = "cryptography.hazmat.bindings._rust charset_normalizer.api chardet.detector rich"
    assert loaded.isdisjoint(unwanted.split())


def test_what_was_held_back_is_whole_for_whoever_calls_it() -> None:
    program = """
from alibabacloud_tea_openapi import utils
from requests import Response
try:
    utils.load_pem_private_key(b"no key", None)
except ValueError as error:
    print(type(error.__cause__ or error).__module__.split(".")[0])
answer = Response()
answer._content = "Öffentliche Adresse für ein Gerät, überall".encode()
print(answer.apparent_encoding, utils.hashes.SHA256().digest_size, utils.padding.MGF1.__name__)
"""
    assert said(f"import dnatctl.cloud.client\n{program}") == said(program)


def test_aiohttp_is_whole_for_whoever_asks() -> None:
    asked = "from aiohttp import __version__, web\nimport aiohttp"
    program = f"{asked}\nprint(__version__, aiohttp.ClientResponse, web.Server)"
    assert said(f"import dnatctl.cloud.client\n{program}") == said(program)


@pytest.fixture
def messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package of which a part is written in another way than the SDK's are today."""
    source = "from .one import Message\nfrom .two import (\n    Letter,\n)\n"
    file = tmp_path / "__init__.py"
    file.write_text(source, encoding="utf-8")
    (tmp_path / "one.py").write_text("class Message:\n    pass\n", encoding="utf-8")
    (tmp_path / "two.py").write_text("class Letter:\n    pass\n", encoding="utf-8")
    loader = _OneByOne(SourceFileLoader("messages", str(file)))
    spec = ModuleSpec("messages", loader, origin=str(file), is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    module = module_from_spec(spec)
    for name in ("messages", "messages.one", "messages.two"):
        monkeypatch.setitem(sys.modules, name, module)
        if name != "messages":
            monkeypatch.delitem(sys.modules, name)
    loader.exec_module(module)
    return module


def test_one_class_is_loaded_without_the_others(messages: ModuleType) -> None:
    assert messages.Message.__module__ == "messages.one"
    assert "messages.two" not in sys.modules


def test_a_class_that_is_named_in_another_way_is_found_all_the_same(messages: ModuleType) -> None:
    assert messages.Letter.__module__ == "messages.two"


def test_what_is_not_there_is_missed_by_its_name(messages: ModuleType) -> None:
    with pytest.raises(AttributeError, match=r"'messages'.*'Massage'"):
        _ = messages.Massage
