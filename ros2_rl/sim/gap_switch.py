"""The reality gap of a simulated robot, and shoves, as a session's phases ask for them."""

from ros2_rl.learning.phase import Phase
from ros2_rl.sim.joint_plant import JointPlant
from ros2_rl.sim.perturbations import Perturbations, nominal
from ros2_rl.sim.plant import Plant
from ros2_rl.sim.shoves import shoves


class GapSwitch:
    """Keeps a plant's perturbations in step with the phases and with changes of the gap.

    Args:
        plant: the robot.
        gap: what it is like while the gap is on.
        on: whether that is from the start.
    """

    def __init__(self, plant: JointPlant, gap: Perturbations, on: bool):
        self._plant, self.gap, self._was_on = plant, gap, on
        self._phase: Phase | None = None
        self.offset_ns = 0
        """Stamp of the graph less that of the plant, ns."""

    @property
    def on(self) -> bool:
        """Whether the gap holds at the present stamp."""
        return (
            self._was_on if self._phase is None or self._start_ns > self._plant.stamp_ns else self._phase.gap
        )

    @property
    def _start_ns(self) -> int:
        """When the last phase that was announced begins, stamp of the plant."""
        return 0 if self._phase is None else self._phase.start_ns - self.offset_ns

    def on_phase(self, phase: Phase) -> None:
        """A phase was announced."""
        self._was_on = self.on
        self._phase = phase
        self._follow()
        if isinstance(self._plant, Plant):
            planned = [(stamp_ns - self.offset_ns, velocity) for stamp_ns, velocity in shoves(phase)]
            self._plant.plan_shoves(planned, self._start_ns)

    def change(self, gap: Perturbations) -> None:
        """The gap itself becomes another one; while it is off, that has to wait.

        Raises:
            ValueError: the ground cannot become rougher while the robot stands on it.
        """
        before, self.gap = self.gap, gap
        try:
            self._plant.set_perturbations(self._at(self.on), self._plant.stamp_ns)
        except ValueError:
            self.gap = before
            raise
        if self._start_ns > self._plant.stamp_ns:
            self._follow()

    def _follow(self) -> None:
        if self._phase is not None:
            self._plant.set_perturbations(self._at(self._phase.gap), self._start_ns)

    def _at(self, on: bool) -> Perturbations:
        return self.gap if on else nominal(self._plant.robot)
