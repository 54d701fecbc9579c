"""How good the shipped base policies are, without a gap.

Trot: 100 robots with sensor noise, one episode of 20 s each, commands drawn from the task's ranges, a new
one every 5 s. Jump: marks drawn from the task's ranges, each robot with its whole stack and sensor noise;
a jump succeeds when no foot touches the ground for 0.15 s, the policy acts all the time and the robot
stands at the end; and its return under a gap. Exit status 1 when a must is missed.

    python bench/base_policy.py [--task trot|jump] [--gap NAME] [--quick] [--out FILE]
"""

import argparse
import operator
import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from jumping import measure_jumps
from launching import write_result

from ros2_rl.paths import share_path
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.pretraining.velocity_env import VelocityEnv
from ros2_rl.robots import load_robot
from ros2_rl.sim.perturbations import Perturbations, load_gap
from ros2_rl.tasks import load_task

NOMINAL = {
    "payload_kg": [0.0, 0.0], "com_m": 0.0, "friction": [0.8, 0.8], "leg_strength": [1.0, 1.0],
    "gain_scale": [1.0, 1.0], "delay_ms": [0, 0],
}  # fmt: skip
MUST = {
    "trot": {"falls": ("<=", 0.0), "vx_rmse": ("<=", 0.10)},
    "jump": {"success_share": (">=", 0.95), "flight_s": (">=", 0.15), "lost_share": (">=", 0.3)},
}
COMPARE = {"<=": operator.le, ">=": operator.ge}


def trot(episodes: int, seconds: float, seed: int, policy: Path) -> dict[str, float]:
    """RMSE of vx, vy (m/s) and yaw rate (rad/s), and falls."""
    cfg = yaml.safe_load(share_path("config", "pretraining", "trot.yaml").read_text())["env"]
    cfg |= {"randomise": NOMINAL, "physics_dt": 0.0025, "push_every_s": 1e9, "episode_s": seconds}
    task, network = load_task("trot"), OnnxPolicy(policy)
    env = VelocityEnv(load_robot("go2"), task, cfg, episodes, seed)
    errors, falls = [], 0
    steps = round(seconds / task.step_dt)
    since = np.zeros(episodes, dtype=int)
    command = env.command.copy()
    for _ in range(steps - 1):
        obs = env.get_observations()["policy"].numpy()
        action = np.concatenate([network(obs[i : i + 1])[None] for i in range(episodes)])
        before = env.command.copy()
        _, _, done, _ = env.step(torch.from_numpy(action))
        falls += int(done.sum())
        since = np.where((before == command).all(axis=1), since + 1, 0)
        command = before
        settled = since > 50  # a second after the command changed
        speed = np.column_stack((env.sim.lin_vel()[:, :2], env.sim.ang_vel[:, 2]))
        errors.append((speed - before)[settled])
    rmse = np.sqrt(np.mean(np.concatenate(errors) ** 2, axis=0))
    names = ("vx_rmse", "vy_rmse", "yaw_rate_rmse")
    return dict(zip(names, map(float, rmse), strict=True)) | {
        "falls": float(falls),
        "episodes": float(episodes),
    }


def jump(seeds: tuple[int, ...], policy: Path, gap: str) -> dict[str, float]:
    """See ``measure_jumps``; and the share of the return that is lost under a gap."""
    task = load_task("jump")
    figures = measure_jumps(task, policy, Perturbations(), seeds, 16)
    hurt = measure_jumps(task, policy, load_gap(gap), seeds, 16)
    return {
        **figures,
        "return_gap": hurt["return"],
        "success_share_gap": hurt["success_share"],
        "lost_share": 1.0 - hurt["return"] / figures["return"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="trot", choices=tuple(MUST))
    parser.add_argument("--gap", default="default", help="gap whose cost is measured (jump)")
    parser.add_argument("--quick", action="store_true", help="a fifth of the episodes")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--policy", type=Path, help="another policy of the task")
    args = parser.parse_args()
    policy, musts = args.policy or load_task(args.task).policy_path, MUST[args.task]
    if args.task == "trot":
        result = trot(20 if args.quick else 100, 20.0, seed=7, policy=policy)
    else:
        result = jump((1,) if args.quick else (1, 2, 3, 4, 5), policy, args.gap)
    for name, value in result.items():
        sign, limit = musts.get(name, ("", 0.0))
        print(f"{name:18s} {value:8.3f}" + (f"  (must be {sign} {limit})" if sign else ""))
    write_result(args.out, result)
    return int(not all(COMPARE[sign](result[name], limit) for name, (sign, limit) in musts.items()))


if __name__ == "__main__":
    sys.exit(main())
