"""Small random policies, states and adapters for the tests of the policy's side."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ros2_rl.policy.adapter import Adapter, merge
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.onnx_policy import Layer, OnnxPolicy, write_policy
from ros2_rl.robots import RobotState, load_robot

ROBOT = load_robot("go2")
STEP_NS = 20_000_000
CONTRACT = Contract(
    joint_names=ROBOT.joints,
    joint_stiffness=tuple(ROBOT.gains["policy"].kp.tolist()),
    joint_damping=tuple(ROBOT.gains["policy"].kd.tolist()),
    default_joint_pos=tuple(ROBOT.default_pose.tolist()),
    observation_names=(
        "base_ang_vel", "projected_gravity", "velocity_commands", "joint_pos", "joint_vel", "actions",
        "gait_clock",
    ),
    action_scale=(0.25,),
    command_names=("vx", "vy", "wz"),
    observation_scales=(0.25, 1.0, 1.0, 1.0, 0.05, 1.0, 1.0),
    action_clip=8.0,
    gait_period=0.5,
)  # fmt: skip


JUMP_CONTRACT = replace(
    CONTRACT,
    observation_names=(*CONTRACT.observation_names[:-1], "contact_clock"),
    gait_period=1.6,
    stand_below=0.03,
    contact_plan=(1.0, 0.44, 0.68),
)


def random_layers(sizes: tuple[int, ...] = (47, 32, 16, 12), seed: int = 0) -> list[Layer]:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0.0, 0.2, shape).astype(np.float32)

    pairs = zip(sizes, sizes[1:], strict=False)
    return [Layer(str(2 * i), draw(b, a), draw(b)) for i, (a, b) in enumerate(pairs)]


def write_random(path: Path, contract: Contract = CONTRACT, seed: int = 0) -> Path:
    """A random policy that fits ``contract``."""
    sizes = (contract.observation_width, 32, 16, contract.num_joints)
    write_policy(path, random_layers(sizes, seed), "elu", contract)
    return path


def random_state(step: int, seed: int = 0) -> RobotState:
    rng = np.random.default_rng((seed, step))
    quat = np.array((1.0, 0.0, 0.0, 0.0)) + 0.1 * rng.normal(size=4)
    return RobotState(
        stamp_ns=step * STEP_NS,
        q=ROBOT.default_pose + 0.1 * rng.normal(size=12),
        dq=rng.normal(size=12),
        tau=rng.normal(size=12),
        quat=quat / np.linalg.norm(quat),
        gyro=0.3 * rng.normal(size=3),
        accel=np.array((0.0, 0.0, 9.81)),
    )


def make_adapter(
    base: OnnxPolicy, layers: list[Layer], version: int = 1, size: float = 0.1, **kwargs
) -> Adapter:
    """A random rank-2 adapter; ``size`` 0 makes the one with B = 0. The probe is answered rightly."""
    rng = np.random.default_rng(version)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    pairs = {x.name: (draw(2, x.weight.shape[1]), size * draw(len(x.weight), 2)) for x in layers}
    probe = draw(3, base.input_width)
    log_std = np.full(base.output_width, -1.5, np.float32)
    blank = np.zeros((3, base.output_width), np.float32)
    adapter = Adapter(version, base.sha256, 2, 4.0, pairs, log_std, probe, blank, **kwargs)
    merged = OnnxPolicy(merge(base.model, adapter))
    return replace(adapter, probe_out=np.stack([merged(row[None]) for row in probe]))
