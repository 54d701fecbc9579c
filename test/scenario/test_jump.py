"""The jump with its shipped policy, all parts joined in one process."""

import numpy as np
import pytest

from ros2_rl.learning.config import load_learner
from ros2_rl.learning.finetune import FineTuning
from ros2_rl.learning.phase import EVALUATE, TRAIN, Phase
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.robots import tilt
from ros2_rl.safety.modes import Mode
from ros2_rl.sim.loop import Robot, run
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task
from ros2_rl.tasks.clock import STEP_NS

TASK = load_task("jump")
CYCLE = TASK.clock.cycle_steps
START = TASK.clock.next_start(250)


def robot(gap: str = "none", phase: str = EVALUATE) -> Robot:
    machine = Robot(TASK, TASK.policy_path, 3, load_gap(gap))
    machine.announce(Phase(phase, START * STEP_NS, 5, True, False, TASK.episode, 2))
    for _ in range(START + 1):
        machine.step()
    return machine


def test_jumps_leave_the_ground_and_land():
    machine, scorer = robot(), TASK.scorer()
    record, _ = machine.step()
    assert record.step % CYCLE == 0
    for _ in range(5):
        airborne, phases = 0, []
        assert np.linalg.norm(record.command) > TASK.stand_below
        start = machine.plant.truth().position
        for _ in range(CYCLE):
            after, _ = machine.step()
            assert scorer.outcome(machine.robot, record, after) >= 0.0
            phases.append(scorer.machine.names[scorer.machine.state[0]])
            airborne += not machine.plant.truth().contacts.any()
            record = after
        end = machine.plant.truth()
        assert airborne * 0.02 >= 0.15
        assert tilt(end.quat) < np.radians(10) and end.position[2] > 0.2
        assert np.linalg.norm(end.lin_vel) < 0.3
        assert end.position[0] - start[0] > 0.05
        # What the phases are read from is estimated, and close to the truth.
        assert list(dict.fromkeys(phases)) == ["crouch", "launch", "flight", "landing", "stand"]
        moved = np.linalg.norm(end.position[:2] - start[:2])
        assert np.linalg.norm(scorer.machine.moved[0, :2]) == pytest.approx(moved, abs=0.1)
    assert machine.supervisor.mode is Mode.POLICY
    assert machine.supervisor.snapshot().overrides == 0


def test_a_robot_that_is_not_asked_to_jump_stands():
    machine = Robot(TASK, TASK.policy_path, 3, load_gap("none"))
    for _ in range(START + 3 * CYCLE):
        record, _ = machine.step()
    assert record.clock.tolist() == [0.0, 0.0, 1.0]
    assert machine.plant.truth().position[2] > 0.2
    assert np.linalg.norm(machine.plant.truth().position[:2]) < 0.3


def test_after_a_shove_it_is_recovered_and_jumps_on_with_the_next_cycle():
    machine = robot(phase=TRAIN)
    for _ in range(30):
        machine.step()
    machine.plant.push(np.array([0.0, 3.5, 0.0]))
    modes, commands = [], []
    for _ in range(12 * 50):
        record, _ = machine.step()
        modes.append(machine.supervisor.mode)
        commands.append((record.step, modes[-1], float(np.linalg.norm(record.command))))
    assert Mode.RECOVERY in modes
    assert modes[-1] is Mode.POLICY
    back = len(modes) - modes[::-1].index(Mode.RECOVERY)
    first = next(step for step, _, size in commands[back:] if size > 0.0)
    assert first % CYCLE == 0


def test_a_session_of_jumps_runs_to_its_end():
    machine = Robot(TASK, TASK.policy_path, 5, load_gap("default"))
    config = SessionConfig(minutes=0.2, episodes=2, look_episodes=1)
    learner = load_learner("slowrl", window_steps=256, min_batch_steps=64, critic_warmup_updates=0)
    tuning = FineTuning(config, learner, TASK, machine.robot, TASK.policy_path, TASK.critic_path, 5)
    assert run(machine, tuning, lambda report: None) == "budget"
    returns = tuning.session.returns
    assert returns["zero_shot"] < 0.8 * returns["pretrained"]
    assert returns["final"] > 0.0
