"""docs/reference/reasons.md"""

from __future__ import annotations

from dnatctl.plan.reasons import REASONS
from reference.markdown import code, page, table

INTRODUCTION = """\
The condition of a PodDNAT is `Ready`; that of a pod, where there is leave to set it, is
`k8s.aliyun.com/pod-dnat-ready`. Both carry one of these reasons and a text that names values, cause
and what to do. What is wrong is a Warning event of the pod in any case, or of the PodDNAT where the
pod is gone, said again every half hour while it lasts. To read them:

```console
kubectl get poddnat POD -o wide
kubectl get pod POD -o jsonpath='{.status.conditions[?(@.type=="k8s.aliyun.com/pod-dnat-ready")]}'
kubectl describe pod POD
kubectl describe poddnat POD
kubectl dnat explain POD
```"""

LEGEND = """\
`pod`: the condition on the pod, and an event; `pod condition`: that alone; `PodDNAT`: its condition
`Ready`; `event`: of the pod. Where the pod is gone the events are the PodDNAT's, as those of
`DeletionHeld`, `DeletionHeldByPolicy` and `EntryReleased` mostly are. `event of the Lease`: seen
by `kubectl -n dnatctl-system describe lease dnatctl`."""


def render() -> str:
    """The page."""
    rows = [
        (code(name), ", ".join(reason.where), reason.meaning, reason.mend or "nothing")
        for name, reason in sorted(REASONS.items())
    ]
    return page(
        "Reasons",
        "`src/dnatctl/plan/reasons.py`",
        INTRODUCTION,
        LEGEND,
        table(("reason", "told on", "means", "to do"), rows),
    )
