"""The session: phases in order, looks, the end, and what is counted."""

from collections import deque

import numpy as np
import pytest

from ros2_rl.learning.evaluation import Evaluation
from ros2_rl.learning.events import Announce, Finish, Label, Learn, Report, Restore
from ros2_rl.learning.phase import EVALUATE, TRAIN, Phase
from ros2_rl.learning.session import Session
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.schedule import PunctualPhases
from ros2_rl.policy.step import StepRecord, pack, unpack
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task

ROBOT, TASK = load_robot("go2"), load_task("trot")
STEP_NS = 20_000_000


def record(step: int, speed: float = 0.0, version: int = 0) -> StepRecord:
    """A robot that stands well and moves at ``speed`` under a command of 0.5 m/s."""
    zeros = np.zeros(12, np.float32)
    return StepRecord(
        step * STEP_NS, step, version, np.zeros(47, np.float32), zeros, zeros, zeros + 0.2,
        np.array((0.5, 0, 0), np.float32), np.zeros(2, np.float32), np.array((speed, 0, 0), np.float32),
        np.array((0.28,), np.float32), np.ones(4, np.float32), np.zeros(3, np.float32),
        np.array((0, 0, -1), np.float32), ROBOT.default_pose.astype(np.float32), zeros, zeros,
    )  # fmt: skip


class Rig:
    """Feeds a session; the robot walks at ``speed(session)``."""

    def __init__(self, speed, task=TASK, **config):
        self.collected = []
        settings = {"minutes": 1.0, "window_steps": 128, "lag_steps": 10, "episodes": 2, "look_episodes": 1}
        self.session = Session(
            SessionConfig(**(settings | config)), task, ROBOT, 3, lambda *a: self.collected.append(a)
        )
        self.speed, self.step, self.events = speed, 0, []
        self.session.on_label(Label(0, "policy", 0))
        self.take(self.session.begin())

    def take(self, events):
        self.events += events
        for event in events:
            if isinstance(event, Learn | Restore):
                self.version = getattr(self, "version", 0) + 1
                self.session.on_version(self.version)

    def run(self, steps: int = 20_000):
        for _ in range(steps):
            self.take(self.session.on_step(record(self.step, self.speed(self.session))))
            self.step += 1
            if any(isinstance(e, Finish) for e in self.events):
                return self
        raise AssertionError("the session did not end")

    def phases(self):
        return [e.phase for e in self.events if isinstance(e, Announce)]

    def kinds(self):
        return [e.kind for e in self.events if isinstance(e, Report)]


def gap_hurts(session):
    """Walks well without the gap; with it, badly until the third update."""
    if session.phase is None or not session.phase.gap:
        return 0.5
    return 0.5 if session.counters.updates >= 3 else 0.2


def test_order_of_a_session_that_reaches_its_goal():
    rig = Rig(gap_hurts, look_every_min=0.1, look_pause_min=0.05).run()
    kinds = [k for k in rig.kinds() if k != "progress"]
    assert kinds[:2] == ["pretrained", "zero_shot"]
    assert kinds[-2:] == ["look", "final"]
    assert rig.events[-1] == Finish("goal")
    assert rig.session.fraction(rig.session.returns["final"]) == pytest.approx(1.0, abs=1e-6)


def test_budget_ends_a_session_that_does_not_learn():
    rig = Rig(lambda s: 0.5 if not s.phase.gap else 0.2, minutes=0.5).run()
    assert rig.events[-1] == Finish("budget")
    assert rig.session.robot_minutes >= 0.5
    assert rig.session.fraction(rig.session.returns["final"]) == pytest.approx(0.0, abs=1e-6)


def test_short_windows_are_reported_together_and_evaluations_may_be_learned_from():
    rig = Rig(lambda s: 0.5 if not s.phase.gap else 0.2, minutes=1.5, collect_evaluations=True).run()
    assert rig.kinds().count("progress") == sum(isinstance(e, Learn) for e in rig.events) // 12 > 0
    evaluated = [p for p in rig.phases() if p.name == EVALUATE and p.gap]
    steps = {now.step for now, *_ in rig.collected}
    assert all({p.start_step, p.end_step - 1} <= steps for p in evaluated)
    assert rig.phases()[0].start_step not in steps  # without the gap


