"""Search for key poses that roll a robot from its back: ``python -m ros2_rl.pretraining.roll_over``.

Three poses, each leg pair of a side alike, and the times between them, found by the cross-entropy
method on strongly randomised robots. Prints the block ``roll_over`` of ``config/robots/go2.yaml``.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import yaml

from ros2_rl.paths import share_path
from ros2_rl.pretraining.batch_sim import BatchSim
from ros2_rl.robots import RobotDescription, load_robot, projected_gravity

KEYS = 3
_LOW, _HIGH = np.array([-1.0, -1.5, -2.7]), np.array([1.0, 3.4, -0.85])  # hip, thigh, calf, rad
_SHORTEST_S, _LONGEST_S = 0.12, 0.72
_FOLD_S = 0.5
_SHARED = 8
"""Robots on which each candidate is tried."""

Script = Sequence[tuple[np.ndarray, float]]


def drop(sim: BatchSim, robot: RobotDescription, rng: np.random.Generator) -> None:
    """Let limp robots fall from random orientations and come to rest."""
    for model in sim.models:
        model.actuator_gainprm[:, 0] = 0.0
        model.actuator_biasprm[:, 1], model.actuator_biasprm[:, 2] = 0.0, -2.0
    qpos = np.zeros((sim.num_envs, 19))
    quat = rng.normal(size=(sim.num_envs, 4))
    qpos[:, 3:7] = quat / np.linalg.norm(quat, axis=1, keepdims=True)
    qpos[:, 2] = 0.45
    qpos[:, 7:] = rng.uniform(robot.q_lower, robot.q_upper, (sim.num_envs, 12))
    sim.place(np.arange(sim.num_envs), qpos, np.zeros((sim.num_envs, 18)))
    for _ in range(60):
        sim.step(sim.q.copy())


def roll(sim: BatchSim, robot: RobotDescription) -> None:
    """Carry out the robot's own roll-over on all robots."""
    follow(sim, robot, [robot.roll_over] * sim.num_envs)


def follow(sim: BatchSim, robot: RobotDescription, scripts: Sequence[Script]) -> None:
    """Lead each robot through its script and then to the folded pose, as ``PoseScript`` does."""
    ends = [(*script, (robot.fold_pose, _FOLD_S)) for script in scripts]
    poses = np.stack([[pose for pose, _ in end] for end in ends], axis=1)
    poses = np.concatenate((sim.q[None].copy(), poses))  # (K + 1, N, J)
    times = np.cumsum([[0.0, *(seconds for _, seconds in end)] for end in ends], axis=1)  # (N, K + 1)
    robots, last = np.arange(sim.num_envs), len(poses) - 1
    for step in range(1, round(times.max() / 0.02) + 1):
        now = 0.02 * step
        at = np.minimum((times < now).sum(axis=1) - 1, last - 1)
        begin, end = times[robots, at], times[robots, at + 1]
        share = np.clip((now - begin) / (end - begin), 0.0, 1.0)
        smooth = (share * share * (3.0 - 2.0 * share))[:, None]
        sim.step(poses[at, robots] * (1.0 - smooth) + poses[at + 1, robots] * smooth)


def decode(numbers: np.ndarray, robot: RobotDescription) -> list[tuple[np.ndarray, float]]:
    """A script from KEYS * 7 unbounded numbers."""
    share = 1.0 / (1.0 + np.exp(-numbers))
    low, high = np.tile(_LOW, 2), np.tile(_HIGH, 2)
    sides = low + share[: 6 * KEYS].reshape(KEYS, 6) * (high - low)
    seconds = _SHORTEST_S + share[6 * KEYS :] * (_LONGEST_S - _SHORTEST_S)
    return [
        (np.clip(np.tile(side, 2), robot.q_lower + 0.02, robot.q_upper - 0.02), float(duration))
        for side, duration in zip(sides, seconds, strict=True)
    ]


class Search:
    """The cross-entropy method on robots that lie on their backs."""

    def __init__(self, robot: RobotDescription, seed: int, num_envs: int = 256):
        self.robot, self.rng = robot, np.random.default_rng(seed)
        self.cfg = yaml.safe_load(share_path("config", "pretraining", "recovery.yaml").read_text())["env"]
        self.sim = BatchSim(robot, num_envs, self.cfg["physics_dt"])
        drop(self.sim, robot, self.rng)
        index = np.flatnonzero(projected_gravity(self.sim.quat)[:, 2] > 0.3)
        self._lying = self.sim.qpos[index].copy(), self.sim.qvel[index].copy()

    def score(self, candidates: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Score and success of each candidate; all are tried on the same poses."""
        sim, count = self.sim, len(candidates)
        pick = np.resize(self.rng.integers(0, len(self._lying[0]), _SHARED), count * _SHARED)
        everybody = np.arange(sim.num_envs)
        sim.randomise(everybody, self.rng, self.cfg["randomise"])
        sim.place(everybody, self._lying[0][pick], self._lying[1][pick])
        scripts = [decode(c, self.robot) for c in candidates for _ in range(_SHARED)]
        follow(sim, self.robot, scripts)
        up = np.nan_to_num(-projected_gravity(sim.quat)[:, 2], nan=-1.0).reshape(count, _SHARED)
        return (up + 2.0 * (up > 0.8)).mean(axis=1), (up > 0.8).mean(axis=1)

    def run(self, iterations: int) -> np.ndarray:
        """The mean of the final distribution."""
        count = self.sim.num_envs // _SHARED
        mean, spread = np.zeros(KEYS * 7), np.full(KEYS * 7, 1.5)
        for iteration in range(iterations):
            candidates = mean + spread * self.rng.normal(size=(count, KEYS * 7))
            score, success = self.score(list(candidates))
            best = candidates[np.argsort(-score)[:6]]
            mean = 0.5 * mean + 0.5 * best.mean(axis=0)
            spread = 0.5 * spread + 0.5 * (best.std(axis=0) + 0.1)
            print(
                f"# iteration {iteration}: success {success.mean():.2f}, best {success.max():.2f}", flush=True
            )
        return mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=45)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    robot = load_robot("go2")
    search = Search(robot, args.seed)
    mean = search.run(args.iterations)
    success = np.mean([search.score([mean] * (search.sim.num_envs // _SHARED))[1].mean() for _ in range(8)])
    print(f"# success on randomised robots: {success:.3f}\nroll_over:")
    for pose, seconds in decode(mean, robot):
        left, right = (", ".join(f"{v:.3f}" for v in side) for side in (pose[:3], pose[3:6]))
        print(f"  - {{left: [{left}], right: [{right}], seconds: {seconds:.2f}}}")


if __name__ == "__main__":
    main()
