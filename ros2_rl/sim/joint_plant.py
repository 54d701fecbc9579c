"""A robot of driven joints in MuJoCo behind the interface of a real one: states out, joint commands in.

What is common to robots with and without legs: time, drives, sensors, and the differences from the
nominal robot. Deterministic: everything follows from the seed, the commands and their stamps.
"""

from abc import ABC, abstractmethod
from typing import Any

import mujoco
import numpy as np

from ros2_rl.robots import NS_PER_S, RobotDescription, RobotState
from ros2_rl.sim.drives import Command, Drives
from ros2_rl.sim.payload import Trunk
from ros2_rl.sim.perturbations import Perturbations, nominal
from ros2_rl.sim.sensors import Sensors


class JointPlant(ABC):
    """The simulated robot; :meth:`state`, :meth:`apply`, :meth:`advance` in turn."""

    def __init__(
        self,
        robot: RobotDescription,
        model: mujoco.MjModel,
        perturbations: Perturbations | None,
        seed: int,
        state_rate_hz: float,
    ):
        """Take a compiled model; the subclass calls :meth:`reset` once it is ready.

        Raises:
            ValueError: ``state_rate_hz`` does not divide the physics rate.
        """
        self._steps, self._dt_ns = _divide(model.opt.timestep, state_rate_hz)
        self.robot, self.model, self._seed = robot, model, seed
        self.perturbations = perturbations or nominal(robot)
        self._roughness = self.perturbations.terrain_roughness_m
        self.data = mujoco.MjData(model)
        self._loaded = Trunk.of(model, model.body(robot.tool or robot.base_link).id)
        self.drives = Drives(robot, model, self.data)
        self._sensors = Sensors(robot, model)
        self._qpos, self._qvel = self.data.qpos, self.data.qvel
        self._take(self.perturbations)

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
        self.begin()

    @abstractmethod
    def begin(self) -> str:
        """Put the robot where it begins, limp; time goes on. Returns a sentence that says where."""

    def place(self, qpos: np.ndarray, qvel: np.ndarray | None = None) -> None:
        """Put everything anywhere: qpos and qvel of MuJoCo."""
        self._qpos[:] = qpos
        self._qvel[:] = 0.0 if qvel is None else qvel
        mujoco.mj_forward(self.model, self.data)
        self._last_state: RobotState | None = None

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

    def state(self) -> RobotState:
        """The noisy sensors at the present stamp; asked twice it says the same."""
        if self._last_state is None:
            noise = self.perturbations.noise
            self._last_state = self._sensors.measure(self.data, self.stamp_ns, noise, self._noise_rng)
        return self._last_state

    @abstractmethod
    def truth(self) -> Any:
        """Everything as it really is; for evaluation alone."""

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
        self._loaded.load(self.model, perturbations.payload_kg, np.array(perturbations.payload_offset))
        self._rub(perturbations.friction)
        mujoco.mj_setConst(self.model, mujoco.MjData(self.model))

    @abstractmethod
    def _rub(self, friction: float) -> None:
        """Set the sliding friction of what touches."""


def _divide(physics_dt: float, state_rate_hz: float) -> tuple[int, int]:
    """Physics steps from one state to the next, and the length of one in ns."""
    steps = round(1.0 / (state_rate_hz * physics_dt))
    if steps < 1 or abs(steps * state_rate_hz * physics_dt - 1.0) > 1e-9:
        rate = 1.0 / physics_dt
        raise ValueError(f"state_rate_hz {state_rate_hz:g} does not divide the {rate:g} Hz of the physics")
    return steps, round(physics_dt * NS_PER_S)
