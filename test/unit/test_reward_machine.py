"""The phases of a jump by hand: transitions, dead reckoning, rewards of each state, gaps in the stream."""

from dataclasses import replace

import numpy as np
import pytest
from test_tasks import data

from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task
from ros2_rl.tasks.clock import Clock, ContactPlan
from ros2_rl.tasks.quantities import Guard
from ros2_rl.tasks.reward_machine import MachineSpec, RewardMachine

JUMP = load_task("jump")
CLOCK = Clock(0.02, 1.6, 0.03, ContactPlan(1.0, 0.44, 0.68))
ASKED = np.array([[0.25, 0.0, 0.1]])
DOWN, UP = np.ones((1, 4)), np.zeros((1, 4))


def outcome(step: int, contacts: np.ndarray = DOWN, **changes):
    command = changes.pop("command", ASKED)
    return data(command=command, clock=CLOCK.at(np.array([step + 1]), command), contacts=contacts, **changes)


def phases(contacts_at) -> list[str]:
    """Names of the phases of one cycle, given the contacts (1, 4) after each step."""
    machine = RewardMachine(JUMP.machine, CLOCK, 1)
    names = []
    for step in range(80):
        machine.advance(outcome(step, contacts_at(step)), np.array([step]))
        names.append(machine.names[machine.state[0]])
    return names


def test_a_jump_goes_through_its_phases_in_order():
    names = phases(lambda step: UP if 22 <= step < 34 else DOWN)
    assert list(dict.fromkeys(names)) == ["crouch", "launch", "flight", "landing", "stand"]
    assert names.index("launch") == 14  # the outcome of step 14 is that of 0.3 s
    assert names.index("flight") == 22
    assert names.index("landing") == 34
    assert names.index("stand") == 49  # 1.0 s


def test_a_robot_that_stays_on_the_ground_has_missed_the_jump():
    assert list(dict.fromkeys(phases(lambda step: DOWN))) == ["crouch", "launch", "missed"]


def test_a_foot_that_comes_down_at_once_was_no_flight():
    names = phases(lambda step: UP if step in (22, 23, 24, 27, 28, 29, 30, 31, 32, 33) else DOWN)
    assert [names[step] for step in (24, 25, 27, 34)] == ["flight", "launch", "flight", "landing"]


def test_without_a_command_it_stands():
    machine = RewardMachine(JUMP.machine, CLOCK, 1)
    for step in range(80):
        machine.advance(outcome(step, command=np.zeros((1, 3))), np.array([step]))
        assert machine.names[machine.state[0]] == "stand"


def test_robots_of_a_batch_do_not_meet():
    machine = RewardMachine(JUMP.machine, CLOCK, 2)
    steps = np.array([30, 0])  # the second begins its cycle
    for k in range(45):
        both = [outcome(int(step), UP if 22 <= step < 34 else DOWN) for step in steps + k]
        fields = ("command", "clock", "lin_vel", "ang_vel", "gravity", "contacts")
        joined = {name: np.concatenate([getattr(d, name) for d in both]) for name in fields}
        machine.advance(replace(both[0], **joined), steps + k)
    # The first saw only the end of a cycle: what it missed is never made up.
    assert [machine.names[i] for i in machine.state] == ["stand", "landing"]
    machine.reset(np.array([1]))
    assert machine.names[machine.state[1]] == "stand"
    assert machine.moved[1].tolist() == [0.0, 0.0, 0.0]


