"""Observations: what a policy sees of the robot, in the order that its contract gives."""

from collections.abc import Callable

import numpy as np

from ros2_rl.policy.contract import Contract
from ros2_rl.robots import BaseEstimate, RobotDescription, RobotState, projected_gravity


class Scene:
    """What observation terms may read at one control step; joint arrays in robot order."""

    __slots__ = ("clock", "command", "estimate", "last_action", "state")

    def __init__(
        self,
        state: RobotState,
        estimate: BaseEstimate | None,
        command: np.ndarray,
        last_action: np.ndarray,
        clock: np.ndarray,
    ):
        self.state, self.estimate, self.command = state, estimate, command
        self.last_action, self.clock = last_action, clock


class ObservationBuilder:
    """Builds the network's input; keeps the history of frames where the contract asks for one."""

    def __init__(self, contract: Contract, robot: RobotDescription):
        self.index = contract.robot_index(robot)
        self.default = np.asarray(contract.default_joint_pos)
        self._terms = [TERMS[name] for name in contract.observation_names]
        self._scales = contract.elements("observation_scales")
        self._lower, self._upper = (contract.elements(f"observation_{end}") for end in ("lower", "upper"))
        self._frames = np.zeros((contract.observation_history, contract.frame_width), dtype=np.float32)
        self._index = contract.history_index()
        self._empty = True

    def reset(self) -> None:
        """Forget the history; the next frame fills all of it."""
        self._empty = True

    def build(
        self,
        state: RobotState,
        estimate: BaseEstimate | None,
        command: np.ndarray,
        last_action: np.ndarray,
        clock: np.ndarray,
    ) -> np.ndarray:
        """The observation, float32 (1, D), its past laid out as the contract says.

        ``command`` is (vx, vy, yaw rate), ``last_action`` (J,) the previous raw clipped action in
        the policy's order, ``clock`` that of the contract.

        Raises:
            ValueError: the policy sees the base velocity and there is no estimate.
        """
        scene = Scene(state, estimate, command, last_action, clock)
        frame = np.concatenate([term(self, scene) for term in self._terms]).astype(np.float32)
        frame *= self._scales
        np.clip(frame, self._lower, self._upper, out=frame)
        if self._empty:
            self._frames[:] = frame
            self._empty = False
        else:
            self._frames[1:] = self._frames[:-1]
            self._frames[0] = frame
        return self._frames.reshape(1, -1)[:, self._index]


def _base_lin_vel(_: ObservationBuilder, s: Scene) -> np.ndarray:
    if s.estimate is None:
        raise ValueError("the policy sees base_lin_vel, but there is no estimate of it")
    return s.estimate.lin_vel


def _base_ang_vel(_: ObservationBuilder, s: Scene) -> np.ndarray:
    return s.state.gyro


def _projected_gravity(_: ObservationBuilder, s: Scene) -> np.ndarray:
    return projected_gravity(s.state.quat)


def _velocity_commands(_: ObservationBuilder, s: Scene) -> np.ndarray:
    return s.command


def _joint_pos(b: ObservationBuilder, s: Scene) -> np.ndarray:
    return s.state.q[b.index] - b.default


def _joint_vel(b: ObservationBuilder, s: Scene) -> np.ndarray:
    return s.state.dq[b.index]


def _actions(_: ObservationBuilder, s: Scene) -> np.ndarray:
    return s.last_action


def _clock(_: ObservationBuilder, s: Scene) -> np.ndarray:
    return s.clock


TERMS: dict[str, Callable[[ObservationBuilder, Scene], np.ndarray]] = {
    "base_lin_vel": _base_lin_vel,
    "base_ang_vel": _base_ang_vel,
    "projected_gravity": _projected_gravity,
    "velocity_commands": _velocity_commands,
    "command": _velocity_commands,
    "joint_pos": _joint_pos,
    "joint_vel": _joint_vel,
    "actions": _actions,
    "gait_clock": _clock,
    "contact_clock": _clock,
}
"""Observation terms by name, unscaled; sizes are in ``contract.TERM_SIZES``."""
