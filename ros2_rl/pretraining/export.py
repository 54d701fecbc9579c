"""From an rsl_rl checkpoint to the files that the stack ships.

``python -m ros2_rl.pretraining.export trot runs/pretrain-trot/model_899.pt`` writes
``policy.onnx`` with its contract and, for a task, ``critic.safetensors``.
"""

import argparse
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch

from ros2_rl.learning.networks import critic_bytes
from ros2_rl.paths import share_path
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.onnx_policy import Layer, write_bytes, write_policy
from ros2_rl.pretraining import recovery_env, velocity_env
from ros2_rl.robots import RobotDescription, load_robot
from ros2_rl.tasks import load_task
from ros2_rl.tasks.clock import Clock

_TROT_OBSERVATIONS = (
    "base_ang_vel", "projected_gravity", "velocity_commands",
    "joint_pos", "joint_vel", "actions", "gait_clock",
)  # fmt: skip
_JUMP_OBSERVATIONS = (*_TROT_OBSERVATIONS[:-1], "contact_clock")
_RECOVERY_OBSERVATIONS = ("base_ang_vel", "projected_gravity", "joint_pos", "joint_vel", "actions")


def mlp_layers(state: dict[str, torch.Tensor], prefix: str = "mlp.") -> list[Layer]:
    """Linear layers of an rsl_rl MLP, in order."""
    names = sorted({int(k.split(".")[1]) for k in state if k.startswith(prefix)})
    return [
        Layer(f"actor.{i}", state[f"{prefix}{i}.weight"].numpy(), state[f"{prefix}{i}.bias"].numpy())
        for i in names
    ]


def contract(task: str, robot: RobotDescription, run: str) -> Contract:
    """What ``policy.onnx`` says about itself."""
    recovery = task == "recovery"
    env = recovery_env if recovery else velocity_env
    clock = Clock(0.02, 0.0) if recovery else load_task(task).clock
    names = _RECOVERY_OBSERVATIONS if recovery else _JUMP_OBSERVATIONS if clock.plan else _TROT_OBSERVATIONS
    scales = {"base_ang_vel": env.ANG_VEL_SCALE, "joint_vel": env.JOINT_VEL_SCALE}
    if clock.plan:
        scales["velocity_commands"] = clock.period  # the policy sees where the mark is
    gains = robot.gains["recovery" if recovery else "policy"]
    metadata = {
        "run_path": run,
        "joint_names": ",".join(robot.joints),
        "joint_stiffness": csv(gains.kp),
        "joint_damping": csv(gains.kd),
        "default_joint_pos": csv(robot.default_pose),
        "command_names": "" if recovery else "velocity_commands",
        "observation_names": ",".join(names),
        "action_scale": csv(np.full(robot.num_joints, env.ACTION_SCALE)),
        "observation_scales": csv(scales.get(name, 1.0) for name in names),
        "observation_history": "1",
        "step_dt": repr(clock.step_dt),
        "action_clip": repr(env.ACTION_CLIP),
        "policy_version": "0",
        "gait_period": repr(clock.period),
        "stand_below": repr(clock.stand_below),
        "contact_plan": csv(astuple(clock.plan)) if clock.plan else "",
    }
    return Contract.from_metadata(metadata)


def csv(values: Iterable[float]) -> str:
    return ",".join(repr(float(v)) for v in values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", help="trot, jump or recovery")
    parser.add_argument("checkpoint", type=Path, help="an rsl_rl checkpoint, model_<n>.pt")
    args = parser.parse_args()
    saved = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    run = f"{args.task}, iteration {saved['iter']}"
    actor, critic = saved["actor_state_dict"], saved["critic_state_dict"]
    if args.task == "recovery":
        path = share_path("config", "policies", "recovery.onnx")
    else:
        path = load_task(args.task).policy_path
    path.parent.mkdir(parents=True, exist_ok=True)
    robot = load_robot("go2")
    write_policy(path, mlp_layers(actor), "elu", contract(args.task, robot, run))
    if args.task != "recovery":
        layers = [layer._replace(name=layer.name.removeprefix("actor.")) for layer in mlp_layers(critic)]
        write_bytes(load_task(args.task).critic_path, critic_bytes(layers))
    print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
