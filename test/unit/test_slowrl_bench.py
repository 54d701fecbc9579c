"""The arithmetic of bench/slowrl.py, its resumable runs, and the robot that it uses."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from ros2_rl.learning.phase import EVALUATE, TRAIN, Phase
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.mlp import linear_layers
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.safety.modes import Mode
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.tasks import load_task

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from slowrl import path_of  # noqa: E402
from slowrl_methods import GROUPS, METHODS  # noqa: E402
from slowrl_robot import BenchRobot  # noqa: E402
from slowrl_run import Method, Place, same_run, write  # noqa: E402
from slowrl_stats import apart, interval, iqm, minutes_to, summarise, table  # noqa: E402

TASK = load_task("trot")


def robot(**settings) -> BenchRobot:
    """A nominal robot that trots on the spot."""
    found = BenchRobot(TASK, TASK.policy_path, 1, Perturbations(), **settings)
    for _ in range(200):
        found.step()
    return found


def run(fractions: list[float], seed: int = 1, **extra) -> dict:
    """A stored run whose exams recovered these fractions, three minutes apart."""
    exams = [
        {"robot_minutes": 3.0 * i, "mean_return": 20.0 + 10.0 * f, "action_rate": 0.5 - 0.01 * i}
        for i, f in enumerate(fractions)
    ]
    place = {"task": "trot", "gap": "laden", "seed": seed}
    return {
        "place": place, "exams": exams, "pretrained": {"mean_return": 30.0}, "wall_seconds": 1.0, **extra
    }  # fmt: skip


def test_interquartile_mean_and_interval_are_those_of_rliable():
    scores = np.array(
        [[0.62, 0.568], [0.675, 0.742], [0.814, 0.711], [0.645, 0.622],
         [0.775, 0.863], [0.727, 0.577], [0.604, 0.86], [0.72, 0.527]]
    )  # fmt: skip
    # rliable 1.2.0: aggregate_iqm, get_interval_estimates with 20,000 resamples and three seeds.
    assert iqm(list(scores.T)) == pytest.approx(0.68275)
    assert interval(list(scores.T)) == pytest.approx((0.627, 0.749), abs=2e-3)


def test_a_fraction_counts_when_it_holds():
    assert minutes_to(run([0.0, 0.4, 0.8, 0.9]), 0.6) == pytest.approx(4.5)
    assert minutes_to(run([0.0, 0.7, 0.3, 0.7, 0.8]), 0.6) == pytest.approx(6.0 + 3.0 * 0.75)
    assert minutes_to(run([0.0, 0.7, 0.5, 0.5]), 0.6) == float("inf")


def test_what_was_never_reached_is_no_number():
    runs = [
        run([0.0, 0.7, 0.7], 1),
        run([0.0, 0.7, 0.7], 2),
        run([0.0, 0.1, 0.2], 3),
        run([0.0, 0.1, 0.3], 4),
    ]
    row = summarise(runs)
    assert row["minutes_to_0.6_reached"] == 2 and row["minutes_to_0.6"] == float("inf")
    assert row["minutes_to_0.6_interval"][0] == pytest.approx(3.0 * 6 / 7)
    lines = table({"ours": row})
    assert "–, 2/4" in lines[2] and lines[2].count("|") == lines[0].count("|")


def test_no_claim_where_intervals_overlap():
    low = summarise([run([0.0, 0.30 + 0.01 * i], i) for i in range(4)])
    high = summarise([run([0.0, 0.70 + 0.01 * i], i) for i in range(4)])
    wide = summarise([run([0.0, 0.2 + 0.2 * i], i) for i in range(4)])
    assert apart(low, high, "final") and not apart(low, wide, "final")


def test_a_run_is_made_again_only_when_its_settings_changed(tmp_path):
    method, place = Method("slowrl", {"rank": 2}), Place("trot", "laden", 1, 45.0)
    config = method.config().model_dump(mode="json")
    write(tmp_path / "a" / "run.json", {"config": config, "method": vars(method), "place": vars(place)})
    found = json.loads((tmp_path / "a" / "run.json").read_text())
    assert same_run(found, method, place)
    assert not same_run(found, Method("slowrl", {"rank": 2}, recovery=False), place)
    assert not same_run(found, method, Place("trot", "laden", 1, 75.0))
    found["config"]["clip"] = 0.3
    assert not same_run(found, method, place)


def test_a_setting_that_came_after_a_run_counts_as_its_default():
    method, place = Method("slowrl", {"rank": 2}), Place("trot", "laden", 1, 45.0)
    config = method.config().model_dump(mode="json")
    found = json.loads(json.dumps({"config": config, "method": vars(method), "place": vars(place)}))
    clip, rank = found["config"].pop("clip"), found["config"]["rank"]
    assert clip == type(method.config())().clip and same_run(found, method, place)
    found["config"]["clip"] = clip
    del found["config"]["rank"]
    assert rank != type(method.config())().rank and not same_run(found, method, place)


def test_every_row_has_valid_settings_and_a_file_of_its_own():
    place = Place("trot", "laden", 1, 45.0)
    assert len({path_of(Path("x"), name, place) for name in METHODS}) == len(METHODS)
    assert all(name in METHODS for names in GROUPS.values() for name in names)
    for method in METHODS.values():
        assert not method.learner or method.config()


@pytest.mark.parametrize("recovery", [True, False])
def test_a_robot_that_nobody_catches_is_put_on_its_feet(recovery):

    machine = robot(recovery=recovery)
    machine.plant.push(np.array((0.0, 6.0, 0.0)))
    for _ in range(500):
        machine.step()
        if machine.supervisor.mode is Mode.RECOVERY and recovery:
            break
    if recovery:
        assert machine.supervisor.mode is Mode.RECOVERY and machine.helped == 0
        return
    assert machine.helped == 1 and machine.supervisor.snapshot().falls == 1
    assert machine.supervisor.mode is Mode.POLICY and not machine.plant.fallen


def test_a_robot_that_was_damped_is_helped_and_walks_on():

    machine = robot()
    machine.supervisor.request("damp")
    for _ in range(300):
        machine.step()
    assert machine.helped == 1 and machine.supervisor.mode is Mode.POLICY


def test_late_adapters_act_late_in_training_and_at_once_in_an_exam():

    machine = BenchRobot(TASK, TASK.policy_path, 1, Perturbations(), updates_late=2)
    base = machine.runtime.base
    machine.announce(Phase(TRAIN, 0))
    acting = []
    for version in range(1, 7):
        machine.runtime.submit(_adapter(base, version).to_bytes())
        acting.append(machine.step()[0].version)
    assert acting == [1, 1, 1, 2, 3, 4]  # the first is the base with its own noise, not an update
    machine.announce(Phase(EVALUATE, machine.plant.stamp_ns, episodes=1))
    assert machine.step()[0].version == 6
    machine.announce(Phase(TRAIN, machine.plant.stamp_ns))
    assert machine.step()[0].version == 4


def _adapter(base: OnnxPolicy, version: int) -> Adapter:
    obs = np.zeros((1, base.input_width), np.float32)
    layers = {
        layer.name: (np.zeros((1, layer.weight.shape[1])), np.zeros((len(layer.weight), 1)))
        for layer in linear_layers(base.model)
    }
    return Adapter(version, base.sha256, 1, 1.0, layers, np.full(12, -1.5), obs, base(obs)[None])
