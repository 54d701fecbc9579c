"""A legged robot in MuJoCo behind the interface of a real one: states out, joint commands in.

The PD loop runs at every physics step (``drives.py``), the sensors are noisy (``sensors.py``), and the
differences between this robot and the nominal one are :class:`Perturbations`.
"""

import mujoco
import numpy as np

from ros2_rl.robots import BaseEstimate, RobotDescription, tilt
from ros2_rl.sim.joint_plant import JointPlant
from ros2_rl.sim.model import FLOOR, build_model
from ros2_rl.sim.perturbations import Perturbations, nominal
from ros2_rl.sim.shoves import Shove

FALL_TILT = np.radians(60.0)
_BELLY_HEIGHT = 0.09
"""Height from which a robot with folded legs is let down onto its belly, m."""
_BUMP_MARGIN = 0.05
"""Added on rough ground, m: a foot that begins inside a bump would stay wedged in it."""
_SETTLE_S = 4.0
"""Time in which limp legs come to rest."""
_CONTACT_N = 1.0
_SKY = 2.0  # m above the base, where the ray begins that finds the ground
_DOWN = np.array((0.0, 0.0, -1.0))


class Plant(JointPlant):
    """The simulated legged robot; :meth:`state`, :meth:`apply`, :meth:`advance` in turn."""

    def __init__(
        self,
        robot: RobotDescription,
        perturbations: Perturbations | None = None,
        seed: int = 0,
        physics_dt: float = 0.0025,
        state_rate_hz: float = 200.0,
    ):
        """Put the robot on its belly, legs folded, at stamp 0.

        The terrain is that of ``perturbations`` for good.

        Raises:
            ValueError: ``state_rate_hz`` does not divide the physics rate.
        """
        perturbations = perturbations or nominal(robot)
        model = build_model(robot, physics_dt, terrain_roughness=perturbations.terrain_roughness_m)
        super().__init__(robot, model, perturbations, seed, state_rate_hz)
        self._floor = self.model.geom(FLOOR).id
        self.reset()

    # ---- control

    def begin(self) -> str:
        self.lay_down()
        return "The robot lies on its belly."

    def lay_down(self) -> None:
        """Put the robot back at the origin, limp on its belly; time goes on."""
        mujoco.mj_resetData(self.model, self.data)
        self.drives.release()
        self._qpos[2] = _BELLY_HEIGHT
        if self._roughness:
            self._qpos[2] += self._roughness + _BUMP_MARGIN
        self._qpos[7:] = self.robot.fold_pose
        # Let it come to rest, so that a run does not begin with a drop.
        mujoco.mj_step(self.model, self.data, nstep=round(_SETTLE_S / self.model.opt.timestep))
        self.place(self._qpos.copy())

    def reset(self) -> None:
        """As of any plant; what was planned is given up."""
        self._shoves: list[Shove] = []
        super().reset()

    def advance(self) -> None:
        """Simulate up to the stamp of the next state, shoves that are due included."""
        while self._shoves and self._shoves[0][0] <= self.stamp_ns:
            self.push(self._shoves.pop(0)[1])
        super().advance()

    def plan_shoves(self, planned: list[Shove], from_ns: int) -> None:
        """Shove at these stamps; takes the place of what was planned for ``from_ns`` or later."""
        self._shoves = [shove for shove in self._shoves if shove[0] < from_ns] + planned

    def push(self, velocity: np.ndarray) -> None:
        """Add a velocity (3,), m/s, world frame, to the base: a shove."""
        self._qvel[:3] += velocity

    # ---- output

    def truth(self) -> BaseEstimate:
        """The base as it really is, z above the ground; for evaluation alone."""
        quat, back = self._qpos[3:7].copy(), np.zeros(4)
        velocity = np.zeros(3)
        mujoco.mju_negQuat(back, quat)
        mujoco.mju_rotVecQuat(velocity, self._qvel[:3], back)
        position = self._qpos[:3].copy()
        position[2] -= self._ground()
        contacts = (self._sensors.foot_forces(self.data) > _CONTACT_N).astype(float)
        return BaseEstimate(
            self.stamp_ns, position, quat, velocity, self._qvel[3:6].copy(), contacts, np.zeros((3, 3))
        )

    @property
    def fallen(self) -> bool:
        """Whether the base is tilted by more than 60 degrees."""
        return bool(tilt(self._qpos[3:7]) > FALL_TILT)

    @property
    def power(self) -> float:
        """Mechanical power that the drives put into the joints, W; negative when they brake."""
        return float(self.data.actuator_force @ self._qvel[6:])

    # ---- innards

    def _rub(self, friction: float) -> None:
        # The feet's friction has priority over the floor's, so that only setting both is a change.
        self.model.geom_friction[:, 0] = friction

    def _ground(self) -> float:
        """Height of the ground under the base, m."""
        if not self._roughness:
            return 0.0
        origin = self._qpos[:3] + (0.0, 0.0, _SKY)
        distance = mujoco.mj_rayHfield(self.model, self.data, self._floor, origin, _DOWN)
        return float(origin[2] - distance) if distance >= 0 else 0.0
