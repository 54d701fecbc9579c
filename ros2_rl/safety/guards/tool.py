"""Guards of an arm's tool: where it is, and how hard it is touched."""

import numpy as np

from ros2_rl.safety.guards.base import Guard
from ros2_rl.safety.rules import ForceRule, WorkspaceRule
from ros2_rl.safety.senses import Sample


class WorkspaceGuard(Guard):
    """The tool is outside its box although no command leads there: something pushes it, or it overshoots."""

    name = "workspace"

    def __init__(self, settings: WorkspaceRule):
        super().__init__(settings)
        self._low = np.array(settings.low) - settings.beyond_m
        self._high = np.array(settings.high) + settings.beyond_m

    def sees(self, sample: Sample) -> bool:
        if sample.tool is None or not sample.policy:
            return False
        place = sample.tool.position
        return bool((place < self._low).any() or (place > self._high).any())

    def cause(self, sample: Sample) -> str:
        assert sample.tool is not None
        place = ", ".join(f"{value:.3f}" for value in sample.tool.position)
        return f"the tool is at ({place}) m, outside its box"


class ContactForceGuard(Guard):
    """The tool is touched harder than anything that it works on should be."""

    name = "contact force"

    def __init__(self, settings: ForceRule):
        super().__init__(settings)
        self._limit2 = settings.limit_n**2

    def sees(self, sample: Sample) -> bool:
        return sample.tool is not None and float(sample.tool.force.dot(sample.tool.force)) > self._limit2

    def cause(self, sample: Sample) -> str:
        assert sample.tool is not None
        return f"the tool is pushed with {np.linalg.norm(sample.tool.force):.0f} N"
