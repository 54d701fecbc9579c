"""The executor as a process of its own, beside a fake robot, estimator, learner and supervisor, over DDS."""

import signal
import subprocess
import sys
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from policy_rig import ROBOT, make_adapter, random_layers, write_random
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float32MultiArray, MultiArrayDimension, UInt8MultiArray

from ros2_rl.learning.phase import TRAIN, Phase
from ros2_rl.nodes.conversions import reliable, status_msg, status_values, to_ns, to_time
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.policy.step import StepRecord, unpack

STATE_NS, STEP_NS = 5_000_000, 20_000_000
PATIENCE_S = 30.0
LAYERS = random_layers((47, 32, 16, 12))
CONTACTS = (1.0, 0.0, 0.25, 1.0)


class Rig(Node):
    """Robot, estimator, learner, supervisor and practice in one node; keeps what the executor says."""

    def __init__(self, context: Context):
        super().__init__("rig", context=context, use_global_arguments=False)
        sensor = qos_profile_sensor_data
        self._imu = self.create_publisher(Imu, "imu/data", sensor)
        self._joints = self.create_publisher(JointState, "joint_states", sensor)
        self._odom = self.create_publisher(Odometry, "odom", sensor)
        self._contacts = self.create_publisher(Float32MultiArray, "contacts", sensor)
        self._adapter = self.create_publisher(UInt8MultiArray, "policy/adapter", reliable(1, latched=True))
        self._phase = self.create_publisher(DiagnosticStatus, "learner/phase", reliable(10, latched=True))
        self._mode = self.create_publisher(DiagnosticStatus, "supervisor/state", reliable(100, latched=True))
        self.cmd_vel = None
        self.targets: dict[int, list[list[float]]] = {}
        self.records: list[StepRecord] = []
        self.active: list[DiagnosticStatus] = []
        self.diagnostics: dict[str, str] = {}
        self.create_subscription(JointState, "policy/targets", self._on_targets, reliable(1))
        self.create_subscription(Float32MultiArray, "policy/step", self._on_step, reliable(2000))
        self.create_subscription(
            DiagnosticStatus, "policy/active", self.active.append, reliable(10, latched=True)
        )
        self.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, reliable(10))

    def practise(self) -> None:
        self.cmd_vel = self.create_publisher(TwistStamped, "cmd_vel", reliable(1))

    def command(self, stamp_ns: int, vx: float) -> None:
        msg = TwistStamped()
        msg.header.stamp, msg.twist.linear.x = to_time(stamp_ns), vx
        self.cmd_vel.publish(msg)

    def adapter(self, data: bytes) -> None:
        self._adapter.publish(UInt8MultiArray(data=array("B", data)))

    def mode(self, mode: str, policy_from_ns: int = 0) -> None:
        self._mode.publish(status_msg("supervisor", mode, policy_from_ns=policy_from_ns))

    def phase(self, phase: Phase) -> None:
        self._phase.publish(status_msg("learner", phase.name, **phase.to_values()))

    def state(self, stamp_ns: int) -> None:
        """All that the robot and the estimator say at a stamp, joints in another order."""
        stamp, rng = to_time(stamp_ns), np.random.default_rng(stamp_ns)
        imu = Imu()
        imu.header.stamp, imu.orientation.w, imu.linear_acceleration.z = stamp, 1.0, 9.81
        self._imu.publish(imu)
        q = ROBOT.default_pose + 0.05 * rng.normal(size=12)
        joints = JointState(name=list(reversed(ROBOT.joints)), position=q[::-1].tolist())
        joints.header.stamp = stamp
        joints.velocity = joints.effort = [0.0] * 12
        self._joints.publish(joints)
        contacts = Float32MultiArray(data=array("f", CONTACTS))
        sizes = [*((foot, 1) for foot in ROBOT.feet), ("sec", stamp.sec), ("nanosec", stamp.nanosec)]
        contacts.layout.dim = [MultiArrayDimension(label=label, size=size) for label, size in sizes]
        self._contacts.publish(contacts)
        odom = Odometry()
        odom.header.stamp = stamp
        odom.twist.twist.linear.x, odom.pose.pose.position.z = 0.125, 0.25
        self._odom.publish(odom)

    def _on_targets(self, msg: JointState) -> None:
        self.targets.setdefault(to_ns(msg.header.stamp), []).append(list(msg.position))

    def _on_step(self, msg: Float32MultiArray) -> None:
        dims = [(dim.label, dim.size) for dim in msg.layout.dim]
        self.records.append(unpack(np.array(msg.data), dims))

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        self.diagnostics = status_values(msg.status[0])


