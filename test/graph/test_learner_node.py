"""The learner's node: phases, adapters, services, and an executor that it does not control."""

import json
import os

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from node_rig import NodeRig
from std_msgs.msg import Float32MultiArray, MultiArrayDimension, UInt8MultiArray

from ros2_rl.learning.phase import EVALUATE, Phase
from ros2_rl.nodes.conversions import reliable, status_msg, status_values
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.step import StepRecord, pack
from ros2_rl.robots import load_robot

ROBOT = load_robot("go2")
STEP_NS = 20_000_000


def message(step: int) -> Float32MultiArray:
    """The record of a robot that stands."""
    zeros = np.zeros(12, np.float32)
    record = StepRecord(
        step * STEP_NS, step, 1, np.zeros(47, np.float32), zeros, zeros, zeros,
        np.zeros(3, np.float32), np.zeros(2, np.float32), np.zeros(3, np.float32),
        np.array((0.28,), np.float32), np.ones(4, np.float32), np.zeros(3, np.float32),
        np.array((0, 0, -1), np.float32), ROBOT.default_pose.astype(np.float32), zeros, zeros,
    )  # fmt: skip
    data, dims = pack(record)
    msg = Float32MultiArray(data=data.tolist())
    msg.layout.dim = [MultiArrayDimension(label=name, size=int(size)) for name, size in dims]
    return msg


class LearnerRig(NodeRig):
    def __init__(self, run_dir, *arguments: str):
        super().__init__("learner", "-p", f"run_dir:={run_dir}", "-p", "episodes:=2", *arguments)
        self.phases: list[Phase] = []
        self.adapters: list[Adapter] = []
        self.node.create_subscription(DiagnosticStatus, "learner/phase", self._on_phase, reliable(10, True))
        self.node.create_subscription(UInt8MultiArray, "policy/adapter", self._on_adapter, reliable(1, True))
        self.steps = self.node.create_publisher(Float32MultiArray, "policy/step", reliable(2000))
        self.labels = self.node.create_publisher(DiagnosticStatus, "supervisor/state", reliable(100, True))

    def _on_phase(self, msg):
        self.phases.append(Phase.from_values(msg.message, status_values(msg)))

    def _on_adapter(self, msg):
        self.adapters.append(Adapter.from_bytes(bytes(msg.data)))


@pytest.fixture
def rig(tmp_path):
    rig = LearnerRig(tmp_path / "run")
    rig.wait(lambda: rig.phases and rig.adapters, "the first phase and adapter")
    yield rig
    rig.close()


def test_begins_with_the_base_and_an_evaluation_without_the_gap(rig):
    first, adapter = rig.phases[0], rig.adapters[0]
    assert (first.name, first.gap, first.noise, first.episodes) == (EVALUATE, False, False, 2)
    assert adapter.version == 1
    assert all(not b.any() for _, b in adapter.layers.values())


def test_evaluates_again_with_the_gap_and_drops_what_it_cannot_read(rig):
    rig.wait_for_readers("policy/step", "supervisor/state")
    rig.labels.publish(status_msg("supervisor", "POLICY", stamp_ns=0, actor="policy", falls=0))
    rig.steps.publish(Float32MultiArray(data=[1.0, 2.0]))
    end = rig.phases[0].end_step
    for step in range(rig.phases[0].start_step - 5, end + 10):
        rig.steps.publish(message(step))
        rig.executor.spin_once(timeout_sec=0.0)
    rig.wait(lambda: len(rig.phases) > 1, "the second phase")
    assert (rig.phases[1].name, rig.phases[1].gap, rig.phases[1].seed) == (EVALUATE, True, rig.phases[0].seed)
    assert rig.phases[1].start_step > end


def test_on_a_robot_it_begins_with_the_first_step_it_hears_not_with_what_was_said_long_ago(tmp_path):
    rig = LearnerRig(tmp_path / "run", "-p", "start_with_policy:=true")
    rig.wait(lambda: rig.adapters, "the first adapter")
    rig.wait_for_readers("policy/step", "supervisor/state")
    rig.labels.publish(status_msg("supervisor", "POLICY", stamp_ns=STEP_NS, actor="policy", falls=0))
    step = 90_000_000_000  # of a robot whose time is that of the wall
    rig.wait(lambda: rig.phases, "the first phase", again=lambda: rig.steps.publish(message(step)))
    assert step < rig.phases[0].start_step < step + 1000
    rig.close()


def test_on_request_it_gives_way_to_others(tmp_path):
    rig = LearnerRig(tmp_path / "run", "-p", "give_way:=true")
    rig.wait(lambda: rig.phases, "the first phase")
    assert os.sched_getscheduler(rig.process.pid) == os.SCHED_IDLE
    assert rig.close()[0] == 0


