"""Small policies, critics and control steps, for the tests of the learning package."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from ros2_rl.learning.config import SlowRLConfig
from ros2_rl.learning.ppo import SlowRL
from ros2_rl.learning.rollout import Batch, Rollout
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.mlp import build_model
from ros2_rl.policy.onnx_policy import Layer, OnnxPolicy
from ros2_rl.policy.step import StepRecord

JOINTS = 2
OBS = 2
CRITIC_OBS = OBS + 3 + 1 + 1
HIDDEN = 16


def layers(sizes: list[int], prefix: str = "actor.", seed: int = 0) -> list[Layer]:
    """Random layers; named as torch names those of a Sequential."""
    rng = np.random.default_rng(seed)
    return [
        Layer(
            f"{prefix}{2 * i}",
            (rng.normal(size=(o, n)) / np.sqrt(n)).astype(np.float32),
            (0.1 * rng.normal(size=o)).astype(np.float32),
        )
        for i, (n, o) in enumerate(zip(sizes, sizes[1:], strict=False))
    ]


def policy() -> OnnxPolicy:
    """Two joints, each of which the policy sees the position of."""
    contract = Contract(
        joint_names=("shoulder", "elbow"),
        joint_stiffness=(1.0, 1.0),
        joint_damping=(0.1, 0.1),
        default_joint_pos=(0.0, 0.0),
        observation_names=("joint_pos",),
        action_scale=(0.25,),
    )
    model = build_model(layers([OBS, HIDDEN, JOINTS]), "elu", contract)
    return OnnxPolicy(model.SerializeToString())


def write_critic(path: Path, inputs: int = CRITIC_OBS, hidden: tuple[int, ...] = (HIDDEN,)) -> Path:
    tensors = {}
    for layer in layers([inputs, *hidden, 1], prefix="", seed=1):
        tensors |= {f"{layer.name}.weight": layer.weight, f"{layer.name}.bias": layer.bias}
    save_file(tensors, str(path), {"input": str(inputs), "hidden": str(list(hidden))})
    return path


def make_learner(folder: Path, **changes: object) -> SlowRL:
    settings = {"window_steps": 256, "min_batch_steps": 32, "std_init": 0.3, "seed": 3}
    return SlowRL(
        policy(), write_critic(folder / "critic.safetensors"), SlowRLConfig(**{**settings, **changes})
    )


def record(step: int, obs=None, action=None, mean=None, std: float = 0.3) -> StepRecord:
    """A control step; what is not given is zero."""
    zeros = np.zeros(JOINTS, np.float32)
    return StepRecord(
        stamp_ns=step * 20_000_000,
        step=step,
        version=0,
        obs=np.zeros(OBS, np.float32) if obs is None else np.asarray(obs, np.float32),
        action=zeros if action is None else np.asarray(action, np.float32),
        mean=zeros if mean is None else np.asarray(mean, np.float32),
        std=np.full(JOINTS, std, np.float32),
        command=np.zeros(3),
        clock=np.zeros(2),
        lin_vel=np.zeros(3),
        height=np.zeros(1),
        contacts=np.zeros(1),
        ang_vel=np.zeros(3),
        gravity=np.zeros(3),
        q=zeros,
        dq=zeros,
        tau=zeros,
    )


def walk(
    learner: SlowRL, steps: int, seed: int, overridden: tuple[int, ...] = ()
) -> list[tuple[StepRecord, str]]:
    """Control steps of a learner's policy in a world where joints move as they are told."""
    rng = np.random.default_rng(seed)
    std = learner.actor.log_std.detach().exp().numpy()
    x, found = rng.uniform(-1, 1, OBS), []
    for step in range(steps):
        if step % 16 == 0:
            x = rng.uniform(-1, 1, OBS)
        with torch.no_grad():
            mean = learner.actor(torch.tensor(x[None], dtype=torch.float32))[0].numpy()
        action = mean + std * rng.standard_normal(JOINTS).astype(np.float32)
        # A number is left out after 16 steps, so that the segment ends there.
        found.append(
            (record(step + step // 16, x, action, mean), "recovery" if step in overridden else "policy")
        )
        found[-1][0].std = std
        x = np.clip(x + 0.3 * action, -2, 2)
    return found


def batch(learner: SlowRL, steps: int = 256, seed: int = 0, **options) -> Batch:
    """A window of :func:`walk`; the reward is high where both joints are at zero."""
    return collect(walk(learner, steps + 1, seed, **options))


def collect(steps: list[tuple[StepRecord, str]]) -> Batch:
    rollout = Rollout()
    for (now, actor), (after, _) in zip(steps, steps[1:], strict=False):
        rollout.add(now, after, 1.0 - float(np.sum(after.obs**2)), actor, False)
    return rollout.drain()