class Bench:
    """A rig and an executor process in a domain of their own."""

    def __init__(self, policy: Path, *parameters: str):
        self.context = Context()
        rclpy.init(context=self.context)
        self.rig = Rig(self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.rig)
        self.base = OnnxPolicy(policy)
        self.process = spawn(f"policy:={policy}", *parameters)
        self.wait(lambda: self.rig.active, "policy/active")
        self.wait(lambda: self.rig.count_publishers("policy/targets") == 1, "policy/targets")
        self.stamp_ns = STEP_NS

    def wait(self, condition, what: str, seconds: float = PATIENCE_S, again=None) -> None:
        """Spin until the condition holds; ``again`` is called every 0.5 s, as a robot repeats its state."""
        end = time.monotonic() + seconds
        repeat = time.monotonic() + 0.5
        while not condition():
            assert time.monotonic() < end, f"{what} did not come; {self.process.poll()}"
            if again is not None and time.monotonic() > repeat:
                again()
                repeat = time.monotonic() + 0.5
            self.executor.spin_once(timeout_sec=0.02)

    def answered(self, stamp_ns: int) -> bool:
        return stamp_ns in self.rig.targets

    def tick(self) -> StepRecord:
        """One control step: four states, then the answer to the one that is a tick."""
        for _ in range(3):
            self.stamp_ns += STATE_NS
            self.rig.state(self.stamp_ns)
        self.stamp_ns += STATE_NS
        stamp = self.stamp_ns
        self.rig.state(stamp)
        self.wait(lambda: self.answered(stamp), f"targets of {stamp}", again=lambda: self.rig.state(stamp))
        self.wait(lambda: self.rig.records and self.rig.records[-1].stamp_ns == stamp, f"step of {stamp}")
        return self.rig.records[-1]

    def tick_until(self, condition, what: str, ticks: int = 1000) -> None:
        for _ in range(ticks):
            if condition():
                return
            self.tick()
        raise AssertionError(what)

    def said(self, message: str) -> list[dict[str, str]]:
        """Values of the acknowledgements whose message begins so."""
        return [status_values(msg) for msg in self.rig.active if msg.message.startswith(message)]

    def make(self, version: int, **kwargs) -> bytes:
        return make_adapter(self.base, LAYERS, version, **kwargs).to_bytes()

    def close(self) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=PATIENCE_S)
        self.executor.shutdown()
        self.rig.destroy_node()
        rclpy.shutdown(context=self.context)
        return self.process.returncode, err