def test_before_and_after_ask_for_the_same_commands_and_looks_for_others():
    rig = Rig(gap_hurts, look_every_min=0.1, look_pause_min=0.05).run()
    evaluations = [p for p in rig.phases() if p.name == EVALUATE]
    seeds = [p.seed for p in evaluations]
    assert seeds[0] == seeds[1] == seeds[-1]
    assert seeds[0] not in seeds[2:-1]
    assert [p.gap for p in evaluations] == [False] + [True] * (len(seeds) - 1)
    assert not any(p.noise for p in evaluations)


def test_phases_are_announced_ahead_and_adapters_are_promised():
    rig = Rig(gap_hurts, look_every_min=0.1, look_pause_min=0.05)
    while not any(isinstance(e, Learn) for e in rig.events):
        rig.take(rig.session.on_step(record(rig.step, rig.speed(rig.session))))
        rig.step += 1
    training = next(p for p in rig.phases() if p.name == TRAIN)
    learn = next(e for e in rig.events if isinstance(e, Learn))
    assert training.adapter_at_step == learn.activate_at_step
    assert learn.activate_at_step > rig.step
    assert all(p.start_step >= 50 for p in rig.phases())


def test_a_worse_adapter_is_taken_back_before_the_final_evaluation():
    def worse(session):
        if session.phase is None or not session.phase.gap:
            return 0.5
        return 0.1 if session.counters.updates >= 2 else 0.3

    rig = Rig(worse, minutes=0.6, look_every_min=0.1, look_pause_min=0.0).run()
    restores = [e for e in rig.events if isinstance(e, Restore)]
    assert [r.version for r in restores] == [0]
    final = rig.phases()[-2]
    assert restores[0].activate_at_step < final.start_step


def fades(session):
    """Good at first, worse from the third update on."""
    if session.phase is None or not session.phase.gap:
        return 0.5
    return {0: 0.2, 1: 0.35, 2: 0.35}.get(session.counters.updates, 0.25)


@pytest.mark.parametrize("gate", [True, False])
def test_the_gate_goes_back_to_the_last_good_adapter_and_trains_on(gate):
    config = {"minutes": 1.2, "look_every_min": 0.05, "look_pause_min": 0.0, "look_at": 0.2}
    rig = Rig(fades, promotion_gate=gate, **config).run()
    restores = [e for e in rig.events if isinstance(e, Restore)]
    looks = [e.values for e in rig.events if isinstance(e, Report) and e.kind == "look"]
    best = max(looks, key=lambda v: v["return"])["version"]
    assert best > 0 and {r.version for r in restores} == {best}
    assert rig.session.counters.rollbacks == len(restores) - 1
    assert (rig.session.counters.rollbacks > 0) == gate
    for restore in restores[:-1]:
        later = next(p for p in rig.phases() if p.start_step > restore.activate_at_step)
        assert later.name == TRAIN


def test_the_gate_forgives_what_is_within_its_margin():
    config = {"minutes": 1.2, "look_every_min": 0.05, "look_pause_min": 0.0, "look_at": 0.2}
    rig = Rig(fades, promotion_gate=True, gate_margin=0.9, **config).run()
    assert rig.session.counters.rollbacks == 0


@pytest.mark.parametrize("gate", [True, False])
def test_of_looks_that_pass_the_gate_the_last_counts_and_not_the_luckiest(gate):
    def lucky_once(session):
        if session.phase is None or not session.phase.gap:
            return 0.5
        return {0: 0.2, 1: 0.42}.get(session.counters.updates, 0.4)

    config = {"minutes": 0.6, "look_every_min": 0.05, "look_pause_min": 0.0, "look_at": 0.2}
    rig = Rig(lucky_once, promotion_gate=gate, gate_margin=0.1, **config).run()
    looks = [e.values for e in rig.events if isinstance(e, Report) and e.kind == "look"]
    versions = [look["version"] for look in looks]
    assert looks[0]["return"] == max(look["return"] for look in looks) and versions[-1] != versions[0]
    assert rig.events[-1] == Finish("budget") and rig.session.counters.rollbacks == 0
    (restored,) = (e.version for e in rig.events if isinstance(e, Restore))
    assert restored == (versions[-1] if gate else versions[0])


def test_the_last_adapter_promises_nothing():
    """In lockstep the executor would wait for an adapter that never comes."""
    rig = Rig(gap_hurts, look_every_min=0.1, look_pause_min=0.05).run()
    last = [e for e in rig.events if isinstance(e, Learn | Restore)][-1]
    assert isinstance(last, Restore)
    assert last.activate_at_step < rig.phases()[-2].start_step


