"""Whether a policy's contract fits a robot and a task, and the robot as the policy wants its gains."""

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ros2_rl.errors import ContractError
from ros2_rl.robots import GainSet, RobotDescription

if TYPE_CHECKING:
    from ros2_rl.policy.contract import Contract
    from ros2_rl.tasks import Task

POLICY_GAINS = "policy"
"""The gain set that the robot's own policies are carried out with."""
_KEYS = (("joint_stiffness", "kp"), ("joint_damping", "kd"))


def check_robot(contract: "Contract", robot: RobotDescription) -> None:
    """Whether this robot has the joints of the policy, and can hold its pose with its gains.

    Raises:
        ContractError: a sentence that says what differs.
    """
    unknown = [name for name in contract.joint_names if name not in robot.joints]
    if unknown:
        raise ContractError(
            f"The policy moves {', '.join(unknown)}, which {robot.name} does not have; "
            f"its joints are {', '.join(robot.joints)}."
        )
    if contract.num_joints != robot.num_joints:
        absent = [name for name in robot.joints if name not in contract.joint_names]
        raise ContractError(f"The policy does not move {', '.join(absent)} of {robot.name}.")
    _check_pose(contract, robot)
    _check_gains(contract, robot)


def check_gain_set(contract: "Contract", robot: RobotDescription, name: str) -> None:
    """Whether the policy was trained with the gains of a set of the robot.

    Raises:
        ContractError: a sentence that says what differs.
    """
    index = contract.robot_index(robot)
    for key, ours in _KEYS:
        theirs = getattr(robot.gains[name], ours)[index]
        if not _same(getattr(contract, key), theirs):
            raise ContractError(
                f"The policy was trained with {key} {_csv(getattr(contract, key))}, but the gain set "
                f"'{name}' of {robot.name} has {_csv(theirs)}; make them equal."
            )


def check_task(contract: "Contract", task: "Task") -> None:
    """Whether the policy's control step and contact plan, and its clock if it sees one, are a task's.

    Raises:
        ContractError: a sentence that says what differs.
    """
    sees_clock = not {"gait_clock", "contact_clock"}.isdisjoint(contract.observation_names)
    for key in ("step_dt", "gait_period") if sees_clock else ("step_dt",):
        if not math.isclose(getattr(contract, key), getattr(task, key), rel_tol=1e-6):
            raise ContractError(
                f"The policy's {key} is {getattr(contract, key)} s, but the task {task.name} "
                f"has {getattr(task, key)} s; choose the policy of that task."
            )
    plan = task.clock.plan
    if contract.clock.plan != plan:
        raise ContractError(
            f"The policy's contact plan is {contract.clock.plan}, but the task {task.name} "
            f"has {plan}; choose the policy of that task."
        )
    if plan and not math.isclose(contract.stand_below, task.stand_below, rel_tol=1e-6):
        raise ContractError(
            f"The policy stands below a command of {contract.stand_below}, but the task {task.name} "
            f"below {task.stand_below}; make stand_below equal."
        )


def gain_set(contract: "Contract", robot: RobotDescription) -> str:
    """Name of the gain set that carries the policy out on ``robot``, once it is :func:`equipped`.

    It is ``policy`` where the policy was trained with the robot's own gains, otherwise a name that
    depends on the gains: a node that has not been told of this policy refuses its commands and does
    not carry them out with other gains.
    """
    kp, kd = _gains(contract, robot)
    own = robot.gains[POLICY_GAINS]
    if _same(kp, own.kp) and _same(kd, own.kd):
        return POLICY_GAINS
    return f"{POLICY_GAINS}_{hashlib.sha256(kp.tobytes() + kd.tobytes()).hexdigest()[:8]}"


def equipped(contract: "Contract", robot: RobotDescription) -> RobotDescription:
    """The robot with a gain set as the policy was trained with."""
    name = gain_set(contract, robot)
    if name in robot.gains:
        return robot
    return replace(robot, gains=robot.gains | {name: GainSet(*_gains(contract, robot))})


def _gains(contract: "Contract", robot: RobotDescription) -> tuple[np.ndarray, np.ndarray]:
    """kp and kd of the policy in robot order, (J,) each."""
    order = np.argsort(contract.robot_index(robot))
    kp, kd = (np.asarray(getattr(contract, key), dtype=float)[order] for key, _ in _KEYS)
    kp.setflags(write=False)
    kd.setflags(write=False)
    return kp, kd


def _check_pose(contract: "Contract", robot: RobotDescription) -> None:
    index = contract.robot_index(robot)
    low, high, pose = robot.q_lower[index], robot.q_upper[index], np.array(contract.default_joint_pos)
    outside = np.flatnonzero((pose < low - 1e-6) | (pose > high + 1e-6))
    if outside.size:
        i = int(outside[0])
        raise ContractError(
            f"The policy's default pose has {contract.joint_names[i]} at {pose[i]:g} rad, but on "
            f"{robot.name} it moves from {low[i]:.3g} to {high[i]:.3g}; mend the order of joint_names."
        )


def _check_gains(contract: "Contract", robot: RobotDescription) -> None:
    """Gains beyond the stiffest set that the robot is known to bear are a mistake, or a danger."""
    index = contract.robot_index(robot)
    for key, ours in _KEYS:
        values = np.array(getattr(contract, key))
        most = np.max([getattr(gains, ours) for gains in robot.gains.values()], axis=0)[index]
        lowest = 0.0 if ours == "kd" else 1e-3
        wrong = np.flatnonzero((values < lowest) | (values > most + 1e-6))
        if wrong.size:
            i = int(wrong[0])
            raise ContractError(
                f"The policy wants {key} {values[i]:g} at {contract.joint_names[i]}, but {robot.name} takes "
                f"{lowest:g} to {most[i]:g}; was the policy trained for this robot?"
            )


def _same(one: np.ndarray | tuple[float, ...], other: np.ndarray) -> bool:
    """Equal but for mjlab's three decimals."""
    return bool(np.allclose(one, other, rtol=1e-3, atol=1e-3))


def _csv(values: np.ndarray | tuple[float, ...]) -> str:
    return ",".join(f"{float(v)}" for v in values)