def spawn(*parameters: str) -> subprocess.Popen:
    arguments = [part for p in parameters for part in ("-p", p)]
    return subprocess.Popen(
        [sys.executable, "-m", "ros2_rl.nodes.policy_executor", "--ros-args", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path):
    bench = Bench(write_random(tmp_path / "policy.onnx"), *request.param)
    yield bench
    code, err = bench.close()
    assert code == 0, err
    assert "Traceback" not in err


@pytest.mark.parametrize("bench", [()], indirect=True)
def test_an_estimate_joins_the_record_of_a_step_that_did_not_wait_for_it(bench: Bench) -> None:
    def known() -> bool:
        record = bench.rig.records[-1] if bench.rig.records else None
        return record is not None and (record.lin_vel[0], record.height[0]) == (0.125, 0.25)

    bench.tick_until(known, "no record has the estimate")
    np.testing.assert_array_equal(bench.rig.records[-1].contacts, CONTACTS)


@pytest.mark.parametrize("bench", [("lockstep:=true",)], indirect=True)
def test_lockstep_repeats_answers_and_swaps_at_the_promised_step(bench: Bench) -> None:
    rig = bench.rig
    first = bench.tick()
    np.testing.assert_array_equal(first.contacts, CONTACTS)
    assert (first.lin_vel[0], first.height[0]) == (0.125, 0.25)
    stamp = first.stamp_ns
    answers, steps = len(rig.targets[stamp]), len(rig.records)
    rig.state(stamp)
    bench.wait(lambda: len(rig.targets[stamp]) > answers, "the answer to a repeated state")
    assert all(answer == rig.targets[stamp][0] for answer in rig.targets[stamp])
    bench.tick()
    assert [r.step for r in rig.records[steps:]] == [first.step + 1]

    begin = first.step + 10
    rig.adapter(bench.make(1, activate_at_step=begin, next_at_step=begin + 5))
    bench.wait(lambda: bench.said("accepted"), "the acknowledgement")
    bench.tick_until(lambda: rig.records[-1].step == begin + 4, "tick before the second adapter")
    versions = {r.step: r.version for r in rig.records}
    assert [versions[s] for s in range(begin - 2, begin + 5)] == [0, 0, 1, 1, 1, 1, 1]
    (active,) = [v for v in bench.said("active") if v["version"] == "1"]
    assert (int(active["since_step"]), int(active["since_ns"])) == (begin, begin * STEP_NS)
    assert active["base_sha256"] == bench.base.sha256 != active["sha256"]

    due = (begin + 5) * STEP_NS
    rig.state(due)
    bench.executor.spin_once(timeout_sec=0.3)
    assert not bench.answered(due)
    rig.adapter(bench.make(2, activate_at_step=begin + 5))
    bench.wait(lambda: bench.answered(due), "the awaited step")
    bench.wait(lambda: rig.records[-1].stamp_ns == due, "its record")
    assert rig.records[-1].version == 2


@pytest.mark.parametrize("bench", [("lockstep:=true",)], indirect=True)
def test_lockstep_answers_with_the_command_of_the_step_before(bench: Bench) -> None:
    rig = bench.rig
    bench.tick()
    rig.practise()
    bench.wait(lambda: rig.cmd_vel.get_subscription_count() == 1, "the executor at cmd_vel")
    used = []
    for i in range(1, 6):
        # The answers to the last step and, early, to this one: the earlier counts.
        rig.command(bench.stamp_ns, 0.1 * i)
        used.append(float(bench.tick().command[0]))
    np.testing.assert_allclose(used, [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-6)
    rig.state(bench.stamp_ns + STEP_NS)
    bench.executor.spin_once(timeout_sec=0.3)
    assert not bench.answered(bench.stamp_ns + STEP_NS)
    rig.command(bench.stamp_ns, 0.6)
    bench.wait(lambda: bench.answered(bench.stamp_ns + STEP_NS), "the step that waited for its command")


@pytest.mark.parametrize("bench", [("lockstep:=true", "lockstep_timeout_s:=0.5")], indirect=True)
def test_lockstep_goes_on_when_nobody_answers_in_time(bench: Bench) -> None:
    rig = bench.rig
    bench.tick()
    rig.practise()
    bench.wait(lambda: rig.cmd_vel.get_subscription_count() == 1, "the executor at cmd_vel")
    rig.command(bench.stamp_ns, 0.5)
    assert bench.tick().command[0] == 0.5
    assert bench.tick().command[0] == 0.5
    rig.phase(Phase(TRAIN, 0, adapter_at_step=bench.stamp_ns // STEP_NS))
    assert bench.tick().version == 0


@pytest.mark.parametrize("bench", [("seed:=3",)], indirect=True)
def test_real_time_swaps_refuses_and_explores(bench: Bench) -> None:
    rig = bench.rig
    assert rig.active[0].message == "active"
    assert bench.said("active")[0]["sha256"] == bench.base.sha256
    bench.tick()
    good = bench.make(1)
    rig.adapter(good)
    bench.tick_until(lambda: rig.records[-1].version == 1, "version 1 does not act")
    bench.wait(lambda: any(v["version"] == "1" for v in bench.said("active")), "the acknowledgement")
    acknowledged = [v for v in bench.said("active") if v["version"] == "1"][0]
    assert acknowledged["sha256"] != bench.base.sha256

    for bad, reason in (
        (good[:-4] + b"oops", "corrupt"),
        (good, "stale"),
        (b"nonsense", "not a safetensors file"),
        (retarget(good), "base policy"),
    ):
        seen = len(bench.said("refused"))
        rig.adapter(bad)
        bench.wait(lambda seen=seen: len(bench.said("refused")) > seen, "the refusal")
        assert reason in rig.active[-1].message
        assert bench.said("refused")[-1]["version"] == "1"
        assert bench.tick().version == 1

    start = bench.stamp_ns + 3 * STEP_NS
    rig.phase(Phase(TRAIN, start, noise=True))
    rig.mode("POLICY")
    bench.tick_until(lambda: rig.records[-1].std.any(), "no exploration")
    assert rig.records[-1].stamp_ns >= start
    bench.tick_until(lambda: rig.records[-1].obs[33:45].any(), "no memory of the last action")
    bench.wait(lambda: int(rig.diagnostics.get("adapters_refused", 0)) == 4, "diagnostics")


@pytest.mark.parametrize("bench", [()], indirect=True)
def test_real_time_command_times_out_and_memory_begins_with_the_mode(bench: Bench) -> None:
    rig = bench.rig
    bench.tick()
    rig.practise()
    bench.wait(lambda: rig.cmd_vel.get_subscription_count() == 1, "the executor at cmd_vel")
    sent = bench.stamp_ns
    rig.command(sent, 0.5)
    bench.tick_until(lambda: rig.records[-1].command[0] == 0.5, "no command")
    assert not rig.records[-1].obs[33:45].any()
    bench.tick_until(lambda: rig.records[-1].command[0] == 0.0, "no time-out", 40)
    assert rig.records[-1].stamp_ns == sent + 520_000_000
    begin = rig.records[-1].step + 5
    rig.mode("STAND", policy_from_ns=begin * STEP_NS)
    bench.tick_until(lambda: rig.records[-1].step == begin + 2, "no ticks")
    last = {r.step: bool(r.obs[33:45].any()) for r in rig.records}
    assert [last[s] for s in range(begin - 1, begin + 3)] == [False, False, True, True]


def retarget(data: bytes) -> bytes:
    """The same adapter with a newer version for another base."""
    fields = vars(Adapter.from_bytes(data))
    return Adapter(**fields | {"version": 9, "base_sha256": "e" * 64}).to_bytes()


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        ("policy:=nowhere.onnx", "nowhere.onnx cannot be read"),
        ("task:=dance", "There is no task 'dance'"),
        ("robot:=centaur", "There is no robot 'centaur'"),
    ],
)
def test_a_wrong_start_is_one_sentence_and_status_1(parameter: str, sentence: str) -> None:
    process = spawn(parameter)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert sentence in err
    assert "Traceback" not in err
