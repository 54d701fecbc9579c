"""The off-policy learner on the simulated robot, all parts joined in one process, in lockstep."""

import numpy as np

from ros2_rl.learning.config import load_learner
from ros2_rl.learning.finetune import REPLAY, FineTuning
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.sim.loop import Robot, run
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task

TASK = load_task("trot")
BASE = OnnxPolicy(TASK.policy_path)
SMALL = {
    "critic_hidden": (32, 32),
    "actor_hidden": (32,),
    "batch": 64,
    "start_steps": 200,
    "critic_warmup": 50,
    "bound_opens_steps": 0,
}


class Watched(Robot):
    """Remembers what was done under which limit, and lowers the limit to nothing after a while."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.changes: list[tuple[int, float, float]] = []
        self.quiet_base: list[float] = []

    def step(self):
        limit = self.runtime.reach.limit_deg
        record, labels = super().step()
        change = np.degrees(0.25 * np.abs(record.action - BASE(record.obs[None])))
        if record.version <= 1 and not record.std.any():
            self.quiet_base.append(float(change.max()))
        self.changes.append((record.version, limit, float(change.max())))
        if len(self.changes) == 1900:
            self.supervisor.limit_residual(2.0)
        if len(self.changes) == 2000:
            self.supervisor.limit_residual(0.0)
        return record, labels


def tuning(robot: Robot, learner: str = "offpolicy", minutes: float = 0.3, **changes) -> FineTuning:
    session = SessionConfig(minutes=minutes, episodes=1, look_episodes=1, measure_pretrained=False)
    config = load_learner(learner, **SMALL, **changes)
    return FineTuning(session, config, TASK, robot.robot, TASK.policy_path, TASK.critic_path, 11)


def test_a_session_learns_within_the_bound_and_the_supervisor_has_the_last_word(tmp_path):
    robot = Watched(TASK, TASK.policy_path, 11, load_gap("default"))
    tuned, reports = tuning(robot), []
    assert run(robot, tuned, reports.append) == "budget"
    updates = [report.values for report in reports if report.kind == "update"]
    assert updates[-1]["gradient_steps"] > 0 and not updates[-1]["dropped_updates"]
    assert len(robot.quiet_base) > 500 and max(robot.quiet_base) == 0.0
    acted = [(limit, degrees) for version, limit, degrees in robot.changes if version > 1]
    assert {limit for limit, _ in acted} == {12.0, 2.0, 0.0}
    assert max(degrees for limit, degrees in acted if limit == 12.0) > 2.0
    assert all(degrees <= min(limit, 8.6) + 1e-4 for limit, degrees in acted)
    tuned.export(tmp_path)
    again = tuning(robot)
    assert again.mix_in(tmp_path) == len(tuned.learner.replay) > 500
    assert (tmp_path / REPLAY).is_file() and (tmp_path / "policy.onnx").is_file()


def test_a_session_begins_in_a_replica_of_the_very_robot():
    robot = Robot(TASK, TASK.policy_path, 11, load_gap("default"))
    tuned, reports = tuning(robot, "offpolicy_replica", 0.9, replica_robots=2, replica_updates=3), []
    assert run(robot, tuned, reports.append) == "budget"
    learner = tuned.learner
    fitted = learner.rehearsal.replica.fitted
    assert fitted["strength_RR"] < 0.7 < min(fitted[f"strength_{leg}"] for leg in ("FL", "FR", "RL"))
    assert fitted["delay_ms"] > 13.0 and fitted["payload_kg"] > 1.0
    updates = [report.values for report in reports if report.kind == "update"]
    assert updates[-1]["replica_updates"] == 3 and updates[-1]["gradient_steps"] > 0
    assert updates[0]["gradient_steps"] == 0 and updates[-1]["correction_deg"] > 0.0
