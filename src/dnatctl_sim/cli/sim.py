"""`dnatctl sim`: an emulated cluster and cloud to try the controller on."""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import isfinite
from pathlib import Path

import click
import msgspec
import orjson
import yaml

from dnatctl_sim.cloud import Knobs, Scenario, Settle
from dnatctl_sim.cloud.errors import ApiError
from dnatctl_sim.kube import KubeletSettings
from dnatctl_sim.programs import any_command, own_command
from dnatctl_sim.stage import Stage, StageSettings

folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files. Default: a new one, removed at the end.",
)


_PORT = click.IntRange(0, 65535)
_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
_SLOW = Knobs(settle=Settle.all((0.5, 1.5)))
"""Times at which people can watch, like those of the real cloud."""


def _settle(_: click.Context, __: click.Parameter, value: str | None) -> Settle | None:
    if value is None:
        return None
    low, dash, high = value.partition("-")
    try:
        times = [float(each) for each in ((low, high) if dash else (low,))]
        if not all(map(isfinite, times)):
            raise ValueError(value)  # noqa: TRY301 - told as any other
        return Settle.all((times[0], times[1]) if dash else times[0])
    except ValueError as error:
        raise click.BadParameter("give seconds, as 0.5, or bounds of them, as 0.5-3") from error


@click.command()
@click.option("--kube-port", type=_PORT, default=0, help="Port of the API server; 0: a free one.")
@click.option("--cloud-port", type=_PORT, default=0, help="Port of the cloud; 0: a free one.")
@click.option("--gateways", type=click.IntRange(1, 99), help="NAT gateways. [default: 1]")
@click.option("--eips", type=click.IntRange(1, 7), help="EIPs of each gateway. [default: 2]")
@click.option(
    "--settle",
    metavar="SECONDS|A-B",
    callback=_settle,
    help="How long a forward table stays busy after a write. [default: 0.5-1.5]",
)
@click.option("--quota", type=click.IntRange(0), help="Entries a gateway may have. [default: 100]")
@click.option("--relaxed", is_flag=True, help="Entries in flux do not block their table.")
@click.option(
    "--scenario",
    "scenario_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the account owns and how it behaves, in YAML.",
)
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Say where everything is in a line of JSON.")
def sim(
    *,
    kube_port: int,
    cloud_port: int,
    gateways: int | None,
    eips: int | None,
    settle: Settle | None,
    quota: int | None,
    relaxed: bool,
    scenario_file: Path | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Emulate a Kubernetes cluster and Alibaba Cloud on this machine until interrupted.

    Prints the KUBECONFIG for kubectl and the command that runs the controller there.
    """
    stop = stop_event()
    scenario = _scenario(scenario_file, gateways, eips)
    given = {"settle": settle, "quota": quota, "mode": "relaxed" if relaxed else None}
    changes = {name: value for name, value in given.items() if value is not None}
    scenario.knobs = scenario.knobs.changed(**changes)
    with ExitStack() as stack:
        settings = StageSettings(
            folder=stack.enter_context(state_folder(folder)),
            scenario=scenario,
            kube_port=kube_port,
            cloud_port=cloud_port,
            kubelet=KubeletSettings(start=0.5, termination=1.0, removal=0.5),
        )
        stage = stack.enter_context(open_stage(settings))
        click.echo(_json(stage) if as_json else _text(stage))
        stop.wait()


def stop_event() -> threading.Event:
    """An event that SIGINT and SIGTERM set from now on."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextmanager
def state_folder(folder: Path | None) -> Iterator[Path]:
    """The folder, made if it is not there; without one a temporary folder."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="dnatctl-") as made:
            yield Path(made)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"{folder}: {error.strerror}") from error
    yield folder.resolve()


@contextmanager
def open_stage(settings: StageSettings) -> Iterator[Stage]:
    """A stage that serves; ends the program where the scenario or a port is no good."""
    try:
        stage = Stage(settings)
    except (ValueError, LookupError, ApiError) as error:
        raise click.UsageError(f"scenario: {error}") from error
    try:
        stage.start()
    except OSError as error:
        raise click.ClickException(str(error)) from error
    try:
        yield stage
    finally:
        stage.stop()


def run_line(stage: Stage) -> str:
    """The shell command that runs the controller on a stage."""
    # The cloud's SDK takes a proxy from the environment even for 127.0.0.1.
    proxies = [name for name in os.environ if name.upper() in _PROXIES]
    without = ["env", *(word for name in proxies for word in ("-u", name))] if proxies else []
    return shlex.join([*without, own_command("dnatctl"), *stage.run_command()])


def _scenario(path: Path | None, gateways: int | None, eips: int | None) -> Scenario:
    if path is None:
        return Scenario.many(gateways or 1, eips=eips or 2, knobs=_SLOW)
    if gateways or eips:
        raise click.UsageError("--scenario says itself which --gateways and --eips there are")
    try:
        return Scenario.load(path)
    except (msgspec.ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: {error}") from error


def _text(stage: Stage) -> str:
    kubectl, dnatctl = shlex.quote(any_command("kubectl")), shlex.quote(own_command("dnatctl"))
    return f"""\
# In every further shell:
export KUBECONFIG={shlex.quote(str(stage.kubeconfig))}

# Run the controller, in one of them:
{run_line(stage)} --log-format console

# Then expose a pod, and look:
{kubectl} apply -f {shlex.quote(str(stage.example))}
{kubectl} get poddnats -o yaml
{dnatctl} list
{dnatctl} status
{dnatctl} explain POD

# The cloud as it is:
curl {stage.cloud_server.endpoint}/_sim/truth

# Ctrl-C ends all of it."""


def _json(stage: Stage) -> str:
    found = {
        "kubeconfig": str(stage.kubeconfig),
        "config": str(stage.config),
        "example": str(stage.example),
        "kubernetes": stage.kube.url,
        "cloud": stage.cloud_server.endpoint,
        "run": [own_command("dnatctl"), *stage.run_command()],
    }
    return orjson.dumps(found).decode()
