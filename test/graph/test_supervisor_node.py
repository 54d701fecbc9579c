"""The supervisor as a process of its own, between a fake robot and a fake executor, over real DDS."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger

from ros2_rl.nodes.conversions import reliable, status_values, to_ns, to_time
from ros2_rl.robots import load_robot
from ros2_rl.safety.blackbox import read_event

ROBOT = load_robot("go2")
STATE_NS, STEP_NS = 5_000_000, 20_000_000
PATIENCE_S = 30.0


class Rig(Node):
    """Fake robot and executor in one node; keeps what the supervisor says."""

    def __init__(self, context: Context):
        super().__init__("rig", context=context, use_global_arguments=False)
        self.stamp_ns, self.tilt, self.q = 0, 0.0, np.array(ROBOT.stand_pose)
        self._shown_ns, self._shown_tilt, self._rate = -STATE_NS, 0.0, 0.0
        self.targets = True
        self.asked: float | None = None
        self.command, self.status = None, None
        self.modes: list[str] = []
        self._imu = self.create_publisher(Imu, "imu/data", qos_profile_sensor_data)
        self._joints = self.create_publisher(JointState, "joint_states", qos_profile_sensor_data)
        self._targets = self.create_publisher(JointState, "policy/targets", reliable(1))
        self._asked = self.create_publisher(TwistStamped, "cmd_vel", reliable(1))
        self.create_subscription(JointState, "joint_commands", self._on_command, reliable(1))
        self.create_subscription(
            DiagnosticStatus, "supervisor/state", self._on_status, reliable(100, latched=True)
        )

    def publish_state(self) -> None:
        stamp = to_time(self.stamp_ns)
        imu = Imu()
        imu.header.stamp = stamp
        imu.orientation.w, imu.orientation.x = float(np.cos(self.tilt / 2)), float(np.sin(self.tilt / 2))
        imu.orientation.z = noise = 1e-6 * (self.stamp_ns // STATE_NS % 7)  # nothing repeats itself
        imu.angular_velocity.x, imu.angular_velocity.z = self._turn_rate(), noise
        imu.linear_acceleration.z = 9.81 + noise
        self._imu.publish(imu)
        joints = JointState(name=list(reversed(ROBOT.joints)), position=(self.q + noise)[::-1].tolist())
        joints.header.stamp = stamp
        joints.velocity, joints.effort = [0.0] * 12, self._torque()[::-1].tolist()
        self._joints.publish(joints)

    def _turn_rate(self) -> float:
        """Angular velocity that makes the tilt of this state out of the last one's, rad/s."""
        if self.stamp_ns > self._shown_ns:
            self._rate = (self.tilt - self._shown_tilt) / (1e-9 * (self.stamp_ns - self._shown_ns))
            self._shown_ns, self._shown_tilt = self.stamp_ns, self.tilt
        return self._rate

    def _torque(self) -> np.ndarray:
        """What the drives make of the last command, (J,), N·m, robot order."""
        if self.command is None:
            return np.zeros(12)
        kp = ROBOT.gains[self.command.header.frame_id].kp
        return np.clip(kp * (np.array(self.command.position) - self.q), -ROBOT.tau_max, ROBOT.tau_max)

    def publish_target(self) -> None:
        target = JointState(name=list(ROBOT.joints), position=(ROBOT.stand_pose + 0.05).tolist())
        target.header.stamp, target.header.frame_id = to_time(self.stamp_ns), "policy"
        self._targets.publish(target)

    def publish_asked(self) -> None:
        if self.asked is not None:
            msg = TwistStamped()
            msg.twist.linear.x = self.asked
            self._asked.publish(msg)

    def _on_command(self, msg: JointState) -> None:
        self.command = msg

    def _on_status(self, msg: DiagnosticStatus) -> None:
        self.status = status_values(msg) | {"mode": msg.message}
        if self.modes[-1:] != [msg.message]:
            self.modes.append(msg.message)


