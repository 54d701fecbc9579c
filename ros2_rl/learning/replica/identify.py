"""Which dynamics explain what a robot did: the cross-entropy method on short stretches of its experience.

Each candidate replays the same stretches from the measured states under the joint targets that were executed,
and is judged by how far it ends up from what was measured (system identification by sampling, as in Memmel et
al. 2024, arXiv 2404.12308, and Sobanbabu et al. 2025, arXiv 2505.14266). Nothing but what the robot measures
and estimates is used.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ros2_rl.learning.replica.dynamics import Dynamics
from ros2_rl.pretraining.batch_sim import BatchSim, rotate_inverse
from ros2_rl.pretraining.velocity_env import ACTION_SCALE, ANG_VEL_SCALE, JOINT_VEL_SCALE
from ros2_rl.robots import RobotDescription, projected_gravity

ROUNDS = 30
_CANDIDATES, _ELITE = 20, 5
_STRETCHES, _STEPS = 64, 3
_KEEP = 0.5
"""Share of a round's mean that the one before has."""
_SCALES = {"q": 0.02, "dq": 1.0, "ang_vel": 0.4, "gravity": 0.01, "lin_vel": 0.05}
"""Errors that count the same, SI units; larger ones count linearly."""


@dataclass(frozen=True)
class Measured:
    """States at the beginning of T control steps and what was executed in them, (T, ...), SI units."""

    ang_vel: np.ndarray
    gravity: np.ndarray
    q: np.ndarray
    dq: np.ndarray
    lin_vel: np.ndarray
    height: np.ndarray
    before: np.ndarray
    """Joint targets of the control step before."""
    targets: np.ndarray
    follows: np.ndarray
    """Whether the next row is what came of this one, (T,)."""

    @classmethod
    def of(cls, robot: RobotDescription, critic_obs: np.ndarray, actions: np.ndarray, follows: np.ndarray):
        """From raw actions and what critics see (T, C) of a policy that observes as in ``VelocityEnv``."""
        j = robot.num_joints
        parts = np.split(critic_obs.astype(float), np.cumsum([3, 3, 3, j, j, j, 2, 3, 1]), axis=1)
        ang_vel, gravity, _, q, dq, last, _, lin_vel, height, _ = parts
        gravity = gravity / np.linalg.norm(gravity, axis=1, keepdims=True)
        pose = robot.default_pose
        return cls(
            ang_vel / ANG_VEL_SCALE, gravity, q + pose, dq / JOINT_VEL_SCALE, lin_vel, height[:, 0],
            pose + ACTION_SCALE * last, pose + ACTION_SCALE * actions, follows,
        )  # fmt: skip

    def starts(self, steps: int) -> np.ndarray:
        """Rows that are the first of so many consecutive steps and of the state after them."""
        going = np.lib.stride_tricks.sliding_window_view(self.follows, steps).all(axis=1)
        return np.flatnonzero(going)


class Identifier:
    """Finds the dynamics of one robot."""

    def __init__(self, robot: RobotDescription, physics_dt: float, seed: int):
        self._sim = BatchSim(robot, _STRETCHES, physics_dt, threads=1)
        self._sim.models[:] = self._sim.models[:1] * _STRETCHES
        self._all = np.arange(_STRETCHES)
        self.dynamics = Dynamics(robot, self._sim)
        self._rng = np.random.default_rng(seed)

    def fit(self, measured: Measured) -> Iterator[tuple[np.ndarray, float]]:
        """The dynamics (D,) that explain it best so far, and their mean error, 1 being one of ``_SCALES``.

        An iterator whose answers come some milliseconds after one another, so that a caller with little time
        asks for a few at once; the last one is meant.

        Raises:
            ValueError: there is no stretch of consecutive steps.
        """
        starts = measured.starts(_STEPS)
        if not len(starts):
            raise ValueError(f"there are no {_STEPS} consecutive steps")
        return self._search(measured, starts)

    def _search(self, measured: Measured, starts: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        dynamics, rng = self.dynamics, self._rng
        mean, spread, error = dynamics.start, dynamics.spread, np.inf
        for _ in range(ROUNDS):
            drawn = rng.normal(mean, spread, (_CANDIDATES, len(mean)))
            candidates = np.clip(drawn, dynamics.low, dynamics.high)
            rows, errors = rng.choice(starts, _STRETCHES), np.zeros(_CANDIDATES)
            for number, values in enumerate(candidates):
                self.dynamics.give(self._all, values, self._rng)
                self._place(measured, rows)
                for step in range(_STEPS):
                    if number or step:
                        yield mean, error
                    self._sim.step(measured.targets[rows + step])
                    errors[number] += self._away(measured, rows + step + 1) / _STEPS
            elite = candidates[np.argsort(errors)[:_ELITE]]
            error = float(np.sort(errors)[:_ELITE].mean())
            mean = _KEEP * mean + (1.0 - _KEEP) * elite.mean(axis=0)
            spread = _KEEP * spread + (1.0 - _KEEP) * elite.std(axis=0)
            spread = np.maximum(spread, dynamics.least)
            yield mean, error

    def _place(self, measured: Measured, rows: np.ndarray) -> None:
        """Put the robots into the measured states; the heading plays no part."""
        quat, nowhere = _upright(measured.gravity[rows]), np.zeros((len(rows), 2))
        qpos = np.concatenate((nowhere, measured.height[rows, None], quat, measured.q[rows]), axis=1)
        back = quat * np.array([1.0, -1.0, -1.0, -1.0])
        lin_vel = rotate_inverse(back, measured.lin_vel[rows])
        qvel = np.concatenate((lin_vel, measured.ang_vel[rows], measured.dq[rows]), axis=1)
        self._sim.place(self._all, qpos, qvel)
        self._sim.hold(measured.before[rows])

    def _away(self, measured: Measured, rows: np.ndarray) -> float:
        """How far the simulated robots are from what was measured; a broken simulation is infinitely far."""
        sim, found = self._sim, 0.0
        now = {
            "q": sim.q, "dq": sim.dq, "ang_vel": sim.ang_vel,
            "gravity": projected_gravity(sim.quat), "lin_vel": sim.lin_vel(),
        }  # fmt: skip
        for name, scale in _SCALES.items():
            off = np.abs(now[name] - getattr(measured, name)[rows]) / scale
            found += float(np.where(off < 1.0, 0.5 * off**2, off - 0.5).mean())
        return found / len(_SCALES) if np.isfinite(found) else np.inf


def _upright(gravity: np.ndarray) -> np.ndarray:
    """Quaternions (w, x, y, z), (N, 4), heading 0, under which gravity has these directions (N, 3)."""
    roll = 0.5 * np.arctan2(-gravity[:, 1], -gravity[:, 2])
    pitch = 0.5 * np.arctan2(gravity[:, 0], np.hypot(gravity[:, 1], gravity[:, 2]))
    cr, sr, cp, sp = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch)
    return np.stack((cr * cp, sr * cp, cr * sp, -sr * sp), axis=1)
