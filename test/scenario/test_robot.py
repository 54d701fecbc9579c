"""The simulated robot with the shipped policies, all parts joined in one process."""

import numpy as np
import pytest

from ros2_rl.learning.config import load_learner
from ros2_rl.learning.events import Label
from ros2_rl.learning.finetune import FineTuning
from ros2_rl.learning.phase import EVALUATE, TRAIN, Phase
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.robots import tilt
from ros2_rl.safety.modes import Mode
from ros2_rl.sim.loop import Robot, run
from ros2_rl.sim.perturbations import Perturbations, load_gap
from ros2_rl.tasks import load_task

TASK = load_task("trot")


def robot(seed: int = 3, gap: str = "none") -> Robot:
    return Robot(TASK, TASK.policy_path, seed, load_gap(gap))


def walk(machine: Robot, seconds: float) -> list:
    """Steps of the robot; their records."""
    return [machine.step()[0] for _ in range(round(50 * seconds))]


def test_trots_as_asked_without_a_gap():
    machine = robot()
    machine.announce(Phase(EVALUATE, 4_000_000_000, 9, False, False, 3.0, 6))
    walk(machine, 4.0)
    errors = []
    for _ in range(6):
        walk(machine, 1.5)
        for _ in range(75):
            record, _ = machine.step()
            errors.append(machine.plant.truth().lin_vel[0] - record.command[0])
    assert np.sqrt(np.mean(np.square(errors))) < 0.10
    assert machine.supervisor.mode is Mode.POLICY
    assert machine.supervisor.snapshot().overrides == 0


def test_stays_inside_the_geofence():
    machine = robot()
    machine.announce(Phase(TRAIN, 4_000_000_000, 1, False, True))
    distances = []
    for _ in range(50 * 60):
        machine.step()
        distances.append(np.linalg.norm(machine.plant.truth().position[:2]))
    assert max(distances) > 1.0, "it did not go anywhere"
    assert max(distances) < 4.0  # the fence at 3 m and the room to turn


@pytest.mark.parametrize(
    ("roll_deg", "gap"), [(90.0, "none"), (-90.0, "none"), (180.0, "none"), (180.0, "default")]
)
def test_gets_up_from_its_side_and_its_back(roll_deg, gap):
    machine = robot(gap=gap)
    machine.plant.set_perturbations(load_gap(gap), 0)
    walk(machine, 4.0)
    half = np.radians(roll_deg) / 2
    qpos = machine.plant.data.qpos.copy()
    qpos[2], qpos[3:7] = 0.35, (np.cos(half), np.sin(half), 0.0, 0.0)
    machine.plant.place(qpos, np.zeros(18))
    walk(machine, 1.0)
    assert machine.supervisor.mode is Mode.RECOVERY
    assert machine.supervisor.snapshot().falls == 1
    for _ in range(50 * 20):
        machine.step()
        if machine.supervisor.mode is Mode.POLICY:
            break
    walk(machine, 1.0)
    assert machine.supervisor.mode is Mode.POLICY
    assert tilt(machine.plant.truth().quat) < np.radians(15)


def session(seed: int) -> tuple[dict, str]:
    """A short run of the whole session; its returns and how it ended."""
    machine = robot(seed, "default")
    config = SessionConfig(minutes=0.2, episodes=2, look_episodes=1)
    learner = load_learner("slowrl", window_steps=256, min_batch_steps=64, critic_warmup_updates=0)
    tuning = FineTuning(config, learner, TASK, machine.robot, TASK.policy_path, TASK.critic_path, seed)
    reason = run(machine, tuning, lambda report: None)
    return tuning.session.returns, reason


def test_a_session_runs_to_its_end_and_repeats_itself_bit_for_bit():
    first, reason = session(5)
    assert reason == "budget"
    assert first["zero_shot"] < 0.8 * first["pretrained"]
    assert session(5) == (first, reason)
    other, _ = session(6)
    assert other["final"] != first["final"]


def test_a_shove_is_handed_to_recovery_and_back():
    machine = robot()
    walk(machine, 4.0)
    rng = np.random.default_rng(0)
    for _ in range(6):
        machine.plant.push(3.0 * np.append(rng.normal(size=2), 0.0))
        walk(machine, 8.0)
    snapshot = machine.supervisor.snapshot()
    assert snapshot.mode is Mode.POLICY
    assert snapshot.overrides >= 1


def test_perturbations_do_not_leak_into_the_nominal_robot():
    machine = robot(gap="default")
    machine.announce(Phase(EVALUATE, 1_000_000_000, 1, gap=True))
    machine.announce(Phase(EVALUATE, 2_000_000_000, 1, gap=False))
    walk(machine, 3.0)
    assert machine.plant.perturbations == Perturbations()


def test_a_person_takes_over_twice_and_no_step_is_unlabelled():
    machine, labels, records = robot(gap="default"), [Label(0, "supervisor", 0)], []
    tuning = FineTuning(
        SessionConfig(minutes=1.0), load_learner("slowrl"), TASK, machine.robot, TASK.policy_path,
        TASK.critic_path, 1,
    )  # fmt: skip
    machine.runtime.submit(tuning.initial().to_bytes())
    machine.announce(Phase(TRAIN, 4_000_000_000, 1, True, True))
    for step in range(50 * 20):
        if step in (300, 700):
            assert machine.supervisor.request("take_over")[0]
        if step in (450, 850):
            assert machine.supervisor.request("give_back")[0]
        if 300 < step < 450:
            machine.steering.put(np.array((0.4, 0.0, 0.2)), machine.plant.stamp_ns)
        record, news = machine.step()
        records.append(record)
        labels += news
    driven = 0
    for record in records:
        (actor,) = [label.actor for label in labels if label.stamp_ns <= record.stamp_ns][-1:]
        assert (actor == "human") == (record.version == 0 and record.step > 200)
        if actor == "human":
            driven += 1
            assert not record.std.any(), "a person's steps are not explored in"
    assert driven == 300
    assert machine.supervisor.snapshot().falls == 0
