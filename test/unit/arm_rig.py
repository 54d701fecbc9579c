"""An arm in its plant under its supervisor, for tests: joint targets or actions go in, states come out."""

import numpy as np

from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.manipulation.tool_control import ToolControl
from ros2_rl.robots import JointCommand, load_robot
from ros2_rl.safety.config import load_safety
from ros2_rl.safety.modes import Mode
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.supervisor import Supervisor
from ros2_rl.sim.arm_plant import ArmPlant

ROBOT, SHIPPED = load_robot("arm"), load_safety("arm")
SAFETY = SHIPPED.model_copy(
    update={
        "stand": SHIPPED.stand.model_copy(update={"stand_s": 0.2}),
        "autostart": SHIPPED.autostart.model_copy(update={"policy_s": 0.0}),
    }
)
"""The arm begins in its stand pose, so nothing is to be waited for."""
BOX = SAFETY.guards.workspace
LOW, HIGH = np.array(BOX.low), np.array(BOX.high)
STEP_NS = 20_000_000
ZERO = np.zeros(ROBOT.num_joints)


def target(stamp_ns: int, q: np.ndarray, dq: np.ndarray = ZERO, tau: np.ndarray = ZERO) -> JointCommand:
    return JointCommand(stamp_ns, np.asarray(q, dtype=float), dq, tau, "policy")


class Rig:
    """Lockstep at 100 Hz; :meth:`tick` is a control step with its joint targets."""

    def __init__(self, task: str = "reach", seed: int = 0):
        self.task = load_arm_task(task)
        self.plant = ArmPlant(ROBOT, self.task, seed=seed, state_rate_hz=100.0)
        recovery = RecoveryController(ROBOT, SAFETY, None)
        self.supervisor = Supervisor(ROBOT, SAFETY, recovery, lockstep=True, autostart=True)
        self.control = ToolControl(ROBOT, self.task, LOW, HIGH, STEP_NS / 1e9)
        self.outermost = 0.0
        """Farthest that the tool has been outside of its box, m."""
        self.pushed = 0.0
        """Highest mean of the force on the tool over a control step, N."""

    @property
    def mode(self) -> Mode:
        return self.supervisor.mode

    def begin(self) -> "Rig":
        """Go on until the policy acts, and put the control where the arm is."""
        end_ns = self.plant.stamp_ns + 3_000_000_000
        while self.mode is not Mode.POLICY:
            self.tick(None)
            assert self.plant.stamp_ns < end_ns, self.supervisor.snapshot()
        self.control.begin(self.plant.state().q)
        return self

    def tick(self, command: JointCommand | None) -> None:
        """One control step; a target, or to stay where it is, is offered at its first state."""
        force = 0.0
        for first in (True, False):
            state = self.plant.state()
            answer = self.supervisor.on_state(state)
            if first and command is None:
                self.control.begin(state.q)
            if first:
                answer = self.supervisor.on_target(command or target(state.stamp_ns, state.q)) or answer
            assert answer is not None
            self.plant.apply(answer)
            self.plant.advance()
            tool = self.plant.truth().tool
            self.outermost = max(self.outermost, float(np.maximum(LOW - tool, tool - HIGH).max()))
            force += self.plant.contact_force() / 2
        self.pushed = max(self.pushed, force)

    def act(self, action: np.ndarray) -> None:
        """One action; an arm that is held is waited for, and taken over where it is then."""
        if self.mode is not Mode.POLICY:
            self.begin()
        self.control.act(np.asarray(action, dtype=float), self.plant.state())
        for _ in range(5):
            self.tick(self.control.tick(self.plant.state()))
