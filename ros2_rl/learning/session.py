"""A fine-tuning session: what is measured when, and when it ends.

Evaluate without the gap, evaluate with it, train, look in between, evaluate the result. The
session is fed with the stream of control steps and says what to announce, which batch to learn
from and what to report; it knows no clock but the stamps, so that the ROS node and the
in-process loop run the same session.
"""

import enum
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ros2_rl.learning.evaluation import Evaluation
from ros2_rl.learning.events import Announce, Event, Finish, Label, Learn, Report, Restore
from ros2_rl.learning.outcomes import Counters, Outcome, Outcomes
from ros2_rl.learning.phase import EVALUATE, IDLE, LEAD_STEPS, TRAIN, Phase
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.step import UNKNOWN, StepRecord
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks import Task
from ros2_rl.tasks.clock import STEP_NS, STEPS_PER_MINUTE

EXAM_SEED = 0
"""Seed of the commands of the evaluations before and after."""
_MISSING = 0.2
"""An evaluation of which a larger share of the steps is missing says nothing."""
_LONGEST_LEAD = 8 * LEAD_STEPS
_REPORT_STEPS = 1536
"""Control steps that a line of progress is about, where windows are shorter."""


class Kind(enum.Enum):
    """What an evaluation is for."""

    PRETRAINED = "pretrained"
    ZERO_SHOT = "zero_shot"
    LOOK = "look"
    FINAL = "final"


