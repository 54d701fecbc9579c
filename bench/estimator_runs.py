"""The walks on which ``bench/estimator.py`` compares estimators: states, and the truth beside them.

Every walk runs the base policy under the supervisor, as on the robot. Whatever befalls the robot is a
force on its trunk, so that its accelerometer feels it. The policy sees the true velocity: no estimator
under comparison has a part in the walk.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ros2_rl.paths import share_path
from ros2_rl.policy.runtime import PolicyRuntime
from ros2_rl.policy.schedule import MemoryGuard
from ros2_rl.robots import NS_PER_S, BaseEstimate, RobotDescription, RobotState
from ros2_rl.safety.config import load_safety
from ros2_rl.safety.learned import load_recovery
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.supervisor import Supervisor
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import Plant
from ros2_rl.tasks import load_task

START_S = 4.0
"""By then the robot has stood up and walks; the estimators begin here."""
_GRAVITY = 9.81

Walk = list[tuple[RobotState, BaseEstimate]]
Wrench = Callable[[float, Plant], np.ndarray]
"""Force and torque on the trunk, (6,), N and N·m, world frame, at a time since the start, s."""
Sensing = Callable[[RobotState], RobotState]
"""What becomes of a state on its way to the estimator."""


def peace(_time: float, _plant: Plant) -> np.ndarray:
    return np.zeros(6)


def shoves(time: float, _plant: Plant) -> np.ndarray:
    """Every 2 s for 0.1 s from another side, enough to change the speed by about 0.8 m/s."""
    angle = 2.4 * (time // 2.0)  # the golden angle: no side comes twice
    push = 120.0 if time % 2.0 < 0.1 else 0.0
    return push * np.array((np.cos(angle), np.sin(angle), 0.0, 0.0, 0.0, 0.0))


def throws(time: float, _plant: Plant) -> np.ndarray:
    """Every 2.5 s up into the air, to land 0.3 to 0.4 s later."""
    return np.array((0.0, 0.0, 350.0 if time % 2.5 < 0.1 else 0.0, 0.0, 0.0, 0.0))


def knocks(time: float, _plant: Plant) -> np.ndarray:
    """Every 5 s over onto its side, left and right in turn; the supervisor brings it back to its feet."""
    side = 1.0 if time % 10.0 < 5.0 else -1.0
    return side * (time % 5.0 < 0.25) * np.array((0.0, 250.0, 0.0, -40.0, 0.0, 0.0))


def hands(time: float, plant: Plant) -> np.ndarray:
    """From 2 to 8 of 10 s lifted by 0.3 m, held level and carried to and fro at up to 0.4 m/s."""
    phase = time % 10.0
    if not 2.0 <= phase < 8.0:
        return np.zeros(6)
    qpos, qvel = plant.data.qpos, plant.data.qvel
    speed = np.array((0.4 * np.sin(phase - 2.0), 0.0, 0.0))
    lift = 0.55 * min(1.0, phase - 2.0, 8.0 - phase) + 0.2 - qpos[2]
    mass = float(plant.model.body_subtreemass[1])
    force = 200.0 * (speed - qvel[:3]) + (0.0, 0.0, mass * _GRAVITY + 800.0 * lift)
    return np.concatenate((force, 60.0 * -np.sign(qpos[3]) * qpos[4:7] * (1.0, 1.0, 0.0) - 3.0 * qvel[3:6]))


def unchanged(state: RobotState) -> RobotState:
    return state


def no_forces(state: RobotState) -> RobotState:
    return replace(state, foot_force=np.zeros(0))


def wrong_forces(state: RobotState) -> RobotState:
    """One foot's sensor is dead, one always feels 60 N more than there is; both are alive with noise."""
    first, second, *rest = state.foot_force
    noise = first % 1.0
    return replace(state, foot_force=np.array((noise, second + 60.0, *rest)))


@dataclass(frozen=True)
class Condition:
    """One kind of walk."""

    name: str
    command: tuple[float, float, float]
    """vx, vy in m/s, yaw rate in rad/s."""
    flat: bool = False
    """Whether the walk is one of those for which the figures are promised."""
    gap: dict[str, Any] = field(default_factory=dict)
    wrench: Wrench = peace
    sensing: Sensing = unchanged


CONDITIONS = (
    Condition("0.3 m/s", (0.3, 0.0, 0.0), flat=True),
    Condition("0.6 m/s", (0.6, 0.0, 0.0), flat=True),
    Condition("1.0 m/s", (1.0, 0.0, 0.0), flat=True),
    Condition("lateral", (0.3, 0.3, 0.0), flat=True),
    Condition("turning", (0.4, 0.0, 0.8), flat=True),
    Condition("shoves", (0.5, 0.0, 0.0), wrench=shoves),
    Condition("landing", (0.3, 0.0, 0.0), wrench=throws),
    Condition("falls, gets up", (0.4, 0.0, 0.0), wrench=knocks),
    Condition("carried", (0.0, 0.0, 0.0), wrench=hands),
    Condition("payload 5 kg", (0.6, 0.0, 0.0), gap={"payload_kg": 5.0}),
    Condition("friction 0.2", (0.5, 0.0, 0.0), gap={"friction": 0.2}),
    # It turns, for the rough ground ends after ten metres.
    Condition("rough 2 cm", (0.4, 0.0, 0.3), gap={"terrain_roughness_m": 0.02}),
    Condition("IMU biased", (0.6, 0.0, 0.0), gap={"noise": {"gyro_bias": 0.03, "accel_bias": 0.2}}),
    Condition("no foot sensors", (0.6, 0.0, 0.0), sensing=no_forces),
    Condition("2 wrong sensors", (0.6, 0.0, 0.0), sensing=wrong_forces),
)


def walk(robot: RobotDescription, condition: Condition, seconds: float, seed: int) -> Walk:
    """States at 200 Hz and the truth, for ``seconds`` after the start."""
    task = load_task("trot")
    plant = Plant(robot, Perturbations(**condition.gap), seed)
    runtime, memory = PolicyRuntime(task.policy_path, robot, seed, task), MemoryGuard()
    config = load_safety(robot.name)
    learned = load_recovery(share_path("config", "policies", "recovery.onnx"), robot)
    recovery = RecoveryController(robot, config, learned)
    supervisor = Supervisor(robot, config, recovery, lockstep=True, autostart=True)
    trunk = plant.data.xfrc_applied[plant.model.body(robot.base_link).id]
    samples: Walk = []
    while (time := plant.stamp_ns / NS_PER_S - START_S) < seconds:
        state, truth = plant.state(), plant.truth()
        if time >= 0.0:
            samples.append((condition.sensing(state), truth))
            trunk[:] = condition.wrench(time, plant)
        command = supervisor.on_state(state)
        if runtime.is_tick(state.stamp_ns):
            snapshot = supervisor.snapshot()
            memory.on_mode(str(snapshot.mode), snapshot.policy_from_ns)
            if memory.resets_at(state.stamp_ns):
                runtime.reset()
            target, _ = runtime.tick(state, truth, np.array(condition.command), False)
            command = supervisor.on_target(target) or command
        assert command is not None
        plant.apply(command)
        plant.advance()
    return samples
