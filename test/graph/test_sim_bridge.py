"""The simulator's node as a process of its own, with the test in the place of the supervisor."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import BatteryState, Imu, JointState
from std_msgs.msg import Float32MultiArray
from std_srvs.srv import Trigger

from ros2_rl.learning.phase import Phase
from ros2_rl.nodes.conversions import reliable, status_msg, status_values, to_ns
from ros2_rl.robots import load_robot

ROBOT = load_robot("go2")
STATE_NS = 5_000_000
PATIENCE_S = 60.0
AWAITED = "wait_for_topics:=[joint_commands]"
SLOWLY = "speed:=0.2"
"""So that a busy machine keeps up with the robot's time, too."""
LOCKSTEP = ("lockstep:=true", AWAITED)


class Rig(Node):
    """Hears all that the robot says, and commands it."""

    def __init__(self, context: Context):
        super().__init__("rig", context=context, use_global_arguments=False, enable_rosout=False)
        self.heard: list[tuple[str, int]] = []
        self.q: dict[int, tuple[float, ...]] = {}
        self.stamp_ns, self.repeats = -1, 0
        self.status: DiagnosticStatus | None = None
        self.gains, self.offset, self.answering = "stand", 0.0, True
        sensor = qos_profile_sensor_data
        self.commands = self.create_publisher(JointState, "joint_commands", reliable(1))
        self.phases = self.create_publisher(DiagnosticStatus, "learner/phase", reliable(10, latched=True))
        self.create_subscription(JointState, "joint_states", self._on_state, sensor)
        for kind, topic in (
            (Imu, "imu/data"),
            (Odometry, "ground_truth/odom"),
            (BatteryState, "battery_state"),
        ):
            self.create_subscription(kind, topic, self._noting(topic, lambda m: m.header.stamp), sensor)
        self.create_subscription(Clock, "/clock", self._noting("clock", lambda m: m.clock), sensor)
        self.create_subscription(Float32MultiArray, "foot_forces", self._on_feet, sensor)
        self.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable(10))

    @property
    def values(self) -> dict[str, str]:
        return {} if self.status is None else status_values(self.status)

    def of(self, topic: str) -> list[int]:
        return [stamp for name, stamp in self.heard if name == topic]

    def command(self, stamp_ns: int, q=None) -> None:
        msg = JointState(name=list(reversed(ROBOT.joints)))
        msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        msg.header.frame_id = self.gains
        q = ROBOT.fold_pose + self.offset if q is None else q
        msg.position = np.asarray(q)[::-1].tolist()
        self.commands.publish(msg)

    def _noting(self, topic: str, stamp):
        return lambda msg: self.heard.append((topic, to_ns(stamp(msg))))

    def _on_feet(self, msg: Float32MultiArray) -> None:
        sizes = {dim.label: dim.size for dim in msg.layout.dim}
        assert list(sizes) == [*ROBOT.feet, "sec", "nanosec"] and len(msg.data) == 4
        self.heard.append(("foot_forces", sizes["sec"] * 1_000_000_000 + sizes["nanosec"]))

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        self.status = msg.status[0]

    def _on_state(self, msg: JointState) -> None:
        stamp = to_ns(msg.header.stamp)
        self.repeats += stamp == self.stamp_ns
        self.heard.append(("joint_states", stamp))
        self.stamp_ns, self.q[stamp] = stamp, tuple(msg.position)
        if self.answering:
            self.command(stamp)