class Session:
    """See the module. Feed :meth:`on_label` and :meth:`on_step`; carry out what they return."""

    def __init__(
        self,
        config: SessionConfig,
        task: Task,
        robot: RobotDescription,
        seed: int,
        collect: Callable[[StepRecord, StepRecord, float, Label], None],
    ):
        """``collect(record, after, reward, label)`` is called for each step of training."""
        self.config, self.task, self.robot, self.seed = config, task, robot, seed
        self.counters = Counters()
        self.returns: dict[str, float] = {}
        self.curve: list[dict[str, float]] = []
        self.phase: Phase | None = None
        self.paused = False
        self._collect, self._outcomes = collect, Outcomes(task, robot)
        self._kind = Kind.PRETRAINED
        self._evaluation: Evaluation | None = None
        self._lead = LEAD_STEPS
        self._looks = 0
        self._version = 0
        self._best = (-np.inf, 0)
        self._train_start = 0
        self._first_train_step = 0
        self._last_look = 0.0
        self._window = 0
        self._window_return: list[float] = []
        self._recent: deque[float] = deque(maxlen=max(round(_REPORT_STEPS / config.window_steps), 1))
        """Returns of the newest windows, as many as a report is about."""
        self._finishing = ""

    # ------------------------------------------------------------------ input

    def begin(self, from_ns: int = 0) -> list[Event]:
        """The first phase, ``start_s`` after the stamp ``from_ns``."""
        start = (from_ns + round(self.config.start_s * 1e9)) // STEP_NS
        if self.returns:  # resumed: what the robot does with and without the gap is known
            self._first_train_step = start
            return self._train(start)
        self._kind = Kind.PRETRAINED if self.config.measure_pretrained else Kind.ZERO_SHOT
        return self._evaluate(self._kind, start)

    def on_label(self, label: Label) -> None:
        """The supervisor said who acts from ``label.stamp_ns`` on."""
        self._outcomes.on_label(label)

    def on_version(self, version: int) -> None:
        """An adapter of this version was published."""
        self._version = version

    def on_step(self, record: StepRecord) -> list[Event]:
        """A control step came in; what is to be done now."""
        return [event for outcome in self._outcomes.on_step(record) for event in self._outcome(outcome)]

    def state(self) -> dict[str, Any]:
        """What a resumed session must know, as plain values for a checkpoint."""
        return {
            "seed": self.seed,
            "returns": dict(self.returns),
            "counters": self.counters.state(),
            "curve": list(self.curve),
            "looks": self._looks,
            "version": self._version,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken; :meth:`begin` then starts with training."""
        self.returns = dict(state["returns"])
        self.counters = Counters(**state["counters"])
        self.curve = list(state["curve"])
        self._looks, self._version = state["looks"], state["version"]
        self._best = (self.returns.get("zero_shot", -np.inf), 0)
        self._last_look = self.robot_minutes

    def stop(self) -> list[Event]:
        """End the session with a final evaluation as soon as possible."""
        self._finishing = self._finishing or "stopped"
        return []

    # ---------------------------------------------------------------- outcome

    def _outcome(self, outcome: Outcome) -> list[Event]:
        record, phase = outcome.record, self.phase
        if self._first_train_step and record.step >= self._first_train_step:
            self.counters.count(outcome)
        if phase is None or record.step < phase.start_step:
            return []
        followed = record.phase_ns in (phase.start_ns, UNKNOWN)
        if phase.name == TRAIN:
            return self._trained(outcome, followed)
        if phase.name != EVALUATE or self._evaluation is None:
            return []
        if not followed:
            return self._measure_again("it was announced too late")
        self._evaluation.add(record.step, outcome.reward, outcome.label.actor == "policy", outcome.fell)
        if self.config.collect_evaluations and self._kind is not Kind.PRETRAINED and not self.paused:
            self._collect(record, outcome.after, outcome.reward, outcome.learned)
        return self._evaluated(record.step) if record.step >= phase.end_step - 1 else []

    # --------------------------------------------------------------- training

    def _trained(self, outcome: Outcome, followed: bool) -> list[Event]:
        """A step of training; one from before the phase was heard of is not learned from."""
        if followed and not self.paused:
            self._collect(outcome.record, outcome.after, outcome.reward, outcome.learned)
            if not outcome.driven:
                self._window_return.append(outcome.reward if outcome.label.actor == "policy" else 0.0)
        end = self._train_start + (self._window + 1) * self.config.window_steps
        return self._window_done(end) if outcome.record.step >= end - 1 else []

    def _window_done(self, end: int) -> list[Event]:
        """A window is full: learn from it, and decide how to go on."""
        self._window += 1
        scale = self.task.episode / self.task.step_dt
        self._recent.append(float(np.mean(self._window_return or [0.0])) * scale)
        train_return = float(np.mean(self._recent))
        self._window_return.clear()
        events: list[Event] = []
        if self._window % (self._recent.maxlen or 1) == 0:
            events.append(self._progress(train_return))
        self.counters.updates += 1
        activate = end + self.config.lag_steps
        next_at = activate + self.config.window_steps
        if self._finishing:
            return events + self._final(end)
        if self._wants_look(train_return):
            start = self.task.clock.next_start(activate + LEAD_STEPS)
            events.append(Learn(activate, self._due_after_look(start), self._window))
            return events + self._evaluate(Kind.LOOK, start)
        return [*events, Learn(activate, next_at, self._window)]

    @property
    def task_episode_steps(self) -> int:
        return round(self.task.episode / self.task.step_dt)

    @property
    def driven_s(self) -> float:
        """How long a person has been driving without a break, s of robot time; 0 when nobody is."""
        newest = self._outcomes.newest
        return self.counters.driven_s(newest.stamp_ns) if newest else 0.0

    @property
    def good_version(self) -> int:
        """Version to go back to: with a gate the last that passed, else that of the best look; 0: base."""
        return self._best[1]

    @property
    def robot_minutes(self) -> float:
        """Robot time since training began, looks included, min."""
        return self.counters.robot_minutes

    def _wants_look(self, train_return: float) -> bool:
        since = self.robot_minutes - self._last_look
        look_min = self.config.look_episodes * self.task_episode_steps / STEPS_PER_MINUTE
        if self.robot_minutes + look_min >= self.config.minutes or since >= self.config.look_every_min:
            return True
        return since >= self.config.look_pause_min and self.fraction(train_return) >= self.config.look_at

    def fraction(self, value: float) -> float:
        """Recovered fraction of a return; 0 where the pre-trained return is not known."""
        low, high = self.returns.get("zero_shot", 0.0), self.returns.get("pretrained", 0.0)
        return (value - low) / (high - low) if high > low else 0.0

    def _progress(self, train_return: float) -> Report:
        counters = self.counters
        values = {
            "robot_minutes": self.robot_minutes,
            "iteration": self.counters.updates,
            "train_return": train_return,
            "falls": counters.falls,
            "override_share": counters.override_share,
            "intervention_share": counters.intervention_share,
            "version": self._version,
        }
        self.curve.append(values)
        return Report("progress", values)

    # ------------------------------------------------------------- evaluation

    def _evaluate(self, kind: Kind, start_step: int) -> list[Event]:
        self._kind, start_step = kind, self.task.clock.next_start(start_step)
        if kind is Kind.LOOK:
            self._looks += 1
            seed, episodes = 1000 * (self.seed + 1) + self._looks, self.config.look_episodes
        else:
            # Before and after every run is asked for the same commands; looks never see them.
            seed, episodes = EXAM_SEED, self.config.episodes
        self.phase = Phase(
            EVALUATE,
            start_step * STEP_NS,
            seed,
            kind is not Kind.PRETRAINED,
            False,
            self.task.episode,
            episodes,
            shove_m_s=self.config.look_shove_m_s if kind is Kind.LOOK else 0.0,
        )
        self._evaluation, self._lead = Evaluation(self.phase), LEAD_STEPS
        return [Announce(self.phase)]

    def _measure_again(self, why: str) -> list[Event]:
        """The same evaluation once more: whoever hears this late gets more time from one to the next."""
        assert self.phase is not None
        self._lead = min(2 * self._lead, _LONGEST_LEAD)
        newest = self._outcomes.newest
        assert newest is not None
        start = self.task.clock.next_start(newest.step + self._lead)
        due = 0
        if self._kind is Kind.LOOK:  # the next adapter was promised for a step at which there is none now
            due = self._due_after_look(start)
        self.phase = replace(self.phase, start_ns=start * STEP_NS, adapter_at_step=due)
        self._evaluation = Evaluation(self.phase)
        return [Announce(self.phase, why)]

    def _due_after_look(self, start: int) -> int:
        """Control step at which the adapter after a look is due that starts at ``start``."""
        look_steps = self.config.look_episodes * self.task_episode_steps
        resume = self.task.clock.next_start(start + look_steps + LEAD_STEPS)
        return resume + self.config.window_steps + self.config.lag_steps

    def _evaluated(self, step: int) -> list[Event]:
        """An evaluation is complete."""
        evaluation, kind = self._evaluation, self._kind
        assert evaluation is not None
        if evaluation.missing_share > _MISSING:
            return self._measure_again(f"{100 * evaluation.missing_share:.0f} % of its steps are missing")
        self._evaluation = None
        value = evaluation.mean_return
        report = Report(
            kind.value,
            {
                "return": value,
                "falls": evaluation.falls,
                "override_share": evaluation.overridden / max(evaluation.steps, 1),
                "robot_minutes": self.robot_minutes,
                "version": self._version,
            },
        )
        next_start = self.task.clock.next_start(step + 1 + LEAD_STEPS)
        if kind is not Kind.LOOK:
            self.returns[kind.value] = value
        report.values["fraction"] = self.fraction(value)
        if kind is Kind.PRETRAINED:
            return [report, *self._evaluate(Kind.ZERO_SHOT, next_start)]
        if kind is Kind.ZERO_SHOT:
            self._best = (value, 0)
            self._first_train_step = next_start
            return [report, *self._train(next_start)]
        if kind is Kind.LOOK:
            return [report, *self._looked(value, next_start)]
        self.phase = Phase(IDLE, (step + 1) * STEP_NS)
        return [report, Announce(self.phase), Finish(self._finishing)]

    def _looked(self, value: float, next_start: int) -> list[Event]:
        self._last_look = self.robot_minutes
        best, kept = self._best
        good = value >= (1.0 - self.config.gate_margin) * best
        # What passes the gate has practised longer; the best of short looks is often only the luckiest.
        newest = value > best or (self.config.promotion_gate and good and kept > 0)
        self._best = (max(value, best), self._version if newest else kept)
        if self.fraction(value) >= self.config.goal:
            self._finishing = "goal"
        elif self.robot_minutes >= self.config.minutes:
            self._finishing = "budget"
        if self._finishing:
            return self._final(next_start - LEAD_STEPS)
        if good or not self.config.promotion_gate:
            return self._train(next_start)
        self.counters.rollbacks += 1
        restore = Restore(self.good_version, next_start - LEAD_STEPS + self.config.lag_steps)
        return [restore, *self._train(restore.activate_at_step + LEAD_STEPS)]

    def _final(self, step: int) -> list[Event]:
        """Final evaluation of the last good adapter (the newest if there was no look).

        When no look was better than the base, the base it is: version 0. It is sent anew in any
        case, for the newest adapter has promised a next one, which will not come.
        """
        version = self.good_version if self._looks else self._version
        activate = step + self.config.lag_steps
        return [Restore(version, activate), *self._evaluate(Kind.FINAL, activate + LEAD_STEPS)]

    def _train(self, start_step: int) -> list[Event]:
        start_step = self.task.clock.next_start(start_step)
        self._train_start, self._window = start_step, 0
        self._window_return.clear()
        self._recent.clear()
        due = start_step + self.config.window_steps + self.config.lag_steps
        self.phase = Phase(
            TRAIN, start_step * STEP_NS, self.seed + start_step, True, True, self.task.episode, 0, due
        )
        return [Announce(self.phase)]
