"""Replays: the record of a walk through the nodes' cores, and what the player plays."""

import dataclasses
import json

import numpy as np
import pytest
from recording_rig import Walk, write_bag

from ros2_rl.errors import ConfigError, RecordError
from ros2_rl.estimation import EstimatorParams
from ros2_rl.policy.mlp import linear_layers
from ros2_rl.policy.onnx_policy import OnnxPolicy, write_policy
from ros2_rl.recording.compare import plot, stack
from ros2_rl.recording.inputs import states
from ros2_rl.recording.playback import Await, Playback, Publish
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.replay import main as replay_main
from ros2_rl.recording.replay_estimator import replay_estimator
from ros2_rl.recording.replay_executor import replay_executor
from ros2_rl.recording.settings import RunSettings
from ros2_rl.replay_args import check_replay_args
from ros2_rl.robots import load_robot

STEPS = 60


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk")
    return folder, Walk(folder / "bag", STEPS)


def test_the_estimator_is_given_the_very_same_states(walk):
    folder, recorded = walk
    bag = Bag(folder)
    seen = list(states(bag, load_robot("go2")))
    joints = [data for topic, data, _ in recorded.sent if topic == "/joint_states"]
    assert len(seen) == len(joints) and all(state.foot_force.size == 4 for state in seen)
    assert [m.data for m in bag.messages(["/joint_states"])] == joints


def test_the_estimate_repeats_itself_bit_for_bit(walk):
    comparisons = replay_estimator(Bag(walk[0]))
    assert {c.name for c in comparisons} == {"position", "quat", "lin_vel", "ang_vel", "contacts"}
    assert all(c.identical and len(c.recorded) == STEPS for c in comparisons)


def test_other_parameters_of_the_estimator_make_a_difference(walk):
    changed = dataclasses.replace(EstimatorParams(), foot_velocity_noise=1.0)
    by_name = {c.name: c for c in replay_estimator(Bag(walk[0]), changed)}
    assert not by_name["lin_vel"].identical and by_name["contacts"].identical
    assert 0.0 < by_name["lin_vel"].worst < 1.0


def test_the_policy_repeats_itself_bit_for_bit(walk):
    targets, mean = replay_executor(Bag(walk[0]))
    assert targets.identical and mean.identical and len(targets.recorded) == STEPS


def test_another_policy_says_what_it_would_have_done(walk, tmp_path):
    base = OnnxPolicy(walk[1].policy)
    layers = [layer._replace(weight=np.float32(0.9) * layer.weight) for layer in linear_layers(base.model)]
    write_policy(tmp_path / "other.onnx", layers, "elu", base.contract)
    (targets,) = replay_executor(Bag(walk[0]), tmp_path / "other.onnx")
    assert targets.missing == 0 and targets.equal == 0 and 0.001 < targets.worst < 3.0


def test_a_replay_leaves_a_plot_and_figures(walk, tmp_path, capsys):
    assert replay_main([str(walk[0]), "--out", str(tmp_path)]) == 0
    assert f"lin_vel: {STEPS} of {STEPS} equal bit for bit" in capsys.readouterr().out
    assert json.loads((tmp_path / "replay-estimator.json").read_text())["quat/equal"] == STEPS
    assert (tmp_path / "replay-estimator.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--feed", "learner"], "tells of no learner"),
        (["--policy", "nowhere.onnx"], "no policy file nowhere.onnx"),
    ],
)
def test_what_cannot_be_replayed_is_a_sentence(walk, capsys, words, message):
    assert replay_main([str(walk[0]), *words]) == 1
    assert message in capsys.readouterr().err


def test_a_record_without_policy_or_odom_says_so(tmp_path):
    write_bag(tmp_path / "bag")
    bag = Bag(tmp_path)
    with pytest.raises(RecordError, match="has no odom"):
        replay_estimator(bag)
    with pytest.raises(RecordError, match="has no policy/step"):
        replay_executor(bag)


def test_a_comparison_counts_rows_and_what_is_missing():
    rows = [(n, np.array([1.0, 2.0]), np.array([1.0, 2.0 + n])) for n in range(3)]
    rows.append((3, np.zeros(2), np.full(2, np.nan)))
    compared = stack("thing", ("a", "b"), rows)
    assert (compared.equal, compared.missing, compared.worst, compared.identical) == (1, 1, 2.0, False)
    assert compared.rms.tolist() == [0.0, pytest.approx(np.sqrt(5 / 3))]
    assert compared.line().startswith("thing: 1 of 4 equal bit for bit, 1 missing; rms")


def test_nothing_to_compare_is_no_error(tmp_path):
    plot([stack("empty", ("a",), [])], tmp_path / "plot.png", "nothing")
    assert (tmp_path / "plot.png").is_file()


@pytest.mark.parametrize(("feed", "awaited"), [("estimator", STEPS), ("executor", STEPS)])
def test_the_player_waits_where_the_record_has_an_answer(walk, feed, awaited):
    bag = Bag(walk[0])
    script = list(Playback(bag, feed).script())
    waits = [step.number for step in script if isinstance(step, Await)]
    assert len(waits) == awaited and waits == sorted(waits)
    newest = -1
    for step in script:
        if isinstance(step, Publish) and step.name == "joint_states":
            newest += 10_000_000
        elif isinstance(step, Await):
            assert step.number <= newest + 1
    assert "joint_commands" not in {step.name for step in script if isinstance(step, Publish)}


def test_answers_are_compared_with_those_of_the_record(walk):
    bag = Bag(walk[0])
    playback = Playback(bag, "executor")
    recorded = {playback.number("policy/targets", m.data): m.data for m in bag.messages(["/policy/targets"])}
    (same,) = playback.compare({"policy/targets": recorded})
    assert same.identical
    (half,) = playback.compare({"policy/targets": dict(list(recorded.items())[:10])})
    assert half.missing == STEPS - 10


def test_launch_arguments_carry_the_recorded_parameters(walk, tmp_path):
    args = check_replay_args({"run": str(walk[0]), "feed": "executor", "out": str(tmp_path)})
    assert args.parameters == {"seed": 3, "lockstep": True, "lockstep_timeout_s": 10.0}
    assert (args.namespace, args.record, args.out) == ("replay", "false", str(tmp_path))
    assert RunSettings(Bag(walk[0])).executor().seed == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Which run"),
        ({"run": "{walk}", "feed": "robot"}, "no feed 'robot'"),
        ({"run": "{walk}", "colour": "red"}, "no argument 'colour'"),
        ({"run": "{walk}", "feed": "executor", "policy": "none.onnx"}, "no policy file"),
    ],
)
def test_mistaken_arguments_are_sentences(walk, values, message):
    values = {name: value.replace("{walk}", str(walk[0])) for name, value in values.items()}
    with pytest.raises(ConfigError, match=message):
        check_replay_args(values)
