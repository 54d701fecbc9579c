"""Pushed robots that nobody catches, for bench/tilt.py: what the supervisor would have seen, and who fell.

The policy drives the plant by itself, at 200 states a second with noisy sensors, through the same estimator
and executor classes as on the graph. A push is a leap of the base's velocity in a random direction.
"""

from dataclasses import dataclass

import numpy as np

from ros2_rl.estimation import Estimator
from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.learning.phase import TRAIN, Phase
from ros2_rl.policy.onnx_policy import load_equipped
from ros2_rl.policy.runtime import PolicyRuntime
from ros2_rl.robots import BaseEstimate, RobotState, tilt
from ros2_rl.safety.senses import attitude
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import FALL_TILT, Plant
from ros2_rl.tasks import Task
from ros2_rl.tasks.practice import PracticeCommands

RATE_HZ = 200.0
WALK_S, WATCH_S = 1.5, 2.0
"""Before the push, and after it, s."""
PUSH = (1.0, 3.5)
"""Range of the leap of the base's velocity, m/s."""
COLUMNS = ("tilt", "rate", "gx", "gy", "wx", "wy", "wz", "vx", "vy", "vz", "height")
"""tilt (rad), its rate (rad/s), direction of gravity, angular and estimated linear velocity in the base
frame, height above the lowest foot (m); then x and y (m) of each foot under the base, heading frame."""


@dataclass(frozen=True)
class Walk:
    """What was seen at each state after the push, (T, columns), and when the robot fell."""

    seen: np.ndarray
    fall_s: float
    """From the push to a true tilt above 60 degrees, s; infinite for a survivor."""

    @property
    def fell(self) -> bool:
        return bool(np.isfinite(self.fall_s))


class Walker:
    """A robot under its policy alone."""

    def __init__(self, task: Task, seed: int, gap: Perturbations):
        self.robot = load_equipped("go2", task.policy_path)
        self.plant = Plant(self.robot, gap, seed, state_rate_hz=RATE_HZ)
        self.runtime = PolicyRuntime(task.policy_path, self.robot, seed, task)
        self.practice = PracticeCommands(task.command_ranges, seed=seed, resample_s=WALK_S)
        self.phase = Phase(TRAIN, 0, seed)
        self.kinematics = FootKinematics(self.robot)
        self.begin()

    def begin(self) -> None:
        """Stand, with everything forgotten."""
        qpos = np.zeros(7 + self.robot.num_joints)
        qpos[2], qpos[3], qpos[7:] = self.robot.stand_height + 0.01, 1.0, self.robot.stand_pose
        self.plant.place(qpos)
        self.plant.drives.release()
        self.estimator, self.command = Estimator(self.robot), np.zeros(3)
        self.runtime.reset()

    def step(self) -> tuple[RobotState, BaseEstimate]:
        """One state, the policy's answer, and the time until the next state."""
        state = self.plant.state()
        estimate = self.estimator.update(state)
        if self.runtime.is_tick(state.stamp_ns):
            target, _ = self.runtime.tick(state, estimate, self.command, False, False)
            step = self.runtime.step_of(state.stamp_ns)
            self.command = self.practice.command(step, self.phase, None)
            self.plant.apply(target)
        self.plant.advance()
        return state, estimate

    def see(self, state: RobotState, estimate: BaseEstimate) -> np.ndarray:
        """A row of ``COLUMNS`` and the feet."""
        w, x, y, z = state.quat
        up = np.array((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)))
        self.kinematics.update(state.q)
        feet = self.kinematics.positions
        height = self.robot.foot_radius - float((feet @ up).min())
        level = _level(up)
        return np.array((
            *attitude(state.quat, state.gyro), -up[0], -up[1], *state.gyro, *estimate.lin_vel, height,
            *(feet @ level.T)[:, :2].ravel(),
        ))  # fmt: skip


def _level(up: np.ndarray) -> np.ndarray:
    """Base frame to the frame with its heading and a vertical z axis, (3, 3)."""
    x = np.array((up[2], 0.0, -up[0]))
    x /= max(np.linalg.norm(x), 1e-9)
    return np.array((x, np.cross(up, x), up))


def pushed(walker: Walker, rng: np.random.Generator) -> Walk:
    """One robot that walks, is pushed, and is watched until it falls or time is up."""
    walker.begin()
    for _ in range(round((WALK_S + rng.uniform(0.0, 0.5)) * RATE_HZ)):
        walker.step()
    angle, speed = rng.uniform(0.0, 2 * np.pi), rng.uniform(*PUSH)
    walker.plant.push(speed * np.array((np.cos(angle), np.sin(angle), 0.0)))
    rows: list[np.ndarray] = []
    for i in range(round(WATCH_S * RATE_HZ)):
        if tilt(walker.plant.truth().quat) > FALL_TILT:
            return Walk(np.array(rows), i / RATE_HZ)
        rows.append(walker.see(*walker.step()))
    return Walk(np.array(rows), np.inf)


def pushes(task: Task, gap: Perturbations, seeds: tuple[int, ...], each: int) -> list[Walk]:
    """So many pushed robots for each seed."""
    found = []
    for seed in seeds:
        walker, rng = Walker(task, seed, gap), np.random.default_rng(seed)
        found += [pushed(walker, rng) for _ in range(each)]
    return found


def undisturbed(task: Task, gap: Perturbations, seed: int, seconds: float) -> np.ndarray:
    """Rows of a robot that nobody pushes."""
    walker = Walker(task, seed, gap)
    for _ in range(round(WALK_S * RATE_HZ)):
        walker.step()
    return np.array([walker.see(*walker.step()) for _ in range(round(seconds * RATE_HZ))])


def capture_margin(seen: np.ndarray) -> np.ndarray:
    """How far the capture point lies inside the polygon of the four feet, (T,), m; negative outside.

    The instantaneous capture point of the linear inverted pendulum is v sqrt(h / g) ahead of the base
    (Pratt et al. 2006); a trotting robot may step anywhere in that polygon.
    """
    gx, gy = seen[:, 2], seen[:, 3]
    up = np.stack((-gx, -gy, np.sqrt(np.maximum(1 - gx**2 - gy**2, 0))), 1)
    x = np.stack((up[:, 2], np.zeros(len(up)), -up[:, 0]), 1)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    velocity = seen[:, 7:10]
    level = np.stack(((x * velocity).sum(1), (np.cross(up, x) * velocity).sum(1)), 1)
    point = level * np.sqrt(np.maximum(seen[:, 10:11], 0.15) / 9.81)
    corners = seen[:, 11:].reshape(-1, 4, 2)[:, [0, 1, 3, 2]]
    margin = np.full(len(seen), np.inf)
    for i in range(4):
        a, edge = corners[:, i], corners[:, (i + 1) % 4] - corners[:, i]
        normal = np.stack((edge[:, 1], -edge[:, 0]), 1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        inside = np.sign(((corners.mean(1) - a) * normal).sum(1))
        margin = np.minimum(margin, inside * ((point - a) * normal).sum(1))
    return margin
