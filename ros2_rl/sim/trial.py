"""One trial of a policy on a simulated robot: a command, shoves, and what became of them.

The robot is the whole stack of ``loop.py``, supervisor included, begun anew for each trial, so that
a trial depends on nothing but itself. Velocities and falls are those of the simulator, not the
estimator's; only the figures of :class:`Outcome` leave this file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.modes import Mode
from ros2_rl.sim.loop import Robot
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import Plant
from ros2_rl.tasks import Task

_PATIENCE_S = 30.0
"""Longest time until the robot stands and the policy acts, s of robot time."""
_AFTERMATH_S = 2.0
"""Time after the policy lost the robot, in which the supervisor may save it, s."""
_WALKED_M = 0.1
"""A shorter way has no energy per metre."""


@dataclass(frozen=True)
class Push:
    """A shove: a velocity that is added to the base at once."""

    at_s: float
    """Time since the trial began, s."""
    heading: float
    """Direction seen from the robot, rad; 0 is forward, to the left is positive."""
    speed: float
    """m/s."""


@dataclass(frozen=True)
class Trial:
    """What is asked of the robot."""

    section: str
    name: str
    command: tuple[float, float, float]
    """vx, vy, m/s; yaw rate, rad/s."""
    gap: Perturbations
    seconds: float = 6.0
    settle_s: float = 1.0
    """Time in which the robot takes up the command; it is not marked for tracking."""
    pushes: tuple[Push, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a trial. ``nan`` where there is nothing to measure."""

    section: str
    name: str
    lost_at_s: float
    """When the policy lost the robot: it fell, or the supervisor took over; nan: it never did."""
    fell: bool
    """Tilted by more than 60 degrees, in the trial or in the 2 s after the policy lost the robot."""
    error_v: float
    """Root mean square error of (vx, vy), m/s."""
    error_w: float
    """Of the yaw rate, rad/s."""
    energy_per_m: float
    """Positive mechanical work of all joints by the length of the way, J/m."""
    reason: str = ""
    """Why the supervisor took over."""

    @property
    def lost(self) -> bool:
        return not np.isnan(self.lost_at_s)


class MeteredPlant(Plant):
    """A plant that counts the positive mechanical work of its joints, J."""

    work = 0.0

    def _step(self) -> None:
        super()._step()
        power = self.data.actuator_force * self._qvel[6:]
        self.work += float(np.maximum(power, 0.0).sum()) * self._dt_ns / NS_PER_S


@dataclass
class TrialRobot(Robot):
    """A robot on the ground of the gap, with a meter."""

    plant: MeteredPlant = field(init=False)

    def _make_plant(self) -> Plant:
        return MeteredPlant(self.robot, self.gap, self.seed, state_rate_hz=self.state_rate_hz)


class Run:
    """A trial being carried out.

    Args:
        film: called with the pose of the model, (7 + J,), at each control step of the trial.
    """

    def __init__(
        self, trial: Trial, task: Task, policy: Path, robot_name: str, film: Callable[[np.ndarray], None]
    ):
        self._trial, self._film = trial, film
        self._robot = TrialRobot(task, policy, trial.seed, trial.gap, robot_name)
        self._velocities: list[np.ndarray] = []
        self._lost_at_s, self._reason = float("nan"), ""

    def outcome(self, stop: Callable[[], bool]) -> Outcome:
        """Carry the trial out; ``stop`` ends it early."""
        robot = self._robot
        if not self._stood_up(stop):
            return self._marked(0.0, False, "never got as far as the policy")
        begin_ns, work = robot.plant.stamp_ns, robot.plant.work
        pushes = sorted(self._trial.pushes, key=lambda push: push.at_s)
        for _ in range(round(self._trial.seconds / robot.task.step_dt)):
            elapsed = (robot.plant.stamp_ns - begin_ns) / NS_PER_S
            while pushes and pushes[0].at_s <= elapsed:
                self._push(pushes.pop(0))
            self._step()
            if self._is_lost(elapsed) or stop():
                break
        return self._marked(robot.plant.work - work, self._falls(stop), self._reason)

    def _falls(self, stop: Callable[[], bool]) -> bool:
        """Whether the robot falls; where the policy lost it, what comes of that is awaited."""
        plant = self._robot.plant
        if np.isnan(self._lost_at_s):
            return plant.fallen
        for _ in range(round(_AFTERMATH_S / self._robot.task.step_dt)):
            if plant.fallen or stop():
                break
            self._robot.step()
            self._film(plant.data.qpos)
        return plant.fallen

    def _stood_up(self, stop: Callable[[], bool]) -> bool:
        """Let the robot stand up until the policy acts, and let it take up the zero command."""
        for _ in range(round(_PATIENCE_S / self._robot.task.step_dt)):
            self._robot.step()
            if self._robot.supervisor.mode is Mode.POLICY or stop():
                return self._robot.supervisor.mode is Mode.POLICY
        self._lost_at_s = 0.0
        return False

    def _step(self) -> None:
        robot = self._robot
        robot.steering.put(np.array(self._trial.command), robot.plant.stamp_ns)
        robot.step()
        self._film(robot.plant.data.qpos)
        truth = robot.plant.truth()
        self._velocities.append(np.array((*truth.lin_vel[:2], truth.ang_vel[2])))

    def _push(self, push: Push) -> None:
        w, x, y, z = self._robot.plant.truth().quat
        heading = push.heading + np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        self._robot.plant.push(push.speed * np.array((np.cos(heading), np.sin(heading), 0.0)))

    def _is_lost(self, elapsed: float) -> bool:
        robot = self._robot
        if robot.supervisor.mode is Mode.POLICY and not robot.plant.fallen:
            return False
        self._lost_at_s, self._reason = elapsed, robot.supervisor.snapshot().reason
        return True

    def _marked(self, work: float, fell: bool, reason: str) -> Outcome:
        trial, dt = self._trial, self._robot.task.step_dt
        moved = np.array(self._velocities).reshape(-1, 3)
        way = float(np.linalg.norm(moved[:, :2], axis=1).sum()) * dt
        error = moved[round(trial.settle_s / dt) :] - np.array(trial.command)
        known = len(error) > 0
        return Outcome(
            trial.section,
            trial.name,
            self._lost_at_s,
            fell,
            float(np.sqrt(np.mean(np.sum(error[:, :2] ** 2, axis=1)))) if known else float("nan"),
            float(np.sqrt(np.mean(error[:, 2] ** 2))) if known else float("nan"),
            work / way if way > _WALKED_M else float("nan"),
            reason,
        )


def carry_out(
    trial: Trial,
    task: Task,
    policy: Path,
    robot_name: str = "go2",
    film: Callable[[np.ndarray], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Carry a trial out with a policy.

    Raises:
        ContractError: the policy does not fit the robot or the task.
    """
    return Run(trial, task, policy, robot_name, film).outcome(stop)
