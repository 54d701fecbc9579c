"""What tells a policy where in its cycle it is: a function of control step and command alone.

No ground truth is needed for it, neither in simulation nor on a robot.
"""

from dataclasses import dataclass

import numpy as np

STEP_NS = 20_000_000
"""The control step that ``step_number`` counts, ns."""


def step_number(stamp_ns: int) -> int:
    """Number of the control step that a stamp belongs to."""
    return stamp_ns // STEP_NS


def gait_clock(
    step: int | np.ndarray, step_dt: float, period: float, standing: bool | np.ndarray = False
) -> np.ndarray:
    """(sin, cos) of the gait phase 2 pi step_dt step / period; (0, 0) when standing.

    ``step`` may be a number or an array (N,); the result has shape (2,) or (N, 2). FL and RR
    are in stance while sin > 0, FR and RL while sin < 0.
    """
    phase = 2.0 * np.pi * np.mod(np.asarray(step) * (step_dt / period), 1.0)
    clock = np.stack((np.sin(phase), np.cos(phase)), axis=-1)
    return np.where(np.asarray(standing)[..., None], 0.0, clock)


@dataclass(frozen=True, slots=True)
class ContactPlan:
    """When in a cycle the robot jumps, s from the cycle's start; before and after it stands."""

    duration: float
    """End of the jump."""
    lift_off: float
    """From here on no foot is to touch the ground."""
    touch_down: float
    """From here on every foot is to touch the ground again."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a task: a gait's, or with a contact plan that of a jump repeated every ``period``."""

    step_dt: float
    """Control step, s."""
    period: float
    """One cycle, s; 0: there is no clock."""
    stand_below: float = 0.1
    """Norm of the command below which the robot stands, m/s and rad/s."""
    plan: ContactPlan | None = None

    @property
    def cycle_steps(self) -> int:
        """Control steps of a cycle."""
        return max(round(self.period / self.step_dt), 1)

    def next_start(self, step: int) -> int:
        """The first control step from ``step`` on at which a phase of the session may start.

        A command acts in the step after the one that it answers: the first command of a phase is there
        just when a jump's cycle begins. A gait may start anywhere.
        """
        return step if self.plan is None else step + (-(step + 1)) % self.cycle_steps

    def standing(self, command: np.ndarray) -> np.ndarray:
        """Whether a command (..., 3) means to stand still."""
        return np.linalg.norm(command, axis=-1) < self.stand_below

    def at(self, step: int | np.ndarray, command: np.ndarray) -> np.ndarray:
        """The clock at control step ``step`` under ``command`` (..., 3).

        Without a plan (sin, cos) of the gait's phase. With one (sin, cos, c) of the jump's phase and the
        planned contact of the feet, 1 on the ground, 0 in the air; (0, 0, 1) while it is to stand.
        """
        standing = self.standing(command)
        if self.period <= 0:
            return np.zeros((*np.shape(standing), 2))
        if self.plan is None:
            return gait_clock(step, self.step_dt, self.period, standing)
        time = np.mod(step, self.cycle_steps) * self.step_dt + 1e-9
        standing = standing | (time >= self.plan.duration)
        phase = gait_clock(step % self.cycle_steps, self.step_dt, self.plan.duration, standing)
        flying = (time >= self.plan.lift_off) & (time < self.plan.touch_down) & ~standing
        return np.concatenate((phase, np.where(flying, 0.0, 1.0)[..., None]), axis=-1)


class CommandLatch:
    """Holds a jump's command from the first step of a cycle to its last.

    A jump that has begun is finished, whatever is asked meanwhile; a policy that gets the robot within
    a cycle stands until the next one. A gait follows its command at once.
    """

    def __init__(self, clock: Clock):
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Stand until the next cycle begins."""
        self._cycle = -1
        self._held = np.zeros(3)

    def follow(self, step: int, command: np.ndarray) -> np.ndarray:
        """The command (3,) to follow at control step ``step``, when ``command`` is asked for."""
        if self._clock.plan is None:
            return command
        cycle, since = divmod(step, self._clock.cycle_steps)
        if since == 0 or (self._cycle >= 0 and cycle != self._cycle):
            self._held = np.array(command, dtype=float)
        self._cycle = cycle
        return self._held


STEPS_PER_MINUTE = 60_000_000_000 // STEP_NS