class Bench:
    """A rig and a bridge process in a domain of their own."""

    def __init__(self, *parameters: str):
        self.context = Context()
        rclpy.init(context=self.context)
        self.rig = Rig(self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.rig)
        arguments = [part for p in parameters for part in ("-p", p)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ros2_rl.nodes.sim_bridge", "--ros-args", *arguments],
            env={key: os.environ[key] for key in os.environ.keys() - {"DISPLAY", "WAYLAND_DISPLAY"}},
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

    def reach(self, stamp_ns: int) -> None:
        assert self.spin_until(lambda: self.rig.stamp_ns >= stamp_ns), self.rig.values

    def call(self, kind: type, name: str, request):
        client = self.rig.create_client(kind, name)
        assert client.wait_for_service(PATIENCE_S)
        future = client.call_async(request)
        assert self.spin_until(future.done)
        return future.result()

    def set(self, name: str, value: float):
        parameter = Parameter(name, Parameter.Type.DOUBLE, value).to_parameter_msg()
        request = SetParameters.Request(parameters=[parameter])
        return self.call(SetParameters, "sim_bridge/set_parameters", request).results[0]

    def end(self, number: int = signal.SIGINT) -> str:
        """Send a signal, wait for the end, return what was written to stderr."""
        self.process.send_signal(number)
        assert self.spin_until(lambda: self.process.poll() is not None)
        return self.process.communicate()[1]

    def close(self) -> None:
        # Not killed: the middleware of the one that stays would now and then crash when it ends.
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate()
        self.executor.shutdown()
        self.rig.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench(request):
    made = Bench(*request.param)
    yield made
    made.close()


@pytest.mark.parametrize("bench", [LOCKSTEP], indirect=True)
def test_in_lockstep_time_goes_on_only_with_the_answer(bench):
    rig = bench.rig
    bench.reach(400 * STATE_NS)
    assert sorted(rig.q) == [i * STATE_NS for i in range(rig.stamp_ns // STATE_NS + 1)]
    rig.answering = False
    assert bench.spin_until(lambda: rig.repeats > 0)
    waiting, q = rig.stamp_ns, rig.q[rig.stamp_ns]
    rig.command(waiting - STATE_NS)
    assert bench.spin_until(lambda: rig.heard[-30:].count(("joint_states", waiting)) > 2)
    assert rig.stamp_ns == waiting and rig.q[waiting] == q
    rig.command(waiting)
    bench.reach(waiting + STATE_NS)
    assert rig.values["timeouts"] == "0" and rig.values["rejected"] == "0"


@pytest.mark.parametrize("bench", [LOCKSTEP], indirect=True)
def test_all_topics_have_their_rates_and_stamps(bench):
    rig = bench.rig
    bench.reach(1200 * STATE_NS)
    for topic, period in (("ground_truth/odom", 20), ("clock", 50), ("battery_state", 1000)):
        stamps = rig.of(topic)
        assert len(stamps) > 3 and all(stamp % (period * 1_000_000) == 0 for stamp in stamps), topic
        assert np.median(np.diff(stamps)) == period * 1_000_000, topic
    for topic in ("imu/data", "foot_forces"):
        missing = set(rig.of("joint_states")) - set(rig.of(topic))
        assert len(missing) <= 5, f"{topic} without {missing}"


def _sixty_states() -> list[tuple[float, ...]]:
    bench = Bench(*LOCKSTEP, "gap:=default", "seed:=5", "message_loss:=0.2")
    try:
        bench.rig.offset = 0.3
        bench.reach(60 * STATE_NS)
        return [item for item in sorted(bench.rig.q.items()) if item[0] <= 60 * STATE_NS]
    finally:
        bench.close()


def test_two_runs_in_lockstep_are_equal_bit_for_bit():
    first, second = _sixty_states(), _sixty_states()
    assert first == second and 30 < len(first) < 60


@pytest.mark.parametrize("bench", [(*LOCKSTEP, "lockstep_timeout_s:=1.0")], indirect=True)
def test_a_supervisor_that_falls_silent_breaks_the_lockstep_until_it_comes_back(bench):
    rig = bench.rig
    bench.reach(50 * STATE_NS)
    rig.answering = False
    bench.spin_until(lambda: False, 0.05)
    silent = rig.stamp_ns
    bench.reach(silent + 40 * STATE_NS)
    # The robot's own time-out comes in robot time, maybe after the report of the break.
    assert bench.spin_until(
        lambda: rig.status.level == DiagnosticStatus.ERROR and rig.values["timeouts"] == "1"
    ), rig.status
    assert "damped" in rig.status.message
    rig.answering = True
    assert bench.spin_until(lambda: rig.status.level != DiagnosticStatus.ERROR)
    bench.reach(rig.stamp_ns + 50 * STATE_NS)
    assert rig.values["lockstep_breaks"] == "1"


@pytest.mark.parametrize("bench", [(AWAITED, SLOWLY)], indirect=True)
def test_in_real_time_it_counts_what_the_commands_are_worth(bench):
    rig = bench.rig
    rig.gains = "policy"
    assert bench.spin_until(lambda: float(rig.values.get("state_to_command_ms_p50", 0)) > 0.0)
    assert 0.0 < float(rig.values["state_to_command_ms_p50"]) <= float(rig.values["state_to_command_ms_max"])
    assert float(rig.values["real_time_factor"]) < 3.0
    rig.command(rig.stamp_ns, np.full(12, np.nan))
    rig.command(rig.stamp_ns, np.zeros(3))
    assert bench.spin_until(lambda: int(rig.values["rejected"]) >= 1)
    rig.offset = 3.0
    assert bench.spin_until(lambda: int(rig.values["out_of_limits"]) > 0)
    assert float(rig.values["worst_excess"]) > 1.0
    rig.answering = False
    assert bench.spin_until(lambda: int(rig.values["timeouts"]) > 0)
    assert rig.status.level == DiagnosticStatus.WARN
    bench.reach(rig.stamp_ns + 20 * STATE_NS)


@pytest.mark.parametrize("bench", [(AWAITED, SLOWLY)], indirect=True)
def test_commands_that_answer_an_old_state_do_not_keep_the_robot_going(bench):
    bench.reach(20 * STATE_NS)
    bench.rig.answering = False

    def given_up() -> bool:
        bench.rig.command(0)
        return all(int(bench.rig.values.get(key, 0)) > 0 for key in ("timeouts", "rejected"))

    assert bench.spin_until(given_up)


@pytest.mark.parametrize("bench", [(*LOCKSTEP, "gap_from_start:=false", "noise_q_bias:=0.2")], indirect=True)
def test_the_gap_follows_learner_phase_and_its_parameters_change_as_it_runs(bench):
    rig = bench.rig

    def bias() -> float:
        return float(np.mean(rig.q[rig.stamp_ns]) - np.mean(rig.q[0]))

    def announce(gap: bool, seconds: int) -> int:
        start = rig.stamp_ns + seconds * 1_000_000_000
        phase = Phase("train", start, gap=gap)
        rig.phases.publish(status_msg("learner", phase.name, **phase.to_values()))
        return start

    rig.gains = "damping"
    bench.reach(10 * STATE_NS)
    assert abs(bias()) < 0.05
    start = announce(True, 1)
    assert bench.spin_until(lambda: bias() > 0.15) and rig.stamp_ns > start
    start = announce(False, 1)
    assert bench.spin_until(lambda: bias() < 0.05) and rig.stamp_ns > start
    assert bench.set("noise_q_bias", -0.2).successful
    bench.reach(rig.stamp_ns + 20 * STATE_NS)
    assert bias() > -0.05  # the gap is off
    announce(True, 1)
    assert bench.spin_until(lambda: bias() < -0.15)
    assert bench.set("noise_q_bias", 0.2).successful
    assert bench.spin_until(lambda: bias() > 0.15)
    refused = bench.set("friction", 0.0)
    assert not refused.successful and "friction" in refused.reason
    announce(False, 1)
    assert bench.spin_until(lambda: abs(bias()) < 0.05)


@pytest.mark.parametrize("bench", [LOCKSTEP], indirect=True)
def test_reset_lays_the_robot_down_and_a_signal_waits_for_the_last_command(bench):
    rig = bench.rig
    rig.offset = ROBOT.stand_pose - ROBOT.fold_pose
    bench.reach(200 * STATE_NS)
    before = rig.stamp_ns
    assert np.allclose(rig.q[before], ROBOT.stand_pose, atol=0.3)
    rig.gains = "damping"
    assert bench.call(Trigger, "sim/reset", Trigger.Request()).success
    bench.reach(rig.stamp_ns + 5 * STATE_NS)
    assert np.abs(np.array(rig.q[rig.stamp_ns]) - rig.q[0]).max() < 0.1 and rig.stamp_ns > before
    rig.gains = "stand"
    bench.reach(rig.stamp_ns + 20 * STATE_NS)
    bench.process.send_signal(signal.SIGTERM)
    signalled = rig.stamp_ns
    bench.reach(signalled + 10 * STATE_NS)
    rig.gains = "damping"
    errors = bench.end(signal.SIGCONT)
    assert bench.process.returncode == 0 and "Traceback" not in errors


@pytest.mark.parametrize("bench", [()], indirect=True)
def test_time_does_not_run_before_everybody_is_there(bench):
    rig = bench.rig
    assert bench.spin_until(lambda: rig.status is not None)
    assert "waits for joint_commands, policy/targets, odom, cmd_vel" in rig.status.message
    assert rig.stamp_ns == -1
    others = [rig.create_publisher(JointState, t, 1) for t in ("policy/targets", "odom", "cmd_vel")]
    bench.reach(10 * STATE_NS)
    assert len(others) == 3


@pytest.mark.parametrize("bench", [(AWAITED,)], indirect=True)
def test_a_second_writer_ends_it_with_a_sentence(bench):
    bench.reach(5 * STATE_NS)
    rogue = bench.rig.create_publisher(JointState, "joint_commands", reliable(1))
    assert bench.spin_until(lambda: bench.rig.status and bench.rig.status.level == DiagnosticStatus.ERROR)
    assert "two writers" in bench.rig.status.message
    assert bench.spin_until(lambda: bench.process.poll() is not None)
    _, errors = bench.process.communicate()
    assert rogue.topic_name == "/joint_commands" and bench.process.returncode == 1
    assert "two writers" in errors and "Traceback" not in errors


@pytest.mark.parametrize(
    "bench, words",
    [
        (("gap:=moon",), "no gap 'moon'"),
        (("robot:=spot",), "no robot 'spot'"),
        (("headless:=false",), "no display"),
        (("physics_dt:=0.003",), "do not fit"),
        (("payload_kg:=99.0",), "payload_kg"),
        (("payload_kg:=3",), "payload_kg"),
        (("speed=2.0",), "cannot be read"),
    ],
    indirect=["bench"],
)
def test_bad_arguments_are_one_sentence(bench, words):
    _, errors = bench.process.communicate(timeout=PATIENCE_S)
    assert bench.process.returncode == 1 and words in errors and "Traceback" not in errors
