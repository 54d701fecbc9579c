"""What an arm's session does episode by episode: trials before, practice with help, trials after.

Before anything is learned the policy is tried, so that it is known where it began; then it practises for
so many robot minutes, resets included; then it is tried again on tables that it has not seen. In a trial
nothing is explored and nothing is learned; one in which somebody helped does not count as a success.
"""

from collections import deque
from dataclasses import dataclass, field

from ros2_rl.manipulation.arm_policy import Kind
from ros2_rl.manipulation.episode import Transition
from ros2_rl.manipulation.upload import EpisodeEnd
from ros2_rl.robots import NS_PER_S

WINDOW = 20
"""Episodes over which practice is summed up."""
PATIENCE_S = 120.0
"""Robot time after which a person who still drives is reminded, and learning waits, s."""


@dataclass(frozen=True, slots=True)
class PracticeConfig:
    """How long, and how it is judged."""

    minutes: float = 60.0
    """Robot time of practice, resets included, min."""
    trials_before: int = 10
    trials_after: int = 100


@dataclass(frozen=True, slots=True)
class Told:
    """A line of progress (``kind`` = ``progress``), or what trials gave (``zero_shot``, ``final``)."""

    kind: str
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Episode:
    kind: Kind
    success: bool
    steps: int
    helped: int
    """Steps in which a person acted."""


@dataclass
class Practice:
    """One session; fed with what the executor tells, in order."""

    config: PracticeConfig
    over: bool = False
    lost: int = 0
    """Transitions that did not arrive."""
    driven_s: float = 0.0
    """How long a person has been driving without giving back, robot time, s."""
    robot_minutes: float = 0.0
    """Of practice so far."""
    results: dict[str, dict[str, float]] = field(default_factory=dict)
    """What trials gave, by ``zero_shot`` and ``final``."""
    curve: list[dict[str, float]] = field(default_factory=list)
    """A point for each episode of practice."""
    _stage: int = 0
    _trials: list[_Episode] = field(default_factory=list)
    _recent: deque[_Episode] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _steps: list[Transition] = field(default_factory=list)
    _began_ns: int | None = None
    """Stamp of the first step, or of the end of the trials before practice."""
    _drives_from_ns: int | None = None

    def __post_init__(self) -> None:
        self._stage = 0 if self.config.trials_before else 1

    @property
    def kind(self) -> Kind:
        """Of the episode that comes or is under way."""
        return "practice" if self._stage == 1 else "trial"

    @property
    def waits(self) -> str:
        """Why nothing is learned just now; empty while it is."""
        if self.driven_s <= PATIENCE_S:
            return ""
        return f"a person has been driving for {self.driven_s:.0f} s; learning waits until they give back"

    def on_transition(self, transition: Transition) -> None:
        """One action and what came of it; after the session it is nobody's."""
        if self.over:
            return
        if self._began_ns is None:
            self._began_ns = transition.stamp_ns
        self._steps.append(transition)
        if transition.label != "human":
            self._drives_from_ns = None
        elif self._drives_from_ns is None:
            self._drives_from_ns = transition.stamp_ns
        since = self._drives_from_ns
        self.driven_s = 0.0 if since is None else (transition.stamp_ns - since) / NS_PER_S

    def on_end(self, end: EpisodeEnd) -> tuple[list[Transition], list[Told]]:
        """The episode is over: what there is to learn from, and what there is to tell.

        The arm goes on until everybody has heard that the session is over, and that changes nothing any more.
        """
        if self.over:
            return [], []
        steps = [t for t in self._steps if t.episode == end.number]
        self._steps = []
        self.lost += max(end.steps - len(steps), 0)
        helped = sum(t.label == "human" for t in steps)
        episode = _Episode(self.kind, end.outcome == "success", len(steps), helped)
        if episode.kind == "trial":
            return [], self._tried(episode, end.stamp_ns)
        return steps, self._practised(episode, end)

    # ---- one episode

    def _tried(self, episode: _Episode, stamp_ns: int) -> list[Told]:
        self._trials.append(episode)
        wanted = self.config.trials_after if self._stage else self.config.trials_before
        if len(self._trials) < wanted:
            return []
        name = "final" if self._stage else "zero_shot"
        self.results[name] = values = self._result()
        self._trials, self._began_ns = [], stamp_ns
        self._next()
        return [Told(name, values)]

    def _practised(self, episode: _Episode, end: EpisodeEnd) -> list[Told]:
        began_ns = end.stamp_ns if self._began_ns is None else self._began_ns
        self.robot_minutes = (end.stamp_ns - began_ns) / (60 * NS_PER_S)
        self._recent.append(episode)
        values = {"episode": float(end.number), "robot_minutes": self.robot_minutes, **self._recently()}
        self.curve.append(values)
        if self.robot_minutes >= self.config.minutes:
            self._next()
        return [Told("progress", values)]

    def _next(self) -> None:
        self._stage += 1
        if self._stage == 2 and not self.config.trials_after:
            self._stage = 3
        self.over = self._stage == 3

    # ---- figures

    def _recently(self) -> dict[str, float]:
        recent, steps = self._recent, max(sum(e.steps for e in self._recent), 1)
        count = len(recent)
        return {
            "success": sum(e.success for e in recent) / count,
            "alone": sum(e.success and not e.helped for e in recent) / count,
            "intervention_rate": sum(e.helped for e in recent) / steps,
            "steps": steps / count,
        }

    def _result(self) -> dict[str, float]:
        trials = self._trials
        good = [e for e in trials if e.success and not e.helped]
        return {
            "trials": float(len(trials)),
            "success": len(good) / len(trials),
            "steps": sum(e.steps for e in good) / len(good) if good else 0.0,
            "robot_minutes": self.robot_minutes,
        }

    def minutes_to(self, alone: float) -> float | None:
        """Robot minutes until so many of the last WINDOW episodes succeeded without help; None: never."""
        whole = self.curve[WINDOW - 1 :]
        return next((point["robot_minutes"] for point in whole if point["alone"] >= alone), None)
