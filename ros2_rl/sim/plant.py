"""One robot in MuJoCo behind the interface of a real one: states out, joint commands in.

Deterministic: everything follows from the seed, the commands and their stamps. The PD loop runs at
every physics step (``drives.py``), the sensors are noisy (``sensors.py``), and the differences
between this robot and the nominal one are :class:`Perturbations`.
"""

import mujoco
import numpy as np

from ros2_rl.robots import NS_PER_S, BaseEstimate, RobotDescription, RobotState, tilt
from ros2_rl.sim.drives import Command, Drives
from ros2_rl.sim.model import FLOOR, build_model
from ros2_rl.sim.payload import Trunk
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.sensors import Sensors

FALL_TILT = np.radians(60.0)
_BELLY_HEIGHT = 0.09
"""Height from which a robot with folded legs is let down onto its belly, m."""
_SETTLE_S = 4.0
"""Time in which limp legs come to rest."""
_CONTACT_N = 1.0
_SKY = 2.0  # m above the base, where the ray begins that finds the ground
_DOWN = np.array((0.0, 0.0, -1.0))


class Plant:
    """The simulated robot; :meth:`state`, :meth:`apply`, :meth:`advance` in turn."""

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
        self._steps, self._dt_ns = _divide(physics_dt, state_rate_hz)
        self.robot, self._seed = robot, seed
        self.perturbations = perturbations or Perturbations()
        self._roughness = self.perturbations.terrain_roughness_m
        self.model = build_model(robot, physics_dt, terrain_roughness=self._roughness)
        self.data = mujoco.MjData(self.model)
        self._floor = self.model.geom(FLOOR).id
        self._trunk = Trunk.of(self.model, self.model.body(robot.base_link).id)
        self.drives = Drives(robot, self.model, self.data)
        self._sensors = Sensors(robot, self.model)
        self._qpos, self._qvel = self.data.qpos, self.data.qvel
        self._take(self.perturbations)
        self.reset()

    # ---- control

    def reset(self) -> None:
        """Begin anew at stamp 0, as after construction but with the present perturbations."""
        self._noise_rng = np.random.default_rng((self._seed, 0))
        self._loss_rng = np.random.default_rng((self._seed, 1))
        self.stamp_ns = 0
        self.lost = False
        """Whether the sample of the present stamp gets lost on its way (``message_loss``)."""
        self._due: list[tuple[int, Perturbations]] = []
        self.drives.reset()
        self.lay_down()

    def lay_down(self) -> None:
        """Put the robot back at the origin, limp on its belly; time goes on."""
        mujoco.mj_resetData(self.model, self.data)
        self.drives.release()
        self._qpos[2] = _BELLY_HEIGHT + self._roughness
        self._qpos[7:] = self.robot.fold_pose
        # Let it come to rest, so that a run does not begin with a drop.
        mujoco.mj_step(self.model, self.data, nstep=round(_SETTLE_S / self.model.opt.timestep))
        self.place(self._qpos.copy())

    def place(self, qpos: np.ndarray, qvel: np.ndarray | None = None) -> None:
        """Put the robot anywhere: qpos (7 + J,) and qvel (6 + J,) of MuJoCo."""
        self._qpos[:] = qpos
        self._qvel[:] = 0.0 if qvel is None else qvel
        mujoco.mj_forward(self.model, self.data)
        self._last_state: RobotState | None = None

    def push(self, velocity: np.ndarray) -> None:
        """Add a velocity (3,), m/s, world frame, to the base: a shove."""
        self._qvel[:3] += velocity

    def apply(self, command: Command) -> bool:
        """Hear a command at the present stamp; False when it is malformed or not finite."""
        return self.drives.hear(command, self.stamp_ns)

    def advance(self) -> None:
        """Simulate up to the stamp of the next state."""
        while self._due and self._due[0][0] <= self.stamp_ns:
            self._take(self._due.pop(0)[1])
        for _ in range(self._steps):
            self._step()
        loss = self.perturbations.message_loss
        self.lost = loss > 0.0 and self._loss_rng.random() < loss
        self._last_state = None

    def set_perturbations(self, perturbations: Perturbations, at_stamp_ns: int = 0) -> None:
        """Change the robot from the first state at or after ``at_stamp_ns`` on.

        Takes the place of what was set for that stamp or later.

        Raises:
            ValueError: the ground cannot become rougher while the robot stands on it.
        """
        if perturbations.terrain_roughness_m not in (0.0, self._roughness):
            raise ValueError("terrain_roughness_m can only be chosen before the start")
        self._due = [due for due in self._due if due[0] < at_stamp_ns]
        self._due.append((at_stamp_ns, perturbations))

    # ---- output

    def state(self) -> RobotState:
        """The noisy sensors at the present stamp; asked twice it says the same."""
        if self._last_state is None:
            noise = self.perturbations.noise
            self._last_state = self._sensors.measure(self.data, self.stamp_ns, noise, self._noise_rng)
        return self._last_state

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

    def _step(self) -> None:
        """One step of the physics."""
        self.drives.update(self.stamp_ns)
        mujoco.mj_step(self.model, self.data)
        self.stamp_ns += self._dt_ns

    def _take(self, perturbations: Perturbations) -> None:
        """Make the model the robot that ``perturbations`` describes."""
        self.perturbations = perturbations
        self.drives.perturb(perturbations)
        self._trunk.load(self.model, perturbations.payload_kg, np.array(perturbations.payload_offset))
        # The feet's friction has priority over the floor's, so that only setting both is a change.
        self.model.geom_friction[:, 0] = perturbations.friction
        mujoco.mj_setConst(self.model, mujoco.MjData(self.model))

    def _ground(self) -> float:
        """Height of the ground under the base, m."""
        if not self._roughness:
            return 0.0
        origin = self._qpos[:3] + (0.0, 0.0, _SKY)
        distance = mujoco.mj_rayHfield(self.model, self.data, self._floor, origin, _DOWN)
        return float(origin[2] - distance) if distance >= 0 else 0.0


def _divide(physics_dt: float, state_rate_hz: float) -> tuple[int, int]:
    """Physics steps from one state to the next, and the length of one in ns."""
    steps = round(1.0 / (state_rate_hz * physics_dt))
    if steps < 1 or abs(steps * state_rate_hz * physics_dt - 1.0) > 1e-9:
        rate = 1.0 / physics_dt
        raise ValueError(f"state_rate_hz {state_rate_hz:g} does not divide the {rate:g} Hz of the physics")
    return steps, round(physics_dt * NS_PER_S)
