"""An arm's session: trials, practice, help, and what is waited for."""

from pathlib import Path

import numpy as np
import pytest

from ros2_rl.arm_args import check_arm_args, is_arm
from ros2_rl.errors import ConfigError, Ros2RlError
from ros2_rl.learning.arm_tuning import SHOWN, ArmTuning
from ros2_rl.learning.config import load_arm_learner
from ros2_rl.manipulation.demos import DemoWriter
from ros2_rl.manipulation.episode import Transition
from ros2_rl.manipulation.observation import WIDTH
from ros2_rl.manipulation.practice import PATIENCE_S, WINDOW, Practice, PracticeConfig
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.manipulation.upload import EpisodeEnd

TASK = load_arm_task("reach")
SMALL = {
    "actor_hidden": (8,), "critic_hidden": (8, 8), "critics": 2, "batch": 16, "start_steps": 1, "utd": 1.0,
    "clone_steps": 2,
}  # fmt: skip
STEP_NS, ZERO = 100_000_000, np.zeros(WIDTH, np.float32)
ACTION = {"policy": np.zeros(3, np.float32), "human": np.full(3, 0.5, np.float32)}


class Clock:
    """Episodes one after the other, ten actions each."""

    def __init__(self) -> None:
        self.number, self.stamp_ns, self.step_ns = 0, 0, STEP_NS

    def episode(self, listener: Practice | ArmTuning, labels: str = "p", success: bool = True, lose: int = 0):
        """``labels``: p or h for each tenth of the episode, repeated."""
        for index in range(10):
            self.stamp_ns += self.step_ns
            last = success and index == 9
            label = "human" if labels[index % len(labels)] == "h" else "policy"
            if index >= lose:
                listener.on_transition(
                    Transition(
                        self.number, index, self.stamp_ns, ZERO, ACTION[label], label,
                        float(last), ZERO, last, not success and index == 9,
                    )
                )  # fmt: skip
        end = EpisodeEnd(self.number, "success" if success else "time limit", 10, self.stamp_ns)
        self.number += 1
        return listener.on_end(end)


def tuning(demos: Path | None = None, changes: dict | None = None, **session) -> ArmTuning:
    config = PracticeConfig(**{"minutes": 1.0, "trials_before": 0, "trials_after": 1, **session})
    return ArmTuning(config, load_arm_learner("rlpd", **SMALL, **(changes or {})), TASK, demos, seed=1)


def test_trials_practice_trials_and_no_more():
    practice, clock = Practice(PracticeConfig(0.1, 2, 3)), Clock()
    kinds = []
    while not practice.over:
        kinds.append(practice.kind)
        clock.episode(practice)
    assert kinds == 2 * ["trial"] + 6 * ["practice"] + 3 * ["trial"]
    assert practice.results["zero_shot"]["trials"] == 2 and practice.results["final"]["success"] == 1.0
    assert practice.results["final"]["steps"] == 10.0
    assert practice.robot_minutes == pytest.approx(0.1)


def test_what_the_arm_still_does_when_the_session_is_over_changes_nothing():
    practice, clock = Practice(PracticeConfig(0.1, 0, 1)), Clock()
    while not practice.over:
        clock.episode(practice)
    results, curve = dict(practice.results), list(practice.curve)
    for _ in range(3):
        assert clock.episode(practice, success=False) == ([], [])
        assert practice.over and practice.kind == "trial"
    assert (practice.results, practice.curve, practice.lost) == (results, curve, 0)


def actor(found: ArmTuning) -> list[np.ndarray]:
    return [p.numpy().copy() for p in found.learner.sac.actor_parameters().values()]