def test_the_way_is_measured_level_and_from_the_start_of_the_cycle():
    machine = RewardMachine(JUMP.machine, CLOCK, 1)
    pitch = np.radians(30.0)  # nose up: forward speed of the base is partly upward
    tilted = {
        "gravity": np.array([[np.sin(pitch), 0.0, -np.cos(pitch)]]) * [[-1.0, 1.0, 1.0]],
        "lin_vel": np.array([[np.cos(pitch), 0.0, -np.sin(pitch)]]),
    }
    for step in range(25):
        level = outcome(step, **tilted)
        machine.advance(level, np.array([step]))
    np.testing.assert_allclose(machine.moved[0], (0.5, 0.0, 0.0), atol=1e-9)  # 1 m/s for 0.5 s
    turn = {"ang_vel": np.array([[0.0, 0.0, np.pi]])}
    for step in range(25, 50):
        machine.advance(outcome(step, **turn), np.array([step]))
    ahead = {"lin_vel": np.array([[1.0, 0.0, 0.0]])}
    last = outcome(50, **ahead)
    machine.advance(last, np.array([50]))
    np.testing.assert_allclose(last.moved[0], (0.5, 0.02, np.pi / 2), atol=1e-9)
    np.testing.assert_allclose(last.mark[0], (0.4, 0.0, 0.16))
    machine.advance(outcome(80), np.array([80]))
    np.testing.assert_allclose(machine.moved[0], 0.0, atol=1e-12)


def test_each_state_rewards_its_own_terms():
    text = {
        "a": {"rewards": {"airborne": 2.0}, "next": {"b": "feet >= 4 and in_state >= 0.04 s"}},
        "b": {"rewards": {"still": 3.0}},
    }
    task = JUMP.model_copy(update={"machine": MachineSpec(states=text), "rewards": {"still": 1.0}})
    scorer = task.scorer()
    flying = {"clock": np.array([[0.0, -1.0, 0.0]])}
    rewards = [
        scorer.score(replace(outcome(step, contacts), **flying), np.array([step]))[0][0]
        for step, contacts in enumerate((UP, UP, DOWN, UP))
    ]
    np.testing.assert_allclose(rewards, np.array((3.0, 3.0, 4.0, 4.0)) * 0.02)


def record(step: int, **changes) -> StepRecord:
    robot = load_robot("go2")
    values = {
        "stamp_ns": step * 20_000_000, "step": step, "version": 0, "obs": np.zeros(48), "command": ASKED[0],
        "clock": CLOCK.at(step, ASKED[0]), "lin_vel": np.array([0.25, 0.0, 0.0]), "height": np.array([0.28]),
        "contacts": np.ones(4), "ang_vel": np.zeros(3), "gravity": np.array([0.0, 0.0, -1.0]),
        "q": robot.default_pose, "dq": np.zeros(12), "tau": np.zeros(12),
        "action": np.zeros(12), "mean": np.zeros(12), "std": np.zeros(12),
    }  # fmt: skip
    return StepRecord(**(values | changes))


def test_a_stream_with_a_hole_begins_anew():
    scorer, robot = JUMP.scorer(), load_robot("go2")
    for step in range(20):
        scorer.outcome(robot, record(step), record(step + 1))
    assert scorer.machine.moved[0, 0] == pytest.approx(20 * 0.02 * 0.25)
    scorer.outcome(robot, record(30), record(31))
    assert scorer.machine.names[scorer.machine.state[0]] == "stand"
    assert scorer.machine.moved[0, 0] == pytest.approx(0.02 * 0.25)


def test_a_reward_that_is_not_finite_counts_nothing_and_is_forgotten():
    scorer, robot = JUMP.scorer(), load_robot("go2")
    broken = record(1, lin_vel=np.array([np.nan, 0.0, 0.0]))
    assert scorer.outcome(robot, record(0), broken) == 0.0
    assert np.isfinite(scorer.machine.moved).all()
    assert scorer.outcome(robot, record(1), record(2)) > 0.0


@pytest.mark.parametrize(
    ("text", "feet", "time", "holds"),
    [
        ("feet < 1", 0, 0.0, True),
        ("feet < 1 and time >= 0.5 s", 0, 0.4, False),
        ("time > 0.4 s and feet <= 2", 2, 0.5, True),
    ],
)
def test_guards(text, feet, time, holds):
    signals = {
        "feet": np.array([feet]),
        "time": np.array([time]),
        "in_state": np.zeros(1),
        "asked": np.ones(1),
    }
    assert Guard.parse(text).holds(signals).tolist() == [holds]
