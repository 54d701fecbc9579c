"""The session: phases in order, looks, the end, and what is counted."""

import numpy as np
import pytest

from ros2_rl.learning.evaluation import Evaluation
from ros2_rl.learning.events import Announce, Finish, Label, Learn, Report, Restore
from ros2_rl.learning.phase import EVALUATE, TRAIN, Phase
from ros2_rl.learning.session import Session, SessionConfig
from ros2_rl.policy.step import StepRecord
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
