"""An arm at its table in MuJoCo, behind the interface of a real one, and a camera that sees the table."""

from dataclasses import dataclass

import mujoco
import numpy as np

from ros2_rl.manipulation.poses import ScenePoses
from ros2_rl.manipulation.task import ArmTask
from ros2_rl.robots import RobotDescription
from ros2_rl.sim.arm_scene import BLOCK, PUCK, build_arm_model
from ros2_rl.sim.joint_plant import JointPlant
from ros2_rl.sim.model import FRICTION
from ros2_rl.sim.perturbations import Perturbations

_TRIES = 1000
"""Draws of a place until it is far enough from the goal; a task that needs more cannot be laid out."""


@dataclass(frozen=True, slots=True)
class ArmTruth:
    """Where everything really is, in the frame of the arm's base; for evaluation alone."""

    stamp_ns: int
    tool: np.ndarray
    """Origin of the tool, (3,), m."""
    tool_quat: np.ndarray
    """Its orientation, (w, x, y, z)."""
    goal: np.ndarray
    """(3,), m."""
    object: np.ndarray | None
    """(3,), m; None where the task has none."""


class ArmPlant(JointPlant):
    """The simulated arm; :meth:`state`, :meth:`apply`, :meth:`advance` in turn.

    The table is laid out by number: one seed and one number always give the same table.
    """

    def __init__(
        self,
        robot: RobotDescription,
        task: ArmTask | None = None,
        perturbations: Perturbations | None = None,
        seed: int = 0,
        physics_dt: float = 0.0025,
        state_rate_hz: float = 200.0,
    ):
        """Put the arm into its stand pose at stamp 0; without a task the table is empty.

        Raises:
            ValueError: ``state_rate_hz`` does not divide the physics rate.
        """
        self._task = task
        model = build_arm_model(robot, task, physics_dt)
        self._friction = model.geom_friction[:, 0].copy()
        super().__init__(robot, model, perturbations, seed, state_rate_hz)
        self._tool = model.body(robot.tool).id
        first = model.joint(robot.joints[0]).qposadr[0]
        self._arm = slice(int(first), int(first) + robot.num_joints)
        self.reset()

    def reset(self) -> None:
        """Begin anew at stamp 0 with table 0, as after construction but with the present perturbations."""
        self._camera_rng = np.random.default_rng((self._seed, 2))
        self._laid: list[tuple[int, int]] = []
        super().reset()

    def begin(self) -> str:
        mujoco.mj_resetData(self.model, self.data)
        self.drives.release()
        self._qpos[self._arm] = self.robot.stand_pose
        self.lay_out(0)
        return "The arm is in its stand pose and the table is laid out anew."

    def lay_out(self, number: int) -> None:
        """Lay out the table of an episode; the arm and the time go on."""
        self.number = number
        self._goal, self._bias, thing = np.zeros(3), np.zeros((2, 3)), None
        if self._task is not None:
            rng = np.random.default_rng((self._seed, 3, number))
            self._goal = self._task.goal.draw(rng)
            thing = self._draw_object(self._task, rng)
            self._bias = self._task.measurement.bias * rng.standard_normal((2, 3))
        if thing is not None:
            place, motion = self.data.joint(PUCK).qpos, self.data.joint(PUCK).qvel
            place[:3], place[3:], motion[:] = thing, (1.0, 0.0, 0.0, 0.0), 0.0
        elif self._task is not None and self._task.scene == "hole":
            self.data.mocap_pos[self.model.body(BLOCK).mocapid[0]] = (*self._goal[:2], 0.0)
        mujoco.mj_forward(self.model, self.data)
        self._last_state = None
        self._seen: ScenePoses | None = None

    def lay_out_at(self, number: int, stamp_ns: int) -> None:
        """Lay out a table from the first state at or after a stamp on."""
        self._laid = [laid for laid in self._laid if laid[0] < stamp_ns]
        self._laid.append((stamp_ns, number))

    def advance(self) -> None:
        super().advance()
        self._seen = None
        while self._laid and self._laid[0][0] <= self.stamp_ns:
            self.lay_out(self._laid.pop(0)[1])

    def seen(self) -> ScenePoses:
        """What the camera measures at the present stamp; asked twice it says the same."""
        if self._seen is None:
            truth = self.truth()
            noise = 0.0 if self._task is None else self._task.measurement.noise
            wrong = self._bias + noise * self._camera_rng.standard_normal((2, 3))
            thing = None if truth.object is None else truth.object + wrong[1]
            self._seen = ScenePoses(self.stamp_ns, truth.goal + wrong[0], thing)
        return self._seen

    def truth(self) -> ArmTruth:
        """Where everything really is; for evaluation alone."""
        thing = None
        if self._task is not None and self._task.object is not None:
            thing = self.data.body(PUCK).xpos.copy()
        tool, turn = self.data.xpos[self._tool].copy(), self.data.xquat[self._tool].copy()
        return ArmTruth(self.stamp_ns, tool, turn, self._goal.copy(), thing)

    def contact_force(self) -> float:
        """Sum of the normal forces on the tool in the last physics step, N; for evaluation alone."""
        total, wrench = 0.0, np.zeros(6)
        for i in range(self.data.ncon):
            if self._tool in self.model.geom_bodyid[self.data.contact[i].geom]:
                mujoco.mj_contactForce(self.model, self.data, i, wrench)
                total += wrench[0]
        return total

    def _draw_object(self, task: ArmTask, rng: np.random.Generator) -> np.ndarray | None:
        if task.object is None:
            return None
        for _ in range(_TRIES):
            place = task.object.draw(rng)
            if np.linalg.norm(place - self._goal) >= task.apart:
                return place
        raise ValueError(f"the task {task.name} leaves no room for an object {task.apart:g} m from its goal")

    def _rub(self, friction: float) -> None:
        """Everything is as slippery as the ground of a legged robot would be, by the same factor."""
        self.model.geom_friction[:, 0] = self._friction * friction / FRICTION
