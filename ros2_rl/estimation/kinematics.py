"""Where the feet are and how they move, in the base frame, for any legged URDF.

Pinocchio does the chain in C++ once per sample; all feet are then handled in one numpy expression.
"""

from pathlib import Path

import numpy as np
import pinocchio as pin

from ros2_rl.errors import ConfigError
from ros2_rl.estimation.rotation import cross_matrix
from ros2_rl.robots import RobotDescription

_DAMPING = 1e-4
"""Keeps J Jᵀ invertible at a stretched leg, m²; small beside its usual 0.03."""
_MINUS_CROSS = -np.array([cross_matrix(axis).reshape(-1) for axis in np.eye(3)])
"""Makes the matrix of ``x p`` of a point p: ``p.dot(_MINUS_CROSS)``, laid flat."""


class FootKinematics:
    """Where the feet are; :meth:`update` reuses the arrays.

    Attributes:
        positions: origin of each foot's link in the base frame, (F, 3), m.
        imu_position: origin of the IMU in the base frame, (3,), m.
        mass: of the whole robot, kg.
    """

    def __init__(self, robot: RobotDescription):
        """Read the URDF with its base held fast.

        Raises:
            ConfigError: the URDF lacks a joint, a foot or the IMU of the robot, or moves other joints.
        """
        self._model = pin.buildModelFromUrdf(str(robot.urdf))
        self._data = self._model.createData()
        self._order = joint_order(self._model, robot)
        self._feet = [self._frame(foot, robot.urdf) for foot in robot.feet]
        self._mask = self._carrying(robot)
        self._q = np.zeros(self._model.nq)
        self.positions = np.zeros((len(robot.feet), 3))
        self._spatial = np.zeros((6, robot.num_joints))
        # Views: pinocchio writes the new placements where they look.
        self._places = [self._data.oMf[frame].translation for frame in self._feet]
        imu = self._model.frames[self._frame(robot.imu_link, robot.urdf)]
        if imu.parentJoint != 0:
            raise ConfigError(f"{robot.imu_link} of {robot.urdf.name} must be fixed to the base.")
        self.imu_position = imu.placement.translation.copy()
        # With the base held fast its own mass belongs to the joint "universe".
        self.mass = float(sum(inertia.mass for inertia in self._model.inertias))

    def update(self, q: np.ndarray) -> None:
        """Take joint positions, (J,), rad, robot order."""
        self._q[self._order] = q
        spatial = pin.computeJointJacobians(self._model, self._data, self._q)
        pin.updateFramePlacements(self._model, self._data)
        spatial.take(self._order, axis=1, out=self._spatial, mode="clip")  # without a copy of its own
        np.concatenate(self._places, out=self.positions.reshape(-1))

    def jacobians(self, points: np.ndarray) -> np.ndarray:
        """Jacobians of points that are fixed to the feet's links.

        Column j is v_j + w_j x p, with the spatial Jacobian (v, w) taken at the base's origin.

        Args:
            points: one a foot, in the base frame, (F, 3), m.

        Returns:
            (F, 3, J), m/rad, columns in robot order; zero for joints that do not carry the foot.
        """
        # One product of all feet's rows: a stack of small ones takes twice as long.
        rows = points.dot(_MINUS_CROSS).reshape(-1, 3)
        columns = rows.dot(self._spatial[3:]).reshape(len(points), 3, -1)
        columns += self._spatial[:3]
        columns *= self._mask
        return columns

    def forces(self, tau: np.ndarray) -> np.ndarray:
        """Force of the ground on each foot, (F, 3), N, base frame, from joint torques (J,), N·m.

        Quasi-static: F = -(J Jᵀ)⁻¹ J tau of each leg, damped near a stretched leg; the leg's own weight
        and inertia are left out.
        """
        jacobians = self.jacobians(self.positions)
        gram = jacobians @ jacobians.transpose(0, 2, 1) + _DAMPING * np.eye(3)
        return -np.linalg.solve(gram, (jacobians @ tau)[..., None])[..., 0]

    def _frame(self, foot: str, urdf: Path) -> int:
        if not self._model.existFrame(foot):
            raise ConfigError(f"{urdf.name} lacks the link {foot}; check the robot's file.")
        return self._model.getFrameId(foot)

    def _carrying(self, robot: RobotDescription) -> np.ndarray:
        """1 where a joint carries a foot, (F, 1, J)."""
        mask = np.zeros((len(robot.feet), 1, robot.num_joints))
        for i, frame in enumerate(self._feet):
            supports = set(self._model.supports[self._model.frames[frame].parentJoint])
            for j, name in enumerate(robot.joints):
                mask[i, 0, j] = self._model.getJointId(name) in supports
        return mask


def joint_order(model: pin.Model, robot: RobotDescription) -> np.ndarray:
    """Index of each of the robot's joints in pinocchio's configuration, (J,).

    Raises:
        ConfigError: the URDF lacks a joint of the robot, or moves others.
    """
    missing = [name for name in robot.joints if not model.existJointName(name)]
    if missing:
        raise ConfigError(f"{robot.urdf.name} lacks the joints {', '.join(missing)}; check its names.")
    if model.nq != robot.num_joints or model.nv != robot.num_joints:
        raise ConfigError(
            f"{robot.urdf.name} moves {model.nv} joints, {robot.name} has {robot.num_joints}: "
            "list every joint in the robot's file, or make the others fixed."
        )
    return np.array([model.joints[model.getJointId(name)].idx_v for name in robot.joints])
