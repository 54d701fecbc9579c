"""The arm's driver against a controller like ros2_control's: states out, bounded commands in, watchdogs."""

from collections.abc import Iterator

import numpy as np
import pytest
from node_rig import NodeRig, spawn
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from ros2_rl.messages import to_ns
from ros2_rl.nodes.conversions import reliable, to_time

JOINTS = ["shoulder_joint", "elbow_joint", "wrist_joint"]
PARAMETERS = (
    "-p", f"joints:=[{', '.join(JOINTS)}]", "-p", "lower:=[-2.0, -2.0, -2.0]", "-p", "upper:=[2.0, 2.0, 2.0]",
    "-p", "max_velocity:=[1.0]", "-p", "command_timeout_s:=0.5", "-p", "state_timeout_s:=1.0",
)  # fmt: skip
SHUFFLED = ["gripper", "wrist_joint", "shoulder_joint", "elbow_joint"]


class Controller:
    """ros2_control as the driver sees it: a broadcaster and a position controller that obeys at once."""

    def __init__(self, rig: NodeRig):
        self.q = dict(zip(JOINTS, (0.1, 0.2, 0.3), strict=True))
        self.heard: list[list[float]] = []
        self.states: list[JointState] = []
        self.obeys = True
        self._rig, self._stamp_ns = rig, 0
        node = rig.node
        states = "joint_state_broadcaster/joint_states"
        self._broadcaster = node.create_publisher(JointState, states, reliable(1))
        self._commands = node.create_publisher(JointState, "joint_commands", reliable(1))
        node.create_subscription(
            Float64MultiArray, "forward_position_controller/commands", self._on_command, reliable(1)
        )
        node.create_subscription(JointState, "joint_states", self.states.append, qos_profile_sensor_data)

    def _on_command(self, msg: Float64MultiArray) -> None:
        self.heard.append(list(msg.data))
        if self.obeys:
            self.q = dict(zip(JOINTS, msg.data, strict=True))

    def say(self) -> None:
        """A state, 10 ms after the last, in an order of its own and with a joint more."""
        self._stamp_ns += 10_000_000
        values = [0.0 if name == "gripper" else self.q[name] for name in SHUFFLED]
        msg = JointState(name=SHUFFLED, position=values, velocity=[0.5] * 4)
        msg.header.stamp = to_time(self._stamp_ns)
        self._broadcaster.publish(msg)

    def command(self, target: dict[str, float], gains: str = "policy", **parts) -> None:
        msg = JointState(name=list(target), position=list(target.values()), **parts)
        msg.header.stamp, msg.header.frame_id = to_time(self._stamp_ns), gains
        self._commands.publish(msg)

    def cycle(self, condition, what: str, target: dict[str, float] | None = None, **options) -> None:
        """States, and commands if there is a target, until a condition holds."""

        def again() -> bool:
            self.say()
            if target is not None:
                self.command(target, **options)
            return bool(condition())

        self._rig.wait(again, what)


@pytest.fixture
def rig() -> Iterator[NodeRig]:
    found = NodeRig("arm_driver", *PARAMETERS)
    yield found
    if found.context.ok():
        found.close()


@pytest.fixture
def arm(rig: NodeRig) -> Controller:
    controller = Controller(rig)
    rig.wait_for_readers("joint_state_broadcaster/joint_states", "joint_commands")
    rig.wait_for_writers("forward_position_controller/commands", "joint_states")
    # The first hold is said once, so the driver must have found who is to hear it.
    rig.wait(lambda: int(rig.diagnostics[2].get("listeners", 0)) > 0, "that the driver sees its controller")
    return controller


