"""Whose an IP is that several pods state.

An address plugin hands an IP out only once the pod that had it is torn down, so of all pods that
state one IP the latest has it; the others cannot be alive with it, whatever their last status says:
they are on a node that died, or are torn down and the kubelet has not said so yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dnatctl.model import Eni
from dnatctl.objects import Pod
from dnatctl.plan.exposure import Ask, Exposure, Problem

_TAKEN, _NODE, _FOREIGN = "AddressTaken", "NodeAddress", "ForeignInterface"
DISPLACED = frozenset({_TAKEN, _NODE, _FOREIGN})
"""Reasons for which rows are taken away as the pod's IP is another's; a fixed claim is kept."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """A pod that states the IP and may be alive with it.

    `node`: what is wrong with its node, empty if nothing is known to be. `instance`: the ID of the
    node's machine in the cloud, as far as it is known.
    """

    pod: Pod
    node: str = ""
    instance: str = ""


def tenant(claimants: Sequence[Claimant], instance: str = "") -> Claimant:
    """Which of them has the IP; `instance`: that of its network interface, if the cloud told.

    In this order: one whose node lives; one whose machine has the interface; the one with the
    latest sign of life, so that one that drains loses nothing to what is left of an earlier one;
    one that is not being deleted.
    """

    def rank(one: Claimant) -> tuple[bool, bool, str, bool, str]:
        pod, here = one.pod, bool(instance) and one.instance == instance
        return not one.node, here, pod.alive, not pod.deleting, pod.uid

    return max(claimants, key=rank)


def is_open(claimants: Sequence[Claimant]) -> bool:
    """Whether the cloud's word may decide: living pods, on several machines that are known.

    One that is being deleted counts where it is the latest: the clock of its node may be ahead.
    """
    running = [one for one in claimants if not one.node]
    drains = bool(running) and tenant(running).pod.deleting
    machines = {one.instance for one in running if drains or not one.pod.deleting}
    return len(machines) > 1 and "" not in machines


def led_nowhere(exposure: Exposure, loser: Claimant, winner: Claimant) -> Exposure:
    """What the loser may ask for: nothing leads to it. One that goes does not come back."""
    pod, other = loser.pod, winner.pod
    why = loser.node or ("it is being deleted" if pod.deleting else "that one was started later")
    mend = (
        f"if it does not end, remove it: kubectl delete pod -n {pod.key.namespace} {pod.key.name} "
        "--force --grace-period=0"
        if pod.deleting or loser.node
        else "it is exposed again as soon as it has an IP of its own"
    )
    text = f"IP {exposure.ip} belongs to pod {other.key} now, which also states it ({why}); {mend}"
    return without_address(exposure, Problem(_TAKEN, text), ended=pod.deleting)


def at_node(exposure: Exposure, node: str) -> Exposure:
    """What a pod may ask for that states the address of that node."""
    text = f"pod IP {exposure.ip} is the address of node {node}, not one of a pod's own"
    return without_address(exposure, Problem(_NODE, text))


def at_stranger(exposure: Exposure, eni: Eni) -> Exposure:
    """What a pod may ask for whose IP is that of a machine outside of the cluster."""
    text = (
        f"pod IP {exposure.ip} is that of network interface {eni.eni_id}, which belongs to machine"
        f" {eni.instance_id}, and that is no node of this cluster"
    )
    return without_address(exposure, Problem(_FOREIGN, text))


def without_address(exposure: Exposure, problem: Problem, *, ended: bool = False) -> Exposure:
    """The exposure of a pod that states an IP which is not its own, or no more."""
    if exposure.ask is Ask.OFF:
        return exposure
    ask = Ask.ENDED if ended else Ask.NO_ADDRESS
    return replace(exposure, ask=ask, ip="", problem=problem, refused=False)
