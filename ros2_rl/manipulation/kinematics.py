"""Where the tool of an arm is and how its joints move it, in the frame of the arm's base."""

import numpy as np
import pinocchio as pin

from ros2_rl.errors import ConfigError
from ros2_rl.estimation.kinematics import joint_order
from ros2_rl.robots import RobotDescription


class ToolKinematics:
    """The chain from base to tool; :meth:`update` takes joint positions, the rest answers for them.

    Attributes:
        position: origin of the tool, (3,), m.
        rotation: tool to base, (3, 3).
    """

    def __init__(self, robot: RobotDescription):
        """Read the URDF.

        Raises:
            ConfigError: it lacks a joint or the tool of the robot, or moves other joints.
        """
        self._model = pin.buildModelFromUrdf(str(robot.urdf))
        self._data = self._model.createData()
        self._order = joint_order(self._model, robot)
        if not self._model.existFrame(robot.tool):
            raise ConfigError(f"{robot.urdf.name} lacks the link {robot.tool}; check the robot's file.")
        self._frame = self._model.getFrameId(robot.tool)
        self._q, self._dq = np.zeros(self._model.nq), np.zeros(self._model.nv)
        self.position, self.rotation = np.zeros(3), np.eye(3)

    def update(self, q: np.ndarray) -> None:
        """Take joint positions, (J,), rad, robot order."""
        self._q[self._order] = q
        pin.forwardKinematics(self._model, self._data, self._q)
        place = pin.updateFramePlacement(self._model, self._data, self._frame)
        self.position, self.rotation = place.translation.copy(), place.rotation.copy()

    @property
    def lowest(self) -> float:
        """Height of the lowest joint beyond the shoulder, m; the tool is not one."""
        return min(float(place.translation[2]) for place in list(self._data.oMi)[3:])

    def jacobian(self) -> np.ndarray:
        """Velocity and angular velocity of the tool by joint speeds, (6, J), axes of the base."""
        spatial = pin.computeFrameJacobian(
            self._model, self._data, self._q, self._frame, pin.LOCAL_WORLD_ALIGNED
        )
        return spatial[:, self._order]

    def momentum(self, dq: np.ndarray, armature: float) -> tuple[np.ndarray, np.ndarray]:
        """Generalised momentum M dq and its change C^T dq without any torque, each (J,).

        Args:
            dq: joint speeds, (J,), rad/s.
            armature: inertia of each drive's rotor at its joint, kg m².
        """
        self._dq[self._order] = dq
        inertia = pin.crba(self._model, self._data, self._q)
        coriolis = pin.computeCoriolisMatrix(self._model, self._data, self._q, self._dq)
        momentum = inertia @ self._dq + armature * self._dq
        return momentum[self._order], (coriolis.T @ self._dq)[self._order]