def test_the_arm_is_shown_held_moved_bounded_and_held_again(rig: NodeRig, arm: Controller) -> None:
    arm.cycle(lambda: arm.heard and arm.states, "the first hold")
    assert arm.heard[0] == [0.1, 0.2, 0.3]  # where it was found, in the controller's order
    state = arm.states[-1]
    assert list(state.name) == JOINTS and list(state.position) == [0.1, 0.2, 0.3]
    assert list(state.velocity) == [0.5] * 3 and to_ns(state.header.stamp) > 0

    target = {"wrist_joint": 5.0, "elbow_joint": -0.2, "shoulder_joint": 0.4}
    goal = [0.4, -0.2, 2.0]
    arm.cycle(lambda: np.allclose(arm.heard[-1], goal), "the target within the limits", target)
    steps = np.abs(np.diff(np.array(arm.heard), axis=0))
    assert steps.max() <= 0.1 + 1e-9, "it leapt"

    count = len(arm.heard)
    arm.cycle(lambda: len(arm.heard) > count, "the watchdog's hold")
    np.testing.assert_allclose(arm.heard[-1], goal)
    rig.wait(lambda: "no command for 0.5 s" in rig.diagnostics[1], "the reason", arm.say)


def test_rubbish_is_dropped_damping_holds_and_blindness_is_silence(rig: NodeRig, arm: Controller) -> None:
    arm.cycle(lambda: arm.heard, "the first hold")
    here = dict(arm.q)
    for bad in ({"shoulder_joint": 1.0}, dict.fromkeys(JOINTS, float("nan")), {}):
        before = int(rig.diagnostics[2].get("refused", 0))
        # An empty one has no positions: that is no command to go to zero.
        arm.cycle(lambda n=before: int(rig.diagnostics[2].get("refused", 0)) > n, f"{bad} refused", bad)
    assert float(rig.diagnostics[2]["execution_ms_p99"]) > 0.0 and "loop_rate_hz" in rig.diagnostics[2]
    assert arm.q == here

    arm.obeys = False
    count = len(arm.heard)
    far = dict.fromkeys(JOINTS, 1.0)
    arm.cycle(lambda: len(arm.heard) > count + 3, "following", far)
    arm.cycle(lambda: arm.heard[-1] == [0.1, 0.2, 0.3], "the hold", far, gains="damping")
    rig.wait(lambda: "no state for 1 s" in rig.diagnostics[1], "blindness")
    count = len(arm.heard)
    arm.command(far)
    rig.wait(lambda: rig.diagnostics[2]["stance"] == "blind", "blindness")
    assert len(arm.heard) == count


def test_the_last_command_holds_and_the_end_is_clean(arm: Controller, rig: NodeRig) -> None:
    far = dict.fromkeys(JOINTS, 1.0)
    arm.cycle(lambda: len(arm.heard) > 5, "following", far)
    arm.obeys, held = False, [arm.q[name] for name in JOINTS]
    arm.cycle(lambda: list(arm.states[-1].position) == held, "the state in which it is ended", far)
    rig.process.terminate()
    rig.wait(lambda: rig.process.poll() is not None, "its end")
    rig.wait(lambda: arm.heard[-1] == held, "the last hold")
    status, err = rig.close()
    assert status == 0 and "Traceback" not in err


def test_an_arm_that_somebody_else_commands_is_left_alone(rig: NodeRig, arm: Controller) -> None:
    arm.cycle(lambda: arm.heard, "the first hold")
    second = spawn("arm_driver", *PARAMETERS)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1 and "writer" in err and err.strip().endswith(".")
    # Where discovery is slow both find each other at the same time, and both end.
    if rig.process.poll() is None:
        rig.node.create_publisher(Float64MultiArray, "forward_position_controller/commands", reliable(1))
    arm.cycle(lambda: rig.process.poll() is not None, "the end beside a rival", dict.fromkeys(JOINTS, 1.0))
    status, err = rig.close()
    assert status == 1 and "second writer on /forward_position_controller/commands" in err


def test_without_joints_or_a_controller_it_says_what_to_do() -> None:
    lonely = spawn("arm_driver")
    _, err = lonely.communicate(timeout=60)
    assert lonely.returncode == 1 and "The arm's joints are not named" in err
    rig = NodeRig("arm_driver", *PARAMETERS)
    try:
        rig.wait(lambda: "activate forward_position_controller" in rig.diagnostics[1], "the hint")
    finally:
        rig.close()
