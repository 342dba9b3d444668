"""`dnatctl demo`: the controller at work on an emulated cluster and cloud."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import click

from dnatctl_sim.cli.sim import folder_option, open_stage, state_folder, stop_event
from dnatctl_sim.cloud import Knobs, Scenario, Settle
from dnatctl_sim.demo.controller import ControllerProcess
from dnatctl_sim.demo.director import Director, InterruptError
from dnatctl_sim.demo.kubectl import find_kubectl
from dnatctl_sim.demo.screen import Screen
from dnatctl_sim.demo.story import play
from dnatctl_sim.kube import KubeletSettings
from dnatctl_sim.programs import any_command
from dnatctl_sim.stage import Stage, StageSettings

PATIENCE_S = 120.0
"""Longest wait for anything in the story: the machine may be busy with something else."""


@click.command()
@click.option("--serve", is_flag=True, help="Leave everything running afterwards, until Ctrl-C.")
@click.option("--fast", is_flag=True, help="Do not take the time to let people watch.")
@folder_option
def demo(*, serve: bool, fast: bool, folder: Path | None) -> None:
    """Run the controller on an emulated cluster and cloud, and show what it does.

    Ends with 0 if everything was as it ought to be, 1 if not.
    """
    stop = stop_event()
    screen = Screen(sys.stdout)
    with ExitStack() as stack:
        files = stack.enter_context(state_folder(folder))
        stage = stack.enter_context(open_stage(_settings(files, fast=fast)))
        controller = ControllerProcess(stage.run_command(), files / "controller.log")
        kubectl = find_kubectl(stage.kubeconfig)
        director = Director(stage, controller, kubectl, screen, stop, PATIENCE_S)
        stack.enter_context(controller)
        good = _play(director)
        if not good and not stop.is_set():
            screen.say(f"\nThe end of {controller.log}:\n{controller.last_words()}")
        if serve and not stop.is_set():
            _serve(stage, controller, screen)
            stop.wait()
        good = _end(controller, screen) and good
    sys.exit(0 if good else 1)


def _settings(folder: Path, *, fast: bool) -> StageSettings:
    slow = 0.1 if fast else 1.0
    knobs = Knobs(settle=Settle.all((0.3 * slow, 0.8 * slow)))
    return StageSettings(
        folder=folder,
        scenario=Scenario.many(1, knobs=knobs),
        kubelet=KubeletSettings(start=0.4 * slow, termination=0.5 * slow, removal=0.3 * slow),
        resync="2s",
    )


def _play(director: Director) -> bool:
    started = time.monotonic()
    try:
        good = play(director)
    except InterruptError:
        return False
    outcome = "as it ought to be" if good else "NOT as it ought to be"
    director.screen.say(f"\nEverything {outcome}, {time.monotonic() - started:.0f} s.")
    return good


def _serve(stage: Stage, controller: ControllerProcess, screen: Screen) -> None:
    screen.say("\nAll of it goes on running; Ctrl-C ends it. In another shell:")
    screen.command(f"export KUBECONFIG={shlex.quote(str(stage.kubeconfig))}")
    screen.command(shlex.join([any_command("kubectl"), "apply", "-f", str(stage.example)]))
    screen.command(f"curl {controller.metrics_url}")
    screen.command(f"curl {stage.cloud_server.endpoint}/_sim/truth")
    screen.command(f"tail -f {shlex.quote(str(controller.log))}")


def _end(controller: ControllerProcess, screen: Screen) -> bool:
    begun = controller.ready
    status = controller.stop()
    # One that has not yet begun to listen to signals ends by the signal itself.
    held = status == 0 or (not begun and status == -signal.SIGTERM)
    screen.check(f"the controller ended when told to, with status {status}", held=held)
    return held