def test_services(rig, tmp_path):
    assert rig.call("learner/pause").success
    rig.wait(lambda: rig.diagnostics[2].get("paused") == "True", "the pause")
    assert rig.call("learner/resume").success
    rig.wait(lambda: rig.diagnostics[2].get("paused") == "False", "the resumption")
    assert rig.call("learner/save").success
    assert (tmp_path / "run" / "policy.onnx").is_file()
    assert rig.call("learner/rollback").success
    rig.wait(lambda: rig.adapters[-1].version == 2, "the adapter of the roll-back")


def test_an_interrupted_run_is_kept(tmp_path):
    rig = LearnerRig(tmp_path / "run")
    rig.wait(lambda: rig.phases, "the first phase")
    status, _ = rig.close()
    assert status == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["ended"] == "interrupted"


def test_a_robot_that_was_damped_ends_the_run(tmp_path):
    rig = LearnerRig(tmp_path / "run")
    rig.wait(lambda: rig.phases, "the first phase")
    rig.wait_for_readers("supervisor/state", "policy/step")
    rig.steps.publish(message(100))

    def damped() -> None:  # as the supervisor says it, once a second
        rig.labels.publish(status_msg("supervisor", "DAMPING", **values))

    values = {"stamp_ns": 110 * STEP_NS, "since_ns": 105 * STEP_NS, "actor": "supervisor", "falls": 1}
    values["reason"] = "recovery failed"
    rig.wait(lambda: rig.process.poll() is not None, "the end", again=damped)
    status, err = rig.close()
    assert status == 1
    assert "recovery failed" in err and "Traceback" not in err
    assert (tmp_path / "run" / "policy.onnx").is_file()


def test_a_robot_that_was_damped_before_the_learner_began_does_not_end_it(tmp_path):
    said = {"stamp_ns": 99 * STEP_NS, "since_ns": 90 * STEP_NS, "falls": 1, "reason": "a person"}
    rig = LearnerRig(tmp_path / "run", "-p", "start_with_policy:=true")
    # Kept by the topic for whoever joins later.
    rig.labels.publish(status_msg("supervisor", "DAMPING", actor="supervisor", **said))
    rig.wait_for_readers("supervisor/state", "policy/step")
    rig.wait(lambda: rig.diagnostics[2], "the learner's word", again=lambda: rig.steps.publish(message(100)))
    rig.labels.publish(status_msg("supervisor", "DAMPING", actor="supervisor", **said))
    rig.labels.publish(status_msg("supervisor", "POLICY", actor="policy", **said))
    rig.wait(lambda: rig.phases, "the first phase", again=lambda: rig.steps.publish(message(200)))
    status, errors = rig.close()
    assert status == 0 and "has damped" not in errors


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("learner:=magic", "no learner 'magic'"),
        ("policy:=nowhere.onnx", "nowhere.onnx"),
        ("resume:=.", "checkpoint"),
    ],
)
def test_what_it_cannot_use_is_one_sentence(tmp_path, argument, words):
    rig = NodeRig("learner", "-p", f"run_dir:={tmp_path / 'run'}", "-p", argument)
    rig.process.wait(timeout=60)
    status, err = rig.close()
    assert status == 1
    assert words in err
    assert "Traceback" not in err


@pytest.fixture
def offpolicy(tmp_path):
    arguments = ("learner:=offpolicy", "measure_pretrained:=false", "episodes:=1")
    rig = LearnerRig(tmp_path / "run", *(word for argument in arguments for word in ("-p", argument)))
    yield rig
    rig.close()
    assert rig.process.returncode == 0, "an update that is under way must not hold up the end"
    assert (tmp_path / "run" / "replay.safetensors").is_file()


def test_the_off_policy_learner_updates_and_says_how_fast(offpolicy):
    rig = offpolicy
    rig.wait(lambda: rig.phases and rig.adapters, "the first phase and adapter")
    assert rig.adapters[0].residual is not None
    rig.wait_for_readers("policy/step", "supervisor/state")
    rig.labels.publish(status_msg("supervisor", "POLICY", stamp_ns=0, actor="policy", falls=0))
    first = rig.phases[0].start_step - 5
    for step in range(first, first + 1600):  # an evaluation of 500 steps, the lead of 250, windows of 100
        rig.steps.publish(message(step))
        rig.executor.spin_once(timeout_sec=0.002)
    rig.wait(lambda: rig.adapters[-1].version > 2, "adapters of updates")
    rig.wait(lambda: "utd" in rig.diagnostics[2], "the ratio of updates")