class Bench:
    """A rig and a supervisor process in a domain of their own."""

    def __init__(self, *parameters: str):
        self.context = Context()
        rclpy.init(context=self.context)
        self.rig = Rig(self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.rig)
        self.process = self.spawn(*parameters)

    def spawn(self, *parameters: str) -> subprocess.Popen:
        arguments = [part for p in parameters for part in ("-p", p)]
        return subprocess.Popen(
            [sys.executable, "-m", "ros2_rl.nodes.supervisor", "--ros-args", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def spin_until(self, condition, seconds: float = PATIENCE_S) -> bool:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self.executor.spin_once(timeout_sec=0.02)
        return True

    def step(self) -> None:
        """One state, repeated like a driver in lockstep does until it is answered."""
        self.rig.stamp_ns += STATE_NS
        end = time.monotonic() + PATIENCE_S
        while not self.answered():
            assert time.monotonic() < end, f"no answer; {self.rig.status}"
            self.rig.publish_state()
            if self.rig.targets and self.rig.stamp_ns % STEP_NS == 0:
                self.rig.publish_target()
                self.rig.publish_asked()
            self.spin_until(self.answered, 0.5)

    def answered(self) -> bool:
        command = self.rig.command
        return command is not None and to_ns(command.header.stamp) == self.rig.stamp_ns

    def step_until(self, mode: str, states: int = 1500) -> None:
        seen = len(self.rig.modes)
        for _ in range(states):
            if mode in self.rig.modes[seen:]:
                return
            self.step()
        raise AssertionError(f"{mode} not reached: {self.rig.modes}, {self.rig.status}")

    def call(self, name: str) -> Trigger.Response:
        client = self.rig.create_client(Trigger, f"supervisor/{name}")
        assert client.wait_for_service(PATIENCE_S)
        future = client.call_async(Trigger.Request())
        assert self.spin_until(future.done)
        return future.result()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.executor.shutdown()
        self.rig.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench(request):
    made = Bench(*request.param)
    yield made
    made.close()


@pytest.mark.parametrize("bench", [("lockstep:=true",)], indirect=True)
def test_lockstep_autostart_recovery_and_a_signal_that_ends_damped(bench):
    bench.step_until("POLICY")
    assert bench.rig.status["since_ns"] == "3000000000"
    assert bench.rig.status["actor"] == "policy" and bench.rig.command.header.frame_id == "policy"
    bench.rig.tilt = np.radians(35)
    bench.step_until("RECOVERY", 10)
    bench.rig.tilt = 0.0
    bench.step_until("POLICY")
    assert bench.rig.status["overrides"] == "1" and bench.rig.status["falls"] == "0"
    assert bench.rig.modes[-5:] == ["PASSIVE", "STAND", "POLICY", "RECOVERY", "POLICY"]
    bench.process.send_signal(signal.SIGINT)
    assert bench.spin_until(lambda: bench.process.poll() is not None)
    _, errors = bench.process.communicate()
    assert bench.process.returncode == 0 and "Traceback" not in errors
    assert bench.spin_until(lambda: bench.rig.command.header.frame_id == "damping")


def test_an_event_is_on_the_disk_with_the_second_before_it(tmp_path):
    bench = Bench("lockstep:=true", f"events_dir:={tmp_path / 'events'}")
    try:
        bench.step_until("POLICY")
        bench.rig.tilt = np.radians(35)
        bench.step_until("RECOVERY", 10)
        assert bench.spin_until(lambda: list(tmp_path.glob("events/*.npz")))
        (path,) = tmp_path.glob("events/*.npz")
        about, arrays = read_event(path)
        assert about["guard"] in path.name.replace("-", " ") and about["mode"] == "RECOVERY"
        assert arrays["stamp_ns"][-1] == about["since_ns"] <= bench.rig.stamp_ns
        assert len(arrays["stamp_ns"]) > 190 and arrays["mode"][-2] == "POLICY"
    finally:
        bench.close()


@pytest.mark.parametrize("bench", [("lockstep:=true", "lockstep_timeout_s:=1.0")], indirect=True)
def test_executor_death_ends_standing_then_damped(bench):
    bench.step_until("POLICY")
    bench.rig.targets = False
    bench.step_until("STAND", 10)
    assert bench.rig.command.header.frame_id == "stand"
    bench.step_until("DAMPING")
    assert "did not come back" in bench.rig.status["reason"]


@pytest.mark.parametrize("bench", [("lockstep:=true",)], indirect=True)
def test_velocity_commands_that_are_not_finite_are_none(bench):
    bench.rig.asked = 0.5
    bench.step_until("POLICY")
    bench.rig.asked = float("nan")
    bench.step_until("STAND", 250)
    assert "no velocity command" in bench.rig.status["reason"]


@pytest.mark.parametrize("bench", [("autostart:=false", "lockstep:=true")], indirect=True)
def test_requests_by_service(bench):
    bench.step()
    assert not bench.call("arm").success
    assert bench.call("stand").success
    for _ in range(500):
        bench.step()
    assert bench.call("arm").success
    bench.step_until("POLICY", 40)
    assert bench.call("estop").success
    assert bench.spin_until(lambda: bench.rig.command.header.frame_id == "damping")
    assert bench.rig.status["mode"] == "ESTOP" and bench.rig.status["actor"] == "human"
    refused = bench.call("stand")
    assert not refused.success and "reset" in refused.message
    bench.process.send_signal(signal.SIGTERM)
    assert bench.spin_until(lambda: bench.process.poll() is not None)
    assert bench.process.returncode == 0


@pytest.mark.parametrize("bench", [("autostart:=true",)], indirect=True)
def test_in_real_time_silence_of_the_robot_damps(bench):
    bench.step_until("STAND")
    assert bench.spin_until(lambda: bench.rig.modes[-1] == "DAMPING")
    assert bench.rig.status["reason"] == "no state for 0.5 s"
    assert bench.spin_until(lambda: bench.rig.command.header.frame_id == "damping")
    assert to_ns(bench.rig.command.header.stamp) == bench.rig.stamp_ns


@pytest.mark.parametrize("bench", [("autostart:=true",)], indirect=True)
def test_a_clock_that_stands_still_is_silence(bench):
    bench.step_until("STAND")

    def still() -> bool:
        bench.rig.publish_state()
        return bench.rig.modes[-1] == "DAMPING"

    assert bench.spin_until(still)
    assert bench.rig.status["guard"] == "lasting state silence"
    assert bench.spin_until(lambda: bench.rig.command.header.frame_id == "damping")


@pytest.mark.parametrize("bench", [("lockstep:=true",)], indirect=True)
def test_a_second_supervisor_refuses_and_a_rogue_writer_stops_the_first(bench):
    bench.step()
    assert bench.spin_until(lambda: bench.rig.status is not None)
    second = bench.spawn("lockstep:=true")
    _, errors = second.communicate(timeout=PATIENCE_S)
    # Where discovery is slow both find each other only later, and both end; never does one remain unaware.
    assert second.returncode == 1 and "writer" in errors and "Traceback" not in errors
    rogue = bench.rig.create_publisher(JointState, "joint_commands", reliable(1))
    assert bench.spin_until(lambda: bench.process.poll() is not None)
    _, errors = bench.process.communicate()
    assert rogue.topic_name == "/joint_commands"
    assert bench.process.returncode == 1 and "a second writer" in errors and "Traceback" not in errors
    assert bench.spin_until(lambda: bench.rig.status["mode"] == "ESTOP")
    assert bench.rig.command.header.frame_id == "damping"


@pytest.mark.parametrize("bench", [("robot:=spot",)], indirect=True)
def test_an_unknown_robot_is_one_sentence(bench):
    _, errors = bench.process.communicate(timeout=PATIENCE_S)
    assert bench.process.returncode == 1 and "no robot 'spot'" in errors and "Traceback" not in errors
