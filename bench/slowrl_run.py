"""One run of bench/slowrl.py: one method on one task, gap and seed, in this process."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from slowrl_robot import BenchRobot, Exam, Twin

from ros2_rl.learning.config import LearnerConfig, load_learner
from ros2_rl.learning.events import Report
from ros2_rl.learning.finetune import FineTuning
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.onnx_policy import write_bytes
from ros2_rl.sim.loop import Robot, run
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task

_TWIN = 90_000
"""Added to a run's seed for the twin's sensors."""
_SESSION = {"goal": 10.0, "measure_pretrained": False}
"""A goal that is never reached, so that a run uses its whole budget; the twin does the exams."""
_EPISODES = 8
"""Of the session's own evaluations; at most twice those of an exam."""
_CURVE = ("robot_minutes", "train_return", "falls", "override_share")
_STATS = ("kl", "clipfrac", "explained_variance", "std", "learning_rate", "kl_to_base", "correction_deg")


@dataclass(frozen=True)
class Method:
    """A row of the table."""

    learner: str
    """Name in config/learners; empty: nothing learns."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Settings in which it differs from that file."""
    recovery: bool = True
    """Whether the supervisor catches the robot."""
    updates_late: int = 0
    session: dict[str, Any] = field(default_factory=dict)
    """Settings of the session in which it differs from the default."""

    def config(self) -> LearnerConfig:
        return load_learner(self.learner, **self.changes)


@dataclass(frozen=True)
class Place:
    """Where and how long a method is tried."""

    task: str
    gap: str
    seed: int
    minutes: float
    every_min: float = 4.0
    """Robot minutes from one exam to the next."""
    episodes: int = 6


class Run:
    """See the module."""

    def __init__(self, method: Method, place: Place):
        self.method, self.place = method, place
        self.task, self.gap = load_task(place.task), load_gap(place.gap)
        twin = Robot(self.task, self.task.policy_path, place.seed + _TWIN, self.gap)
        self._twin = Twin(twin, 0, place.episodes)
        self._exams: list[tuple[float, Exam]] = []
        self._curve: list[dict[str, float]] = []

    def __call__(self, verbose: bool = False) -> dict[str, Any]:
        """Carry it out; the content of the run's file."""
        begin = time.monotonic()
        nominal = self._twin.examine(None, gap=False)
        self._exams.append((0.0, self._twin.examine(None)))
        found = self._train(verbose) if self.method.learner else {}
        return {
            "method": asdict(self.method),
            "place": asdict(self.place),
            "pretrained": asdict(nominal),
            "exams": [{"robot_minutes": round(at, 3), **_rounded(asdict(exam))} for at, exam in self._exams],
            "curve": {
                key: [_short(point.get(key, 0.0)) for point in self._curve] for key in (*_CURVE, *_STATS)
            },
            **found,
            "wall_seconds": round(time.monotonic() - begin, 1),
        }

    def _train(self, verbose: bool) -> dict[str, Any]:
        place, method, task = self.place, self.method, self.task
        robot = BenchRobot(
            task, task.policy_path, place.seed, self.gap,
            recovery=method.recovery, updates_late=method.updates_late,
        )  # fmt: skip
        episodes = min(_EPISODES, 2 * place.episodes)
        settings = _SESSION | {"minutes": place.minutes, "episodes": episodes} | method.session
        session = SessionConfig.model_validate(settings)
        config = method.config()
        tuning = FineTuning(
            session, config, task, robot.robot, task.policy_path, task.critic_path, place.seed
        )

        def report(item: Report) -> None:
            self._report(tuning, item, verbose)

        run(robot, tuning, report)
        self._examine(tuning, tuning.session.robot_minutes)
        counters, learner = tuning.session.counters, tuning.learner
        trainable, parameters = learner.sizes()
        return {
            "config": config.model_dump(mode="json"),
            "falls": counters.falls,
            "helped": robot.helped,
            "overridden": counters.overridden,
            "steps": counters.steps,
            "robot_minutes": round(tuning.session.robot_minutes, 2),
            "trainable": trainable,
            "parameters": parameters,
            "dropped_updates": learner.dropped_updates,
        }

    def _report(self, tuning: FineTuning, item: Report, verbose: bool) -> None:
        minutes = tuning.session.robot_minutes
        if item.kind == "progress":
            self._curve.append(dict(item.values))
        elif item.kind == "update":
            if self._curve:
                self._curve[-1] |= item.values
            if minutes >= self._exams[-1][0] + self.place.every_min:
                self._examine(tuning, minutes)
                if verbose:
                    exam = self._exams[-1][1]
                    print(f"{minutes:5.1f} min  {exam.mean_return:6.2f}  {item.values}", flush=True)

    def _examine(self, tuning: FineTuning, minutes: float) -> None:
        """Examine what the learner has now; after the session that is the best that was looked at."""
        adapter = tuning.learner.adapter(tuning.version)
        self._exams.append((minutes, self._twin.examine(adapter)))


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _short(value) if isinstance(value, float) else value for key, value in values.items()}


def same_run(found: dict[str, Any], method: Method, place: Place) -> bool:
    """Whether a stored run is the one that is asked for, learner's settings included.

    A setting that the learner did not have then counts as its default, which is to do without.
    """
    wanted = {"method": asdict(method), "place": asdict(place)}
    if method.learner:
        config = method.config()
        wanted["config"] = config.model_dump(mode="json")
        defaults = type(config).model_construct().model_dump(mode="json")
        found = found | {"config": defaults | found.get("config", {})}
    return all(found.get(key) == json.loads(json.dumps(value)) for key, value in wanted.items())


def write(path: Path, data: dict[str, Any]) -> None:
    """Whole or not at all, so that a run that is cut short is made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, (json.dumps(data) + "\n").encode())
