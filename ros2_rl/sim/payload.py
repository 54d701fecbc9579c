"""A payload on the trunk: mass, centre of mass and inertia of the two together."""

from dataclasses import dataclass

import mujoco
import numpy as np


@dataclass(frozen=True)
class Trunk:
    """Inertial figures of the base as the robot's description gives them."""

    body: int
    mass: float
    centre: np.ndarray
    """Centre of mass in the body frame, shape (3,), m."""
    inertia: np.ndarray
    """About the centre of mass, body axes, shape (3, 3), kg m²."""

    @classmethod
    def of(cls, model: mujoco.MjModel, body: int) -> "Trunk":
        axes = np.zeros(9)
        mujoco.mju_quat2Mat(axes, model.body_iquat[body])
        rotation = axes.reshape(3, 3)
        inertia = rotation @ np.diag(model.body_inertia[body]) @ rotation.T
        return cls(body, float(model.body_mass[body]), model.body_ipos[body].copy(), inertia)

    def load(self, model: mujoco.MjModel, payload_kg: float, offset: np.ndarray) -> None:
        """Write this trunk with a point mass at ``offset`` (body frame, m) into the model."""
        total = self.mass + payload_kg
        arm = offset - self.centre
        reduced = self.mass * payload_kg / total  # parallel-axis theorem for two bodies
        inertia = self.inertia + reduced * (arm @ arm * np.eye(3) - np.outer(arm, arm))
        moments, axes = np.linalg.eigh(inertia)
        axes[:, 2] *= np.sign(np.linalg.det(axes))  # right-handed, as a quaternion must be
        model.body_mass[self.body] = total
        model.body_ipos[self.body] = self.centre + payload_kg / total * arm
        model.body_inertia[self.body] = moments
        mujoco.mju_mat2Quat(model.body_iquat[self.body], axes.ravel())
