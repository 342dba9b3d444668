"""Command line of `hack/control-plane`."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .assets import Assets, MissingProgramError
from .build import BuildError, build
from .cluster import Cluster
from .debian import AptError
from .process import ProcessError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0 ok, 1 failed (or, for `status`, not all running)."""
    options = _parser().parse_args(arguments)
    command: Callable[[Cluster], int] = options.command
    try:
        return command(Cluster(options.state))
    except (AptError, BuildError, MissingProgramError, ProcessError) as error:
        print(f"control-plane: {error}", file=sys.stderr)
        return 1


def ensure_built() -> None:
    """Build what neither `KUBEBUILDER_ASSETS` nor the cache has.

    Raises:
        AptError: a package could not be fetched.
        BuildError: a compilation failed.
    """
    missing = Assets.from_environment().missing()
    if missing:
        _report(f"building, for want of {', '.join(missing)}")
        _report(f"built {build(_report)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="control-plane",
        description="A real Kubernetes control plane on loopback: etcd, kube-apiserver, "
        "kube-controller-manager; no kubelet, no scheduler.",
        epilog="Programs are taken from KUBEBUILDER_ASSETS, then from a cache under "
        "XDG_CACHE_HOME (~/.cache) that `build` fills, on Debian 12, in about 5 minutes.",
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=_default_state(),
        help="folder of data, keys, logs and kubeconfig files (default: %(default)s)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("build", _build, "build the programs that are missing, once a machine"),
        ("up", _up, "build if need be and start what is not running"),
        ("down", _down, "stop every server; what it stored stays"),
        ("purge", _purge, "stop every server and remove the state folder"),
        ("status", _status, "say which servers run; fails unless all do"),
        ("env", _env, 'print export lines for a shell: eval "$(hack/control-plane env)"'),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(command=command)
    return parser


def _default_state() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "dnatctl" / "control-plane"


def _build(_: Cluster) -> int:
    ensure_built()
    return 0


def _up(cluster: Cluster) -> int:
    ensure_built()
    started = time.monotonic()
    cluster.up()
    _report(f"ready in {time.monotonic() - started:.1f} s at {cluster.url}")
    return _env(cluster)


def _down(cluster: Cluster) -> int:
    cluster.down()
    return 0


def _purge(cluster: Cluster) -> int:
    cluster.down(purge=True)
    return 0


def _status(cluster: Cluster) -> int:
    pids = cluster.status()
    for name, pid in pids.items():
        print(f"{name:<24} {f'running, pid {pid}' if pid else 'not running'}")
    return 0 if all(pids.values()) else 1


def _env(cluster: Cluster) -> int:
    folder = Assets.from_environment().path("kube-apiserver").parent
    print(f"export KUBEBUILDER_ASSETS={folder}")
    if cluster.admin_kubeconfig.exists():
        print(f"export KUBECONFIG={cluster.admin_kubeconfig}")
    return 0


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
