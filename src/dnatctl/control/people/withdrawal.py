"""Takes off pods what is published no longer: nobody keeps it true.

Once a setting of `publish` is off, what pods carry of it would say for ever how they stood then,
even where their endpoint is another pod's by now, and hold their readiness gates open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from dnatctl.clock import Clock
from dnatctl.config import Publishing
from dnatctl.control.people.untold import Untold
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.pods import PodApi
from dnatctl.objects import ENDPOINTS, Pod


class Withdrawal:
    """A missing leave is no fault here, as it may have gone together with the setting; see
    `Untold`. `note_pod` is told of each pod as it is then: looked at anew, one whose readiness gate
    has shut is told why."""

    def __init__(self, pods: PodApi, note_pod: Callable[[Pod], None], clock: Clock) -> None:
        self._pods = pods
        self._note_pod = note_pod
        self._conditions = Untold(clock)
        self._annotations = Untold(clock)

    def due(self, pod: Pod, publish: Publishing) -> Iterator[Callable[[], None]]:
        """What there is to do, each of which may raise KubeError: nothing for a pod that carries
        nothing of what is off."""
        space = pod.key.namespace
        told = publish.condition is False and pod.condition is not None
        if told and self._conditions.may_try(space):
            yield partial(self._take_off, self._pods.remove_condition, pod, self._conditions)
        marked = not publish.annotation and ENDPOINTS in pod.annotations
        if marked and self._annotations.may_try(space):
            yield partial(self._take_off, self._unmark, pod, self._annotations)

    def _unmark(self, pod: Pod) -> Pod:
        return self._pods.patch_annotation(pod, ENDPOINTS, None)

    def _take_off(self, write: Callable[[Pod], Pod], pod: Pod, leave: Untold) -> None:
        try:
            self._note_pod(write(pod))
        except KubeError as error:
            if error.failure is not Failure.FORBIDDEN:
                raise
            leave.refused(pod.key.namespace, error.message)
            return
        leave.accepted(pod.key.namespace)
