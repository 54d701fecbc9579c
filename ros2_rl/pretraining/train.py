"""Pre-train a base policy with rsl_rl's PPO: ``python -m ros2_rl.pretraining.train trot``.

Writes checkpoints and TensorBoard logs under ``runs/pretrain-<task>/``; ``--export`` writes the
policy with its contract (ONNX) and the critic (safetensors) to ``config/policies/<task>/``.
"""

import argparse
import json
import time
from pathlib import Path

import torch
import yaml
from rsl_rl.runners import OnPolicyRunner

from ros2_rl.paths import share_path
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task


def make_env(task: str, cfg: dict, num_envs: int, seed: int):
    """The environment that ``config/pretraining/<task>.yaml`` describes."""
    robot = load_robot("go2")
    if task == "recovery":
        from ros2_rl.pretraining.recovery_env import RecoveryEnv

        return RecoveryEnv(robot, cfg, num_envs, seed)
    from ros2_rl.pretraining.jump_env import JumpEnv
    from ros2_rl.pretraining.velocity_env import VelocityEnv

    spec = load_task(task)
    return (JumpEnv if spec.jump else VelocityEnv)(robot, spec, cfg, num_envs, seed)


def runner_config(cfg: dict) -> dict:
    """Our short configuration in rsl_rl's form."""
    network = {"class_name": "MLPModel", "hidden_dims": cfg["hidden"], "activation": "elu"}
    gaussian = {"class_name": "GaussianDistribution", "init_std": cfg["actor_std"], "std_type": "log"}
    return {
        "num_steps_per_env": cfg["num_steps_per_env"],
        "save_interval": cfg["save_interval"],
        "obs_groups": {"actor": ["policy"], "critic": ["critic"]},
        "actor": {**network, "distribution_cfg": gaussian},
        "critic": dict(network),
        "algorithm": {"class_name": "PPO", **cfg["algorithm"]},
        "logger": "tensorboard",
    }


def train(task: str, out: Path, overrides: argparse.Namespace) -> OnPolicyRunner:
    cfg = yaml.safe_load(share_path("config", "pretraining", f"{task}.yaml").read_text())
    runner_cfg = cfg["runner"]
    torch.manual_seed(runner_cfg["seed"])
    num_envs = overrides.num_envs or runner_cfg["num_envs"]
    cfg["env"]["threads"] = overrides.threads
    env = make_env(task, cfg["env"], num_envs, runner_cfg["seed"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    runner = OnPolicyRunner(env, runner_config(runner_cfg), str(out), device=device)
    if overrides.resume:
        runner.load(overrides.resume)
    runner.learn(overrides.iterations or runner_cfg["iterations"], init_at_random_ep_len=True)
    return runner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", help="trot, jump or recovery")
    parser.add_argument("--out", type=Path, default=None, help="folder of logs and checkpoints")
    parser.add_argument("--num-envs", type=int, default=0, help="robots in parallel (0: as configured)")
    parser.add_argument("--iterations", type=int, default=0, help="PPO iterations (0: as configured)")
    parser.add_argument("--threads", type=int, default=0, help="simulation threads (0: one a core)")
    parser.add_argument("--resume", default="", help="checkpoint to go on from")
    args = parser.parse_args()
    out = args.out or Path("runs") / f"pretrain-{args.task}"
    start = time.time()
    train(args.task, out, args)
    (out / "wall.json").write_text(json.dumps({"wall_seconds": round(time.time() - start, 1)}))


if __name__ == "__main__":
    main()
