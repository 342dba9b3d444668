"""What is loaded of the vendor's packages: as little as is used, all of it where it is asked."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from dnatctl.cloud.thin import _OneByOne

VPC, ECS = "alibabacloud_vpc20160428", "alibabacloud_ecs20140526"
CLASSES = """
import inspect
from {package} import models
print(*sorted(name for name in dir(models) if inspect.isclass(getattr(models, name))))
"""


def said(program: str) -> set[str]:
    """The words that a program says, in a process of its own."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
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


def test_aiohttp_is_whole_for_whoever_asks() -> None:
    program = "import aiohttp\nfrom aiohttp import web\nprint(aiohttp.ClientResponse, web.Server)"
    assert said(f"import dnatctl.cloud.client\n{program}") == said(program)


def loaded_one_by_one(folder: Path, source: str) -> ModuleType:
    file = folder / "__init__.py"
    file.write_text(source, encoding="utf-8")
    loader = _OneByOne(SourceFileLoader("messages", str(file)))
    spec = spec_from_loader("messages", loader, origin=str(file))
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_a_package_that_is_written_otherwise_is_loaded_as_it_is(tmp_path: Path) -> None:
    module = loaded_one_by_one(tmp_path, "class Message:\n    pass\n")
    assert module.Message.__name__ == "Message"


def test_what_is_not_there_is_missed_by_its_name(tmp_path: Path) -> None:
    module = loaded_one_by_one(tmp_path, "from .one import Message\n")
    with pytest.raises(AttributeError, match=r"'messages'.*'Massage'"):
        _ = module.Massage
