"""The joint drives of the simulated robot: how a command becomes torque at each physics step.

    tau = clip(kp (q* - q) + kd (dq* - dq) + tau*, ±limit)

MuJoCo evaluates that law inside its step, with the q and dq of that very step: an actuator's force
is ``gain ctrl + bias0 + bias1 q + bias2 dq``. A command is written into those parameters once it
has got through; what the command does not say (strength, gain scale, delay) belongs to the robot.
"""

from collections import deque

import mujoco
import numpy as np

from ros2_rl.robots import NS_PER_S, JointCommand, MotorCommand, RobotDescription
from ros2_rl.sim.perturbations import Perturbations

COMMAND_TIMEOUT_S = 0.1
"""Robot time without a command after which the joints are damped, as on the robot."""
_DAMPING = "damping"
Command = JointCommand | MotorCommand


class Drives:
    """PD drives with delay, weak legs and a command time-out."""

    def __init__(self, robot: RobotDescription, model: mujoco.MjModel, data: mujoco.MjData):
        self._robot, self._legs = robot, [joint.split("_")[0] for joint in robot.joints]
        # Views into the model; asking MuJoCo for them at each step would cost as much as the step.
        self._gain, self._bias = model.actuator_gainprm[:, 0], model.actuator_biasprm
        self._range, self._ctrl = model.actuator_forcerange, data.ctrl
        self.perturb(Perturbations(), begin=True)

    def reset(self) -> None:
        """No command heard, nothing counted, joints damped."""
        self._line: deque[tuple[int, Command]] = deque()
        self._command: Command | None = None
        self._heard_ns = 0
        self.timeouts = 0
        """How often the joints were damped for want of a command."""
        self.rejected = 0
        """Commands that were malformed or not finite."""
        self.out_of_limits = 0
        """Commands with a position beyond a joint limit."""
        self.worst_excess = 0.0
        """Largest distance of a commanded position beyond a joint limit, rad."""
        self.worst_command: Command | None = None
        """The command with that excess."""
        self._write()

    @property
    def damped(self) -> bool:
        """Whether the joints are damped because there is no command to follow."""
        return self._command is None

    @property
    def gains(self) -> str:
        """Name of the gain set in force; empty when a command brought gains of its own."""
        if self._command is None:
            return _DAMPING
        return self._command.gains if isinstance(self._command, JointCommand) else ""

    def release(self) -> None:
        """Forget all commands, those under way included, and damp the joints."""
        self._line.clear()
        self._command = None
        self._write()

    def perturb(self, perturbations: Perturbations, begin: bool = False) -> None:
        """Take over the drives' part of ``perturbations``; commands under way keep their delay."""
        legs, scale = perturbations.leg_strength, perturbations.gain_scale
        self._strength = np.array([legs.get(leg, 1.0) for leg in self._legs])
        self._scale = scale
        limit = self._robot.tau_max * self._strength
        self._range[:, 0], self._range[:, 1] = -limit, limit
        self._delay_ns = round(perturbations.actuation_delay_ms * 1e6)
        self.reset() if begin else self._write()

    def hear(self, command: Command, stamp_ns: int) -> bool:
        """Take a command that arrives at ``stamp_ns``; False when it is rejected."""
        if not self._sound(command):
            self.rejected += 1
            return False
        self._check_limits(command)
        self._line.append((stamp_ns + self._delay_ns, command))
        self._heard_ns = stamp_ns
        return True

    def update(self, stamp_ns: int) -> None:
        """Set the PD law of the physics step that begins at ``stamp_ns``."""
        line = self._line
        while line and line[0][0] <= stamp_ns:
            self._command = line.popleft()[1]
            self._write()
        if self._command is not None and stamp_ns - self._heard_ns >= COMMAND_TIMEOUT_S * NS_PER_S:
            self.timeouts += 1
            self.release()

    def _sound(self, command: Command) -> bool:
        parts, shape = [command.q, command.dq, command.tau], (self._robot.num_joints,)
        if isinstance(command, MotorCommand):
            parts += [command.kp, command.kd]
        elif command.gains not in self._robot.gains:
            return False
        return all(part.shape == shape for part in parts) and bool(np.isfinite(np.concatenate(parts)).all())

    def _stiffness(self, command: Command | None) -> tuple[np.ndarray, np.ndarray]:
        """kp and kd that a command asks for, each of shape (J,)."""
        if isinstance(command, MotorCommand):
            return command.kp, command.kd
        gains = self._robot.gains[_DAMPING if command is None else command.gains]
        return gains.kp, gains.kd

    def _check_limits(self, command: Command) -> None:
        held = self._stiffness(command)[0] > 0.0
        if not held.any():
            return
        beyond = np.maximum(command.q - self._robot.q_upper, self._robot.q_lower - command.q)
        excess = float(beyond[held].max())
        if excess > 1e-6:
            self.out_of_limits += 1
        if excess > max(self.worst_excess, 1e-6):
            self.worst_excess, self.worst_command = excess, command

    def _write(self) -> None:
        """Put the law of the present command into the actuators."""
        command = self._command
        kp, kd = self._stiffness(command)
        kp, kd = kp * self._scale * self._strength, kd * self._scale * self._strength
        self._gain[:] = kp
        self._bias[:, 1], self._bias[:, 2] = -kp, -kd
        if command is None:
            self._ctrl[:], self._bias[:, 0] = 0.0, 0.0
        else:
            self._ctrl[:] = command.q
            self._bias[:, 0] = kd * command.dq + self._strength * command.tau
