"""Which activity of a workflow has made an effect: the one whose type is the name of the step, or ends with it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.records.effects import Effect
from harness.records.workflows import Activity, WorkflowRun


class Attribution:
    """Activities by the step they make: "orders.reserve_stock" makes reserve_stock."""

    def __init__(self, runs: Iterable[WorkflowRun]) -> None:
        self._found: dict[tuple[str, str | None, str], list[Activity]] = defaultdict(list)
        for run in runs:
            for activity in run.activities:
                step = activity.type.rpartition(".")[2]
                self._found[run.workflow_id, run.run_id, step].append(activity)
                self._found[run.workflow_id, None, step].append(activity)

    def of(self, effect: Effect) -> Sequence[Activity]:
        """The activities of the effect's run that may have made it: one for each item, where a step has several."""
        return self.of_step(effect.workflow_id, effect.step, effect.run_id)

    def of_step(self, workflow_id: str, step: str, run_id: str | None = None) -> Sequence[Activity]:
        """Those of a step, in one run of the workflow or in all of them."""
        return self._found.get((workflow_id, run_id, step), ())