def same(one: list[np.ndarray], two: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def practised(found: ArmTuning, clock: Clock, count: int, success: bool) -> list[str]:
    """Kinds of what was told in so many episodes."""
    kinds = []
    for _ in range(count):
        kinds += [told.kind for told in clock.episode(found, success=success)]
        found.work(1000)
    return kinds


@pytest.mark.parametrize(("without_help", "moves"), [(0, True), (1, True), (3, False), (5, False)])
def test_corrections_move_a_young_actor_only_if_it_mostly_fails(without_help, moves):
    found, clock = tuning(minutes=100.0), Clock()
    before = actor(found)
    for index in range(5):
        assert same(actor(found), before), "too few episodes to say"
        clock.episode(found, labels="p" if index < without_help else "ph")
        found.work(1000)
    clock.episode(found, labels="ph")
    found.work(1000)
    assert not found.learner.led_by_critics and same(actor(found), before) != moves


def test_an_actor_that_gets_worse_is_taken_back_to_the_best():
    found, clock = tuning(changes={"critic_warmup": 0}, minutes=100.0), Clock()
    practised(found, clock, WINDOW - 1, True)
    best = actor(found)
    assert "restored" not in practised(found, clock, 1 + WINDOW // 5, True)
    assert not same(actor(found), best), "it goes on learning, and is as good"
    assert practised(found, clock, WINDOW // 5, False).count("restored") == 0
    last = actor(found)
    told = [told for told in clock.episode(found, success=False) if told.kind == "restored"]
    assert told and told[0].values["best_alone"] == 1.0 and not same(actor(found), last)
    assert "restored" not in practised(found, clock, WINDOW - 1, False), "a window of its own"


def test_what_did_best_in_practice_is_tried_and_kept():
    found, clock = (
        tuning(changes={"critic_warmup": 0}, minutes=(WINDOW + 2.5) / 60.0, trials_after=2),
        Clock(),
    )
    practised(found, clock, WINDOW - 1, True)
    best = actor(found)
    kinds = practised(found, clock, 4, success=False)
    assert kinds[-1] == "restored" and found.practice.kind == "trial" and same(actor(found), best)
    practised(found, clock, 2, False)
    assert found.practice.over and same(actor(found), best)


def test_what_did_best_is_tried_though_the_last_episode_got_lost():
    found, clock = tuning(changes={"critic_warmup": 0}, minutes=(WINDOW + 2.5) / 60.0), Clock()
    practised(found, clock, WINDOW - 1, True)
    best = actor(found)
    practised(found, clock, 3, success=False)
    assert not same(actor(found), best)
    told = clock.episode(found, success=False, lose=10)
    assert told[-1].kind == "restored" and found.practice.kind == "trial" and same(actor(found), best)


def test_without_the_gate_the_newest_is_kept():
    found, clock = tuning(changes={"promotion_gate": False}, minutes=100.0), Clock()
    practised(found, clock, WINDOW, True)
    assert "restored" not in practised(found, clock, WINDOW, False)


def test_a_trial_with_help_is_no_success():
    practice, clock = Practice(PracticeConfig(0.1, 2, 1)), Clock()
    clock.episode(practice, "pppppppppp")
    _, (told,) = clock.episode(practice, "pppppppphh")
    assert told.kind == "zero_shot" and told.values["success"] == 0.5


def test_the_intervention_rate_is_the_share_of_steps_over_the_last_episodes():
    practice, clock = Practice(PracticeConfig(10.0, 0, 1)), Clock()
    told = [clock.episode(practice, "hhhhhppppp")[1][0] for _ in range(20)]
    assert told[-1].values["intervention_rate"] == 0.5 and told[-1].values["alone"] == 0.0
    told = [clock.episode(practice)[1][0] for _ in range(20)]
    assert told[9].values["intervention_rate"] == 0.25
    assert told[-1].values["intervention_rate"] == 0.0 and told[-1].values["alone"] == 1.0
    assert practice.minutes_to(0.8) == pytest.approx(told[15].values["robot_minutes"])
    assert practice.minutes_to(1.1) is None


def test_steps_that_did_not_arrive_are_counted():
    practice, clock = Practice(PracticeConfig(10.0, 0, 1)), Clock()
    steps, _ = clock.episode(practice, lose=3)
    assert len(steps) == 7 and practice.lost == 3


def test_a_time_limit_is_bootstrapped_and_a_success_is_not():
    found, clock = tuning(), Clock()
    clock.episode(found, success=False)
    clock.episode(found, success=True)
    assert found.learner.online.tensors()["terminal"].tolist() == 19 * [0.0] + [1.0]


def test_nothing_is_learned_from_trials():
    found, clock = tuning(trials_before=1), Clock()
    clock.episode(found)
    assert found.work(100) == (True, None) and len(found.learner.online) == 0
    assert found.policy().kind == "practice" and found.policy().episode == 1


def test_steps_are_kept_while_the_episode_goes_on():
    found = tuning()
    found.on_transition(Transition(0, 0, 0, ZERO, np.ones(3, np.float32), "human", 0.0, ZERO, False, False))
    assert len(found.learner.online) == len(found.learner.shown) == 1


def test_learning_waits_for_a_person_who_never_gives_back():
    found, clock = tuning(minutes=60.0), Clock()
    clock.episode(found, "h")
    done, stats = found.work(100)
    assert done and stats is not None and stats.gradient_steps == 10 and not found.complaint
    clock.step_ns = 20 * STEP_NS
    while not found.complaint:
        assert clock.stamp_ns < 2 * PATIENCE_S * 1e9
        clock.episode(found, "h")
        found.work(100)
    assert "a person has been driving for 1" in found.complaint and "give back" in found.complaint
    before = found.learner.sac.steps
    clock.episode(found, "h")
    assert found.work(100) == (True, None) and found.learner.sac.steps == before
    clock.episode(found, "p")
    assert not found.complaint and found.work(100)[1] is not None


# ---- demonstrations and arguments


def demonstrated(folder: Path, task: str = "reach", **changes) -> Path:
    writer, width = DemoWriter(folder, load_arm_task(task).model_copy(update=changes)), 3
    writer.add(Transition(0, 0, 0, ZERO, np.ones(width), "human", 1.0, ZERO, True, False))
    return folder


def test_a_run_begins_with_demonstrations_and_goes_on_where_it_was(tmp_path: Path):
    found, clock = tuning(demonstrated(tmp_path / "demos")), Clock()
    assert len(found.learner.shown) == 1
    clock.episode(found, "hp")
    found.work(100)
    found.policy()
    found.keep(tmp_path / "run")
    again = tuning()
    assert again.resume(tmp_path / "run") == () and again.version == 1
    assert len(again.learner.online) == 10 and again.learner.updates == 1
    later = tuning(tmp_path / "run")
    assert (tmp_path / "run" / SHOWN).is_file() and len(later.learner.shown) == 6


@pytest.mark.parametrize(
    ("task", "changes", "what"),
    [
        ("peg", {}, "task peg, not reach"),
        ("reach", {"step_dt": 0.2}, "step 0.2, not 0.1"),
        ("reach", {"robot": "crane"}, "robot crane, not arm"),
    ],
)
def test_demonstrations_of_something_else_are_refused_before_anything_starts(
    tmp_path: Path, task: str, changes: dict, what: str
):
    folder = demonstrated(tmp_path / "demos", task, **changes)
    with pytest.raises(Ros2RlError, match=what):
        check_arm_args({"robot": "arm", "task": "reach", "learner": "rlpd", "demos": str(folder)})


def test_the_corrections_of_another_task_are_refused(tmp_path: Path):
    found = tuning()
    Clock().episode(found, "h")
    found.keep(tmp_path)
    with pytest.raises(ConfigError, match="its task is reach, not peg"):
        check_arm_args({"robot": "arm", "task": "peg", "learner": "rlpd", "demos": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("demos", "empty", "no demonstrations in"),
        ("task", "trot", "robot with legs"),
        ("learner", "slowrl", "robot with legs"),
        ("operator", "nobody", "none, person, scripted"),
        ("gap", "laden", "no use for gap"),
        ("resume", "nowhere", "nothing to resume"),
        ("episodes", "0", "from 1 to"),
        ("opperator", "none", "no argument 'opperator'"),
    ],
)
def test_a_mistake_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, what: str
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Ros2RlError, match=what):
        check_arm_args({"robot": "arm", "task": "reach", "learner": "rlpd", name: value})
    assert not list(tmp_path.iterdir())


def test_only_what_has_a_tool_is_an_arm():
    assert is_arm("arm") and not is_arm("go2")


def test_the_main_line_is_valid_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    args = check_arm_args({"robot": "arm", "task": "peg", "learner": "rlpd"})
    assert args.lockstep and args.operator == "none" and not args.demos and not list(tmp_path.iterdir())
