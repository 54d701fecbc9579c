"""What touches the tool, from the torques of the joints alone.

A generalised momentum observer (Haddadin, De Luca, Albu-Schäffer, Robot Collisions: A Survey on
Detection, Isolation, and Identification, T-RO 2017, section IV-D): the momentum that no torque of the
drives explains is that of a touch. It needs no accelerations, and its residual is a touch's torque behind
a first-order low-pass.
"""

import numpy as np

from ros2_rl.manipulation.kinematics import ToolKinematics
from ros2_rl.robots import NS_PER_S, RobotDescription, RobotState

_GAIN = 25.0
"""Of the observer, 1/s: it feels a touch with a time constant of 40 ms."""
_DAMPING = 1e-4
"""Keeps J Jᵀ invertible near a singularity."""
_SLOW = 0.01
"""Speed at which dry friction is half of what it is, rad/s."""
_LONGEST_S = 0.1
"""After a longer pause it begins anew."""


class ContactObserver:
    """Estimates the force on the tool; takes every state in turn."""

    def __init__(self, robot: RobotDescription):
        self._kinematics = ToolKinematics(robot)
        self._armature, self._friction = robot.armature, robot.joint_friction
        self._damping = robot.joint_damping
        self.reset()

    def reset(self) -> None:
        """Forget what was felt."""
        self._last_ns: int | None = None
        self.torque = np.zeros(0)
        """Torque of the touch on each joint, (J,), N·m; empty before the first state."""
        self.force = np.zeros(3)
        """Force on the tool, (3,), N, axes of the base."""

    @property
    def position(self) -> np.ndarray:
        """Origin of the tool in the last state, (3,), m."""
        return self._kinematics.position

    @property
    def lowest(self) -> float:
        """See :attr:`ToolKinematics.lowest`."""
        return self._kinematics.lowest

    def update(self, state: RobotState) -> None:
        """Take a state; its torques are those that the drives give beside what carries the arm's weight."""
        kinematics = self._kinematics
        kinematics.update(state.q)
        momentum, drift = kinematics.momentum(state.dq, self._armature)
        dt = 0.0 if self._last_ns is None else (state.stamp_ns - self._last_ns) / NS_PER_S
        if self._last_ns is None or not 0.0 < dt <= _LONGEST_S:
            self.torque, self._sum = np.zeros_like(momentum), momentum
        else:
            lost = self._damping * state.dq + self._friction * np.tanh(state.dq / _SLOW)
            explained = self._sum + dt * (state.tau + drift - lost)
            # Implicit in the residual, hence stable however long the step.
            self.torque = _GAIN * (momentum - explained) / (1.0 + _GAIN * dt)
            self._sum = explained + dt * self.torque
        self._last_ns = state.stamp_ns
        jacobian = kinematics.jacobian()
        gram = jacobian @ jacobian.T + _DAMPING * np.eye(6)
        self.force = np.linalg.solve(gram, jacobian @ self.torque)[:3]
