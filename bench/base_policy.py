"""How well the shipped base policy walks: velocity tracking and falls, without a gap.

100 robots with sensor noise, one episode of 20 s each, commands drawn from the task's ranges;
a new one every 5 s. Exit status 1 when a must is missed: no fall, vx RMSE <= 0.10 m/s.

    python bench/base_policy.py [--quick] [--out FILE]
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from launching import write_result

from ros2_rl.paths import share_path
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.pretraining.velocity_env import VelocityEnv
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task

NOMINAL = {
    "payload_kg": [0.0, 0.0], "com_m": 0.0, "friction": [0.8, 0.8], "leg_strength": [1.0, 1.0],
    "gain_scale": [1.0, 1.0], "delay_ms": [0, 0],
}  # fmt: skip
MUST = {"falls": 0.0, "vx_rmse": 0.10}


def measure(episodes: int, seconds: float, seed: int, policy: Path) -> dict[str, float]:
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 episodes instead of 100")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    parser.add_argument("--policy", type=Path, default=load_task("trot").policy_path)
    args = parser.parse_args()
    result = measure(20 if args.quick else 100, 20.0, seed=7, policy=args.policy)
    for name, value in result.items():
        must = f"  (must be <= {MUST[name]})" if name in MUST else ""
        print(f"{name:16s} {value:8.3f}{must}")
    write_result(args.out, result)
    return int(any(result[name] > limit for name, limit in MUST.items()))


if __name__ == "__main__":
    sys.exit(main())
