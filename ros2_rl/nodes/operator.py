"""Node ``operator``: the scripted person in front of an arm, on a person's own topics and services."""

import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState

from ros2_rl.errors import ConfigError
from ros2_rl.manipulation.episode import Stage
from ros2_rl.manipulation.kinematics import ToolKinematics
from ros2_rl.manipulation.observation import Observer
from ros2_rl.manipulation.operator import Character, ScriptedOperator
from ros2_rl.manipulation.poses import ScenePoses
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.nodes._main import run
from ros2_rl.nodes.arm_input import ArmInput
from ros2_rl.nodes.arm_topics import EPISODE
from ros2_rl.nodes.conversions import JointOrder, reliable, status_values, to_time
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import SEEDS, Row, declare
from ros2_rl.nodes.person_topics import PersonTopics
from ros2_rl.robots import RobotState, load_robot
from ros2_rl.tasks.clock import STEP_NS
from ros2_rl.teleop.intent import Intent

_PARAMETERS: tuple[Row, ...] = (
    ("robot", "arm", "robot in config/robots"),
    ("task", "reach", "task of that robot in config/tasks"),
    ("seed", 0, "seed of its unsteadiness", SEEDS),
    ("always", False, "drive from the first step to the last: demonstrate"),
    ("reaction_s", Character.reaction_s, "from seeing trouble to acting, s", (0.0, 5.0)),
    ("noise", Character.noise, "unsteadiness of its hand, share of full deflection", (0.0, 1.0)),
)


class Operator(Node):
    """Publishes ``teleop/cmd_vel`` and asks ``supervisor/take_over`` and ``supervisor/give_back``."""

    def __init__(self) -> None:
        super().__init__("operator")
        self._value = declare(self, _PARAMETERS)
        robot, task = load_robot(self._value("robot")), load_arm_task(self._value("task"))
        if task.robot != robot.name:
            raise ConfigError(f"The task '{task.name}' is one of the robot {task.robot}; choose it.")
        character = Character(
            reaction_s=self._value("reaction_s"), noise=self._value("noise"), always=self._value("always")
        )
        self._operator = ScriptedOperator(task, self._value("seed"), character)
        self._observer, self._kinematics = Observer(robot), ToolKinematics(robot)
        self._order = JointOrder(robot.joints)
        self._every_ns = round(task.step_dt * 1e9)
        self._target: np.ndarray | None = None
        self._trial = False
        self._stage = ""
        self._stamp_ns = 0
        self._hands = PersonTopics(self, robot.base_link)
        self._loop = LoopDiagnostics(self, min_rate_hz=45.0, max_execution_ms=10.0)
        self.create_subscription(JointState, "policy/targets", self._on_target, reliable(1))
        self.create_subscription(DiagnosticStatus, EPISODE, self._on_episode, reliable(10, latched=True))
        self._input = ArmInput(self, robot, task, STEP_NS, self._on_input)
        self.create_timer(1.0, self._each_second, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # ---- what comes in

    def _on_target(self, msg: JointState) -> None:
        """Where the arm is being led to; what cannot be read is as if nobody led it anywhere."""
        try:
            target = self._order.command(msg).q
        except ValueError:
            self._target = None
            return
        self._target = target if np.isfinite(target).all() else None

    def _on_episode(self, msg: DiagnosticStatus) -> None:
        self._trial = status_values(msg).get("kind") == "trial"
        if msg.message == Stage.RUN and self._stage != Stage.RUN:
            self._operator.begin()
        elif msg.message != Stage.RUN and self._stage == Stage.RUN:
            self._follow(self._operator.rest())
        self._stage = msg.message

    def _on_input(self, state: RobotState, scene: ScenePoses) -> None:
        begin = time.perf_counter()
        self._stamp_ns = state.stamp_ns
        self._kinematics.update(state.q if self._target is None else self._target)
        seen = self._observer.observe(state, scene, self._kinematics.position)
        if self._stage == Stage.RUN and state.stamp_ns % self._every_ns == 0:
            intent = Intent() if self._trial else self._operator.watch(seen)
            # Whoever has given back drives until the supervisor has announced it: every sight is answered.
            still = np.zeros(3) if intent.velocity is None else intent.velocity
            self._follow(Intent(still, requests=intent.requests))
        self._loop.ran(state.stamp_ns, time.perf_counter() - begin)

    # ---- what goes out

    def _follow(self, intent: Intent) -> None:
        self._hands.follow(intent, to_time(self._stamp_ns))

    def _each_second(self) -> None:
        operator = self._operator
        text = "drives" if operator.driving else "watches"
        self._loop.tell(self._stamp_ns, f"scripted: {text}", interventions=operator.interventions)


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl operator``."""
    return run(Operator, args)


if __name__ == "__main__":
    raise SystemExit(main())
