"""What an operation sees when its turn comes."""

from __future__ import annotations

from dataclasses import dataclass

from dnatctl_sim.cloud.knobs import Knobs
from dnatctl_sim.cloud.world import World


@dataclass(frozen=True, slots=True)
class Context:
    """The world, settled up to `now` (monotonic seconds), and the region the call is for."""

    world: World
    knobs: Knobs
    now: float
    region: str