def test_overridden_steps_are_counted_and_labelled_and_earn_nothing():
    rig = Rig(gap_hurts)
    while rig.session.phase.name != TRAIN:
        rig.take(rig.session.on_step(record(rig.step, 0.5)))
        rig.step += 1
    start = rig.session.phase.start_step
    rig.session.on_label(Label((start + 10) * STEP_NS, "recovery", 1))
    rig.session.on_label(Label((start + 20) * STEP_NS, "policy", 1))
    while rig.step < start + 40:
        rig.take(rig.session.on_step(record(rig.step, 0.5)))
        rig.step += 1
    actors = {r.step - start: (label.actor, label.falls) for r, _, _, label in rig.collected}
    assert [s for s, (actor, _) in actors.items() if actor == "recovery"] == list(range(10, 20))
    assert [s for s, (_, fell) in actors.items() if fell] == [9]
    assert rig.session.counters.overridden == 10
    assert rig.session.counters.falls == 1


def test_pause_collects_nothing():
    rig = Rig(gap_hurts)
    rig.session.paused = True
    for _ in range(3000):
        rig.take(rig.session.on_step(record(rig.step, 0.5)))
        rig.step += 1
    assert rig.session.phase.name == TRAIN
    assert not rig.collected


def test_lost_records_are_counted():
    rig = Rig(gap_hurts)
    while rig.session.phase.name != TRAIN or rig.step < rig.session.phase.start_step + 5:
        rig.take(rig.session.on_step(record(rig.step, 0.5)))
        rig.step += 1
    rig.step += 7
    for _ in range(20):
        rig.take(rig.session.on_step(record(rig.step, 0.5)))
        rig.step += 1
    assert rig.session.counters.lost == 7


def test_evaluation_by_hand():
    phase = Phase(EVALUATE, 100 * STEP_NS, episode_s=0.1, episodes=2)  # two episodes of 5 steps
    evaluation = Evaluation(phase)
    for step in range(95, 115):
        evaluation.add(step, 1.0, by_policy=step != 107, fell=step == 102)
    # Episode 0: steps 100, 101 count, it falls in 102. Episode 1: five steps but the overridden one.
    assert evaluation.returns.tolist() == [2.0, 4.0]
    assert (evaluation.falls, evaluation.overridden, evaluation.steps) == (1, 1, 10)


def test_phase_survives_the_message():
    phase = Phase(TRAIN, 123_000_000_000, 7, False, True, 8.5, 3, 99)
    assert Phase.from_values(phase.name, phase.to_values()) == phase
    with pytest.raises(ValueError, match="seed"):
        Phase.from_values("train", {"start_ns": "0"})


def test_every_phase_of_a_jump_session_starts_with_a_cycle():
    rig = Rig(gap_hurts, task=load_task("jump"), look_every_min=0.2).run()
    starts = [phase.start_step for phase in rig.phases() if phase.name != "idle"]
    assert len(starts) >= 5  # two evaluations, training, a look, the end
    assert [(start + 1) % 80 for start in starts] == [0] * len(starts)
    # The adapter that is promised after a look comes with the end of the first window.
    train = [phase for phase in rig.phases() if phase.name == TRAIN]
    promised = [event.next_at_step for event in rig.events if isinstance(event, Learn)]
    assert {phase.adapter_at_step for phase in train[1:]} <= set(promised)


class Starved:
    """A learner that hears the robot's steps late, and whom the robot hears at once."""

    def __init__(self, rig: Rig, behind: int):
        self.rig, self.behind = rig, behind
        self.followed, self.way = PunctualPhases(), deque()
        self.phases: list[Phase] = []
        self.step = 0
        self.hear(rig.events)

    def hear(self, events) -> None:
        """What the robot's side does with what the session asks for."""
        for event in events:
            if isinstance(event, Announce):
                self.phases.append(event.phase)
                self.followed.announce(event.phase.start_ns, self.step * STEP_NS)

    def walk(self, steps: int, catches_up: int = 0) -> None:
        """So many control steps; the learner hears one for each, and some more until it has caught up."""
        for _ in range(steps):
            made = record(self.step, self.speed())
            made.phase_ns = self.followed.at(made.stamp_ns)
            self.way.append(made)
            self.step += 1
            for _ in range(1 + catches_up):
                if len(self.way) > self.behind:
                    events = self.rig.session.on_step(self.way.popleft())
                    self.rig.take(events)
                    self.hear(events)
            self.behind = max(self.behind - catches_up, 0)

    def speed(self) -> float:
        """0.5 m/s as commanded, under the gap 0.2; the gap is the phase's that holds."""
        now = [p for p in self.phases if p.start_step <= self.step]
        return 0.2 if now and now[-1].gap else 0.5


