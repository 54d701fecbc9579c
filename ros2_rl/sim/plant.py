"""One robot in MuJoCo behind the interface of a real one: states out, joint commands in.

Deterministic: everything follows from the seed and the commands. The PD loop runs at every
physics step; commands take effect after the actuation delay; a robot that hears no command for
``COMMAND_TIMEOUT_S`` damps its joints, as the real one does.
"""

from collections import deque

import mujoco
import numpy as np

from ros2_rl.robots import NS_PER_S, BaseEstimate, JointCommand, RobotDescription, RobotState, tilt
from ros2_rl.sim.model import FLOOR, build_model
from ros2_rl.sim.perturbations import LEGS, Perturbations

COMMAND_TIMEOUT_S = 0.1
"""Robot time without a command after which the joints are damped."""
FALL_TILT = np.radians(60.0)


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
        """Put the robot on its belly, legs folded.

        Raises:
            ValueError: ``state_rate_hz`` does not divide the physics rate.
        """
        self.robot = robot
        self._steps = round(1.0 / (state_rate_hz * physics_dt))
        if abs(self._steps * state_rate_hz * physics_dt - 1.0) > 1e-9:
            raise ValueError(f"state_rate_hz {state_rate_hz} does not divide {1 / physics_dt:.0f} Hz")
        self._dt_ns = round(physics_dt * NS_PER_S)
        self._roughness = perturbations.terrain_roughness_m if perturbations else 0.0
        self.model = build_model(robot, physics_dt, terrain_roughness=self._roughness)
        self.data = mujoco.MjData(self.model)
        self._nominal = build_model(robot, physics_dt)
        self._base = self.model.body(robot.base_link).id
        self._sensor = {
            self.model.sensor(i).name: slice(a, a + self.model.sensor_dim[i])
            for i, a in enumerate(self.model.sensor_adr)
        }
        self._touch = [self._sensor[foot].start for foot in robot.feet]
        self._seed = seed
        self.perturbations = Perturbations()
        self._pending: tuple[int, Perturbations] | None = None
        self._strength = np.ones(robot.num_joints)
        self.reset()
        self._take(perturbations or Perturbations())

    # ------------------------------------------------------------------ control

    def reset(self) -> None:
        """Back to stamp 0: lying on the belly, no command heard."""
        mujoco.mj_resetData(self.model, self.data)
        self._rng = np.random.default_rng(self._seed)
        self.stamp_ns = 0
        self._line: deque[tuple[int, JointCommand]] = deque()
        self._command: JointCommand | None = None
        self._heard_ns = 0
        self.timeouts = self.rejected = self.out_of_limits = 0
        self.worst_excess = 0.0
        """Largest distance of a commanded position beyond a joint limit, rad."""
        self.data.qpos[2] = 0.09 + self._roughness
        self.data.qpos[3] = 1.0
        self.data.qpos[7:] = self.robot.fold_pose
        self._damped = True
        self._settle()
        self._last_state: RobotState | None = None

    def place(self, qpos: np.ndarray, qvel: np.ndarray | None = None) -> None:
        """Put the robot anywhere: qpos (19,) and qvel (18,) of MuJoCo."""
        self.data.qpos[:] = qpos
        self.data.qvel[:] = 0.0 if qvel is None else qvel
        mujoco.mj_forward(self.model, self.data)
        self._last_state = None

    def push(self, velocity: np.ndarray) -> None:
        """Add a velocity (3,), m/s, world frame, to the base: a shove."""
        self.data.qvel[:3] += velocity

    def apply(self, command: JointCommand) -> bool:
        """Hear a command; False when it is rejected for not being finite."""
        if not np.isfinite(command.q + command.dq + command.tau).all() or command.gains not in self.robot.gains:
            self.rejected += 1
            return False
        excess = float(np.max(np.maximum(command.q - self.robot.q_upper, self.robot.q_lower - command.q)))
        if excess > 1e-6 and self.robot.gains[command.gains].kp.any():
            self.out_of_limits += 1
            self.worst_excess = max(self.worst_excess, excess)
        delay_ns = round(self.perturbations.actuation_delay_ms * 1e6)
        self._line.append((self.stamp_ns + delay_ns, command))
        self._heard_ns = self.stamp_ns
        return True

    def advance(self) -> None:
        """Simulate up to the stamp of the next state."""
        if self._pending is not None and self.stamp_ns >= self._pending[0]:
            self._take(self._pending[1])
            self._pending = None
        for _ in range(self._steps):
            self._actuate()
            mujoco.mj_step(self.model, self.data)
            self.stamp_ns += self._dt_ns
        self._last_state = None

    def set_perturbations(self, perturbations: Perturbations, at_stamp_ns: int = 0) -> None:
        """Change the robot from the first state at or after ``at_stamp_ns`` on.

        Raises:
            ValueError: the roughness of the ground cannot change while the robot stands on it.
        """
        if perturbations.terrain_roughness_m not in (0.0, self._roughness):
            raise ValueError("terrain_roughness_m can only be set before the start")
        self._pending = (at_stamp_ns, perturbations)

    # ------------------------------------------------------------------- output

    def state(self) -> RobotState:
        """The noisy sensors at the present stamp; asked twice it says the same."""
        if self._last_state is None:
            self._last_state = self._measure()
        return self._last_state

    def truth(self) -> BaseEstimate:
        """The base as it really is; for evaluation alone."""
        data, floor = self.data, self.data.qpos[2] - self._ground()
        quat = data.qpos[3:7].copy()
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, quat)
        velocity = rotation.reshape(3, 3).T @ data.qvel[:3]
        touch = (data.sensordata[self._touch] > 1.0).astype(float)
        position = np.array((data.qpos[0], data.qpos[1], floor))
        return BaseEstimate(
            self.stamp_ns, position, quat, velocity, data.qvel[3:6].copy(), touch, np.zeros((3, 3))
        )

    @property
    def fallen(self) -> bool:
        """Whether the base is tilted by more than 60 degrees."""
        return tilt(self.data.qpos[3:7]) > FALL_TILT

    # ------------------------------------------------------------------ innards

    def _measure(self) -> RobotState:
        noise, rng, data = self.perturbations.noise, self._rng, self.data
        joints, values = self.robot.num_joints, data.sensordata
        white = rng.standard_normal(3 * joints + 13)
        a, b, c = white[:joints], white[joints : 2 * joints], white[2 * joints : 3 * joints]
        rest = white[3 * joints :]
        return RobotState(
            stamp_ns=self.stamp_ns,
            q=data.qpos[7:] + noise.q * a + noise.q_bias,
            dq=data.qvel[6:] + noise.dq * b,
            tau=data.actuator_force + noise.tau * c,
            quat=_turned(data.qpos[3:7], noise.orientation * rest[:3]),
            gyro=values[self._sensor["gyro"]] + noise.gyro * rest[3:6] + noise.gyro_bias,
            accel=values[self._sensor["accel"]] + noise.accel * rest[6:9] + noise.accel_bias,
            foot_force=np.maximum(values[self._touch] + noise.foot_force * rest[9:13], 0.0),
        )

    def _actuate(self) -> None:
        """Set the PD law of this physics step from the command that has got through by now."""
        while self._line and self._line[0][0] <= self.stamp_ns:
            self._command = self._line.popleft()[1]
            self._damped = False
            self._set_gains(self._command.gains)
        if not self._damped and self.stamp_ns - self._heard_ns > COMMAND_TIMEOUT_S * NS_PER_S:
            self.timeouts += 1
            self._damp()
        command, data = self._command, self.data
        if command is None or self._damped:
            data.ctrl[:] = 0.0
            return
        # The actuator does kp (ctrl - q) - kd dq; the other two parts of the law go into its bias.
        data.ctrl[:] = command.q
        gains = self.robot.gains[command.gains]
        self.model.actuator_biasprm[:, 0] = self._strength * (gains.kd * command.dq + command.tau)

    def _damp(self) -> None:
        self._damped = True
        self._line.clear()
        self._set_gains("damping")

    def _set_gains(self, name: str) -> None:
        gains, strength = self.robot.gains[name], self._strength * self.perturbations.gain_scale
        kp, kd = gains.kp * strength, gains.kd * strength
        self.model.actuator_gainprm[:, 0] = kp
        self.model.actuator_biasprm[:, 0] = 0.0
        self.model.actuator_biasprm[:, 1], self.model.actuator_biasprm[:, 2] = -kp, -kd

    def _take(self, perturbations: Perturbations) -> None:
        """Make the model the robot that ``perturbations`` describes."""
        self.perturbations = perturbations
        model, nominal, base = self.model, self._nominal, self._base
        self._strength = np.repeat([perturbations.leg_strength.get(leg, 1.0) for leg in LEGS], 3)
        limit = self.robot.tau_max * np.minimum(self._strength, 1.0)
        model.actuator_forcerange[:] = np.stack((-limit, limit), axis=1)
        mass, extra = nominal.body_mass[base], perturbations.payload_kg
        offset = np.array(perturbations.payload_offset)
        model.body_mass[base] = mass + extra
        model.body_ipos[base] = (mass * nominal.body_ipos[base] + extra * offset) / (mass + extra)
        # A compact payload: its own inertia is small beside that of the trunk, which grows with it.
        model.body_inertia[base] = nominal.body_inertia[base] * (1.0 + extra / mass)
        model.geom_friction[:, 0] = perturbations.friction
        mujoco.mj_setConst(model, mujoco.MjData(model))
        self._set_gains("damping" if self._damped or self._command is None else self._command.gains)

    def _settle(self) -> None:
        """Let the limp robot come to rest before the first stamp."""
        self._set_gains("damping")
        for _ in range(400):
            mujoco.mj_step(self.model, self.data)
        self.data.time = 0.0
        mujoco.mj_forward(self.model, self.data)

    def _ground(self) -> float:
        """Height of the ground under the base, m."""
        if not self._roughness:
            return 0.0
        origin = self.data.qpos[:3] + np.array((0.0, 0.0, 2.0))
        down, geom = np.array((0.0, 0.0, -1.0)), np.zeros(1, dtype=np.int32)
        floor_only = np.zeros(6, dtype=np.uint8)
        floor_only[self.model.geom(FLOOR).group[0]] = 1
        distance = mujoco.mj_ray(self.model, self.data, origin, down, floor_only, 1, self._base, geom)
        return float(origin[2] - distance) if distance >= 0 else 0.0


def _turned(quat: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """``quat`` turned by a small rotation vector (3,), rad, in the body frame."""
    w, x, y, z = quat
    a, b, c = 0.5 * angle
    out = np.array((w - x * a - y * b - z * c, w * a + x + y * c - z * b, w * b + y + z * a - x * c, w * c + z + x * b - y * a))
    return out / np.sqrt(out @ out)
