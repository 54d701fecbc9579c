"""The exam: what it asks, how the adversary searches, when a policy has passed, what is left behind."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.errors import ConfigError, ContractError
from ros2_rl.evaluate_args import check_evaluate_args
from ros2_rl.evaluation import exam as exam_module
from ros2_rl.evaluation.adversary import Adversary
from ros2_rl.evaluation.candidate import Result, Setting, examine
from ros2_rl.evaluation.exam import ADVERSARY, GAPS, GRID, PUSHES, load_exam, trials
from ros2_rl.evaluation.sheet import leave_behind, print_table
from ros2_rl.evaluation.sitting import find_policy
from ros2_rl.evaluation.verdict import checks
from ros2_rl.sim.film import shoot
from ros2_rl.sim.perturbations import Perturbations, load_gap
from ros2_rl.sim.trial import Outcome, Push, Trial, carry_out
from ros2_rl.tasks import load_task

TASK = load_task("trot")
NAN = float("nan")


def outcome(section: str, lost_at_s: float = NAN, fell: bool = False, error: float = 0.1) -> Outcome:
    return Outcome(section, "x", lost_at_s, fell, error, 0.2, 100.0)


def result(*outcomes: Outcome, margin: float = 1.0) -> Result:
    push = (Push(1.0, 0.0, 1.5),)
    done = [(Trial(o.section, o.name, (0.5, 0.0, 0.0), Perturbations(), pushes=push), o) for o in outcomes]
    return Result(Path("p.onnx"), done, margin)


def test_an_exam_asks_for_grid_shoves_and_other_robots():
    exam = load_exam("standard")
    asked = list(trials(exam, TASK, load_gap("default"), 3))
    count = {section: sum(t.section == section for t in asked) for section in (GRID, PUSHES, GAPS)}
    assert count == {GRID: 4 * 3 + 2, PUSHES: 2 * 8, GAPS: 4 * 3}
    assert len({(t.section, t.name) for t in asked}) == len(asked)
    low, high = np.array(list(TASK.command_ranges.values())).T
    assert all(np.all(low <= t.command) and np.all(t.command <= high) for t in asked)
    robots = {t.name.split()[0]: t.gap for t in asked if t.section == GAPS}
    assert robots == {name: load_gap(name) for name in exam.gaps}
    assert all(t.gap == load_gap("default") for t in asked if t.section != GAPS)
    assert Setting(exam, TASK, load_gap("none")).count == len(asked) + exam.adversary_trials


def test_a_single_place_on_the_grid_is_straight_ahead():
    asked = [t for t in trials(load_exam("quick"), TASK, Perturbations(), 0) if t.section == GRID]
    assert [t.command for t in asked] == [(-0.3, 0.0, 0.0), (1.0, 0.0, 0.0)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("seconds: 0.1\n", "'seconds'"),
        ("colour: red\n", "'colour'"),
        ("- a list\n", "not a YAML mapping"),
    ],
)
def test_a_wrong_exam_file_is_one_sentence(tmp_path, monkeypatch, change, words):
    folder = tmp_path / "config" / "exams"
    folder.mkdir(parents=True)
    good = exam_module.share_path("config", "exams", "quick.yaml").read_text()
    (folder / "mine.yaml").write_text(change if change.startswith("-") else good + change)
    monkeypatch.setattr(exam_module, "share_path", lambda *parts: tmp_path.joinpath(*parts))
    with pytest.raises(ConfigError, match=r"mine\.yaml.*") as error:
        load_exam("mine")
    assert words in str(error.value)


def test_an_exam_that_is_not_there_names_those_that_are():
    with pytest.raises(ConfigError, match="available: quick, standard"):
        load_exam("nowhere")


@given(st.integers(0, 1000), st.floats(0.2, 1.9))
def test_the_adversary_only_goes_down_and_finds_about_what_fells(seed, threshold):
    pusher, felled = Adversary(2.0, (1.0, 1.5), seed), []
    for push in pusher.tries(40):
        lost = push.speed > threshold and math.cos(push.heading) > -0.5  # from behind it holds out
        pusher.saw(push, lost)
        felled += [push.speed] if lost else []
        assert 1.0 <= push.at_s <= 1.5
    assert felled == sorted(felled, reverse=True) and pusher.margin_m_s == min(felled, default=2.0)
    assert threshold < pusher.margin_m_s <= max(threshold / 0.85, 0.2) / 0.85


def test_two_adversaries_of_one_seed_try_the_same():
    first, second = (Adversary(2.0, (1.0, 1.5), 7) for _ in range(2))
    for a, b in zip(first.tries(10), second.tries(10), strict=True):
        assert a == b
        first.saw(a, a.heading > 0)
        second.saw(b, b.heading > 0)


def test_a_shove_that_never_fells_is_the_first_strength():
    pusher = Adversary(2.0, (1.0, 1.5))
    assert {push.speed for push in pusher.tries(5)} == {2.0} and pusher.margin_m_s == 2.0


def test_figures_leave_out_what_was_not_measured():
    found = result(
        outcome(GRID, error=0.2), outcome(GRID, 1.0, True, NAN), outcome(GAPS, error=0.3)
    ).figures()
    assert found["grid/lost"] == 1 and found["grid/error_v"] == 0.2 and found["falls"] == 1
    assert found["gaps/error_v"] == 0.3 and found["pushes/trials"] == 0


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"grid/lost": 1.0}, False),
        ({"grid/error_v": 0.104}, True),
        ({"grid/error_v": 0.106}, False),
        ({"grid/error_v": NAN}, False),
        ({"grid/energy_per_m": 116.0}, False),
        ({"gaps/error_v": 0.12}, True),
        ({"pushes/lost": 1.0}, False),
        ({"falls": 1.0}, False),
        ({"adversary/weakest_m_s": 0.9}, True),
        ({"adversary/weakest_m_s": 0.8}, False),
    ],
)
def test_a_policy_passes_within_the_limits_of_its_base(change, passes):
    base = result(outcome(GRID), outcome(PUSHES), outcome(GAPS)).figures()
    verdict = checks(base | change, base, load_exam("standard").limits)
    assert all(check.passed for check in verdict) is passes


def test_where_the_base_has_no_figure_nothing_fails():
    base = result(outcome(GRID, 0.0, True, NAN)).figures()
    verdict = checks(base, base, load_exam("standard").limits)
    assert all(check.passed for check in verdict)


def test_the_worst_trial_was_lost_without_the_adversary():
    slow, soon = outcome(PUSHES, 3.0), outcome(PUSHES, 1.0)
    found = result(outcome(GRID, error=9.0), slow, soon, outcome(ADVERSARY, 0.1, True))
    assert found.worst[1] is soon
    assert result(outcome(GRID, error=0.1), outcome(GRID, error=0.5)).worst[1].error_v == 0.5


def test_what_is_left_behind_is_plain_json_with_null_for_nan(tmp_path, capsys):
    mine, base = result(outcome(GRID), outcome(ADVERSARY, 1.0)), result(outcome(GRID, 1.0, True, NAN))
    verdict = checks(mine.figures(), base.figures(), load_exam("quick").limits)
    leave_behind(tmp_path, {"policy": mine, "base": base}, verdict, "no film was asked for")
    data = json.loads((tmp_path / "exam.json").read_text())
    assert data["passed"] is True and data["base"]["figures"]["grid/error_v"] is None
    assert data["policy"]["trials"][0]["lost_at_s"] is None and data["video"] == "no film was asked for"
    assert (tmp_path / "exam.png").stat().st_size > 5000
    print_table({"policy": mine, "base": base}, verdict)
    assert "pass  falls" in capsys.readouterr().out


def test_a_trial_repeats_itself_and_a_shove_is_felt():
    calm = Trial(GRID, "calm", (0.5, 0.0, 0.0), Perturbations(), seconds=0.8, settle_s=0.2)
    poses: list[np.ndarray] = []
    first = carry_out(calm, TASK, TASK.policy_path, film=lambda pose: poses.append(pose.copy()))
    assert repr(carry_out(calm, TASK, TASK.policy_path)) == repr(first)  # nan is not equal to itself
    assert not first.lost and len(poses) == 40 and 10.0 < first.energy_per_m < 1000.0
    shoved = carry_out(dataclasses.replace(calm, pushes=(Push(0.3, 0.0, 4.0),)), TASK, TASK.policy_path)
    assert shoved.lost and shoved.lost_at_s >= 0.3 and shoved.reason


def test_an_exam_that_is_stopped_ends_at_once():
    setting = Setting(load_exam("quick"), TASK, Perturbations())
    assert examine(TASK.policy_path, setting, stop=lambda: True).done == []


def test_a_run_means_its_merged_policy(tmp_path):
    with pytest.raises(ConfigError, match="or the folder of a run"):
        find_policy(str(tmp_path))
    (tmp_path / "policy.onnx").touch()
    assert find_policy(str(tmp_path)) == tmp_path / "policy.onnx"


@pytest.mark.parametrize(
    ("given_", "error", "words"),
    [
        ({"exam": "hard"}, ConfigError, "no exam 'hard'"),
        ({"policy": "/nowhere"}, ConfigError, "no policy file"),
        ({"colour": "red"}, ConfigError, "no argument 'colour'"),
        ({"video": "perhaps"}, ConfigError, "video"),
        ({"task": "jump", "policy": str(TASK.policy_path)}, ContractError, "jump"),
    ],
)
def test_wrong_arguments_are_one_sentence(given_, error, words):
    with pytest.raises(error, match=words):
        check_evaluate_args(given_)


def test_without_a_renderer_there_is_a_reason_and_no_film(tmp_path, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    said = shoot(np.zeros((2, 19)), 25, tmp_path / "film.mp4")
    assert said.startswith("no film: nothing renders") and "libosmesa6" in said
    assert list(tmp_path.iterdir()) == []