def measured(behind: int, catches_up: int = 0) -> Rig:
    """A session up to the end of its second evaluation."""
    world = Starved(Rig(None, episodes=1), behind)
    world.walk(behind)
    while "zero_shot" not in world.rig.session.returns:
        assert world.step < 20_000
        world.walk(50, catches_up)
    return world.rig


@pytest.fixture(scope="module")
def prompt() -> dict[str, float]:
    """The returns that a learner finds that keeps up."""
    rig = measured(0)
    assert not any(e.why_again for e in rig.events if isinstance(e, Announce))
    return dict(rig.session.returns)


@pytest.mark.parametrize("behind", [1000, 1400])
def test_an_evaluation_that_was_announced_too_late_is_made_again(behind, prompt):
    rig = measured(behind, catches_up=1)
    again = [e for e in rig.events if isinstance(e, Announce) and e.why_again]
    assert again and all("too late" in e.why_again for e in again)
    assert rig.session.returns == pytest.approx(prompt, rel=1e-6)


def test_a_learner_that_stays_behind_asks_for_the_same_with_more_time_from_one_to_the_next(prompt):
    rig = measured(1200)
    evaluations = [e.phase for e in rig.events if isinstance(e, Announce)][1:-1]
    assert {(p.name, p.seed, p.gap, p.episodes) for p in evaluations} == {(EVALUATE, 0, True, 1)}
    assert (np.diff([p.start_step for p in evaluations], 2) > 0).all() and len(evaluations) > 2
    assert rig.session.returns == pytest.approx(prompt, rel=1e-6)


def test_steps_of_training_from_before_it_was_heard_of_are_not_learned_from():
    rig = Rig(None, episodes=1, minutes=5.0)
    world = Starved(rig, 0)
    while rig.session.phase.name != TRAIN:
        world.walk(1)
    world.followed = PunctualPhases()  # it has not heard it
    start = rig.session.phase.start_step
    world.walk(start + 50 - world.step)
    assert not rig.collected
    world.followed.announce(rig.session.phase.start_ns, world.step * STEP_NS)
    world.walk(100)
    assert rig.collected[0][0].step == start + 50 + 25


def test_a_look_that_is_made_again_moves_the_promise_of_the_next_adapter():
    rig = Rig(None, episodes=1, minutes=5.0, look_every_min=0.1)
    world = Starved(rig, 0)
    while not any(isinstance(e, Learn) and e.next_at_step > rig.session.phase.start_step for e in rig.events):
        world.walk(1)
    while rig.session.phase.name != EVALUATE:
        world.walk(1)
    world.followed = PunctualPhases()
    while not rig.events[-1:] or not getattr(rig.events[-1], "why_again", ""):
        world.walk(1)
    again = rig.events[-1].phase
    assert again.adapter_at_step > again.end_step
    while rig.session.phase.name != TRAIN:
        world.walk(1)
    assert rig.session.phase.adapter_at_step == again.adapter_at_step


def test_an_evaluation_of_which_too_much_is_missing_is_made_again():
    rig = Rig(lambda s: 0.5, episodes=1)
    end = rig.session.phase.end_step
    for step in (*range(end - 350), *range(end - 200, end + 20)):
        rig.take(rig.session.on_step(record(step, 0.5)))
    assert "30 % of its steps are missing" in rig.events[-1].why_again
    assert rig.session.returns == {}


def test_a_step_says_its_phase_and_an_old_record_does_not():
    for phase_ns in (0, 10**18 + 7, -1):
        made = record(5)
        made.phase_ns = phase_ns
        assert unpack(*pack(made)).phase_ns == phase_ns


def test_only_looks_are_under_shoves():
    rig = Rig(gap_hurts, look_every_min=0.1, look_pause_min=0.05, look_shove_m_s=0.4).run()
    asked = [(phase.episodes, phase.shove_m_s) for phase in rig.phases() if phase.name == EVALUATE]
    assert asked[:2] == [(2, 0.0)] * 2 and asked[-1] == (2, 0.0)
    assert set(asked[2:-1]) == {(1, 0.4)}
