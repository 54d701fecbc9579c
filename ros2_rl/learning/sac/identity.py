"""What experience must have in common to be mixed: the same robot doing the same task at the same rate."""

from hashlib import sha256

from ros2_rl.robots import RobotDescription
from ros2_rl.tasks import Task


def identity_of(robot: RobotDescription, task: Task, base_sha256: str) -> dict[str, str]:
    """By name; every value can be shown to a person."""
    rewards = ", ".join(f"{name} {weight:g}" for name, weight in sorted(task.rewards.items()))
    if task.machine is not None:
        rewards += f", machine {sha256(task.machine.model_dump_json().encode()).hexdigest()[:8]}"
    return {
        "robot": robot.name,
        "task": task.name,
        "rate": f"{1.0 / task.step_dt:g} Hz",
        "reward": rewards,
        "base policy": base_sha256[:12],
    }
