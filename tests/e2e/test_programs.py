"""Where the control plane's programs come from, short of building them."""

from pathlib import Path

import pytest

from hack.controlplane.assets import PROGRAMS, Assets, MissingProgramError
from hack.controlplane.debian import with_sources_deb822, with_sources_one_line


def make_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def test_given_programs_come_before_cached_ones_and_these_fill_the_gaps(tmp_path: Path) -> None:
    given = make_program(tmp_path / "given" / "etcd")
    environment = {
        "KUBEBUILDER_ASSETS": str(given.parent),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    assets = Assets.from_environment(environment)
    _, cache = assets.folders
    make_program(cache / "etcd")
    kubectl = make_program(cache / "kubectl")
    assert assets.path("etcd") == given
    assert assets.path("kubectl") == kubectl
    assert set(assets.missing()) == set(PROGRAMS) - {"etcd", "kubectl"}


def test_a_missing_program_says_how_to_get_it(tmp_path: Path) -> None:
    assets = Assets.from_environment({"XDG_CACHE_HOME": str(tmp_path)})
    with pytest.raises(MissingProgramError, match=r"etcd not found in .*hack/control-plane build"):
        assets.path("etcd")


def test_every_enabled_binary_stanza_also_asks_for_sources() -> None:
    text = """\
# A comment
Types: deb
URIs: http://mirror.example/debian
Suites: stable stable-updates
Components: main
Signed-By: /usr/share/keyrings/some.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: stable

Types: deb-src
URIs: http://sources.example/debian
Suites: stable

Types: deb deb-src
URIs: http://both.example/debian
Suites: stable
"""
    converted = with_sources_deb822(text)
    assert converted.count("Types: deb deb-src\n") == 2
    assert "Signed-By: /usr/share/keyrings/some.gpg" in converted
    assert "mirror.example" in converted
    assert "both.example" in converted
    assert "off.example" not in converted
    assert "sources.example" not in converted


def test_every_binary_line_gets_a_source_twin() -> None:
    text = """\
deb [signed-by=/k.gpg] http://mirror.example/debian stable main
# deb http://off.example/debian stable main
deb-src http://mirror.example/debian stable main
"""
    assert with_sources_one_line(text).splitlines() == [
        "deb [signed-by=/k.gpg] http://mirror.example/debian stable main",
        "deb-src [signed-by=/k.gpg] http://mirror.example/debian stable main",
    ]
