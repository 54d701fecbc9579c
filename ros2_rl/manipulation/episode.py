"""Episodes of an arm's task, one after the other, with an automatic reset between them.

    LIFT: straight up, out of whatever the tool is in -> MOVE: to where the tool begins -> RUN

While the tool is up the table is laid out anew (in simulation; at a real table somebody else does that, or
nobody). What an action did is known at the next one: a transition has both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ros2_rl.manipulation.observation import Observation, Observer
from ros2_rl.manipulation.poses import ScenePoses
from ros2_rl.manipulation.success import SuccessCheck
from ros2_rl.manipulation.task import ArmTask
from ros2_rl.manipulation.tool_control import ToolControl
from ros2_rl.robots import JointCommand, RobotDescription, RobotState

_LIFT_M, _NEAR_M = 0.16, 0.004
"""Height at which the tool is clear of everything, and how near a place counts as reached."""
_LAYOUT_NS = 600_000_000
"""The table is laid out so long after the tool is clear of it, and may be trusted as long after that."""
_PATIENCE_NS = 15_000_000_000
"""The way to where an episode begins takes three seconds."""


class Stage(StrEnum):
    LIFT = "lift"
    MOVE = "move"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Note:
    """What the others hear of an episode."""

    stage: Stage
    number: int
    stamp_ns: int
    outcome: str = ""
    """How the episode before ended: success, time limit, failure; empty before the first."""
    layout_ns: int = 0
    """Stamp from which the table of this episode lies; 0: it does already."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One action and what came of it."""

    episode: int
    index: int
    """Number of the action in its episode."""
    stamp_ns: int
    """Of the observation before the action."""
    obs: np.ndarray
    """(21,), float32."""
    action: np.ndarray
    """What was executed, (A,), -1 to 1, whoever asked for it."""
    label: str
    """Whose action it was: policy or human."""
    reward: float
    """1 for the action with which the task was done, else 0."""
    next_obs: np.ndarray
    terminal: bool
    """Done, or judged a failure; nothing follows."""
    truncated: bool
    """The time limit; what would have followed has a value."""


Act = Callable[[Observation], tuple[np.ndarray, str]]
"""An action (A,) for an observation, and whose it is."""


class Episodes:
    """Runs the episodes of one arm; :meth:`tick` once a control step.

    Args:
        robot, task: whose and what.
        low, high: the supervisor's box for the tool, (3,), m.
        seed: of where the tool begins.
        dt: control step, s.
    """

    def __init__(
        self, robot: RobotDescription, task: ArmTask, low: np.ndarray, high: np.ndarray, seed: int, dt: float
    ):
        self._task, self._seed, self._dt_ns = task, seed, round(dt * 1e9)
        self._every_ns = round(task.step_dt * 1e9)
        self.control = ToolControl(robot, task, low, high, dt)
        self._observer, self._check = Observer(robot), SuccessCheck(task)
        self.number, self.stage = 0, Stage.LIFT
        self.notes: list[Note] = []
        """What is to be announced; whoever announces it empties the list."""
        self.transitions: list[Transition] = []
        """Likewise, for the learner."""
        self.may_run = True
        """Whether the next episode may begin; while not, the arm waits at its start."""
        self._outcome, self._judged, self._begun, self._held = "", "", False, True
        self._trusted_ns, self._entered_ns, self._over = 0, 0, False
        self._pending: tuple[Observation, np.ndarray, str] | None = None

    def judge(self, outcome: str) -> str:
        """A person says that the running episode is a ``success`` or a ``failure``, and so it ends.

        Returns a sentence about what comes of it.
        """
        if self.stage is not Stage.RUN:
            return "No episode is running, so there is nothing to judge."
        self._judged = outcome
        return f"Episode {self.number} ends as a {outcome}."

    def trouble(self, stamp_ns: int) -> str:
        """A sentence if the arm has been on its way to its start for too long; else empty."""
        on_its_way = self._begun and self.may_run and self.stage is not Stage.RUN
        if not on_its_way or stamp_ns - self._entered_ns < _PATIENCE_NS:
            return ""
        return f"does not get on from {self.stage} to episode {self.number}; is something in the arm's way?"

    def tick(self, state: RobotState, scene: ScenePoses, active: bool, act: Act) -> JointCommand:
        """The joint targets of a control step.

        Args:
            state, scene: of one stamp.
            active: whether the supervisor lets the policy act; else the arm is taken over where it is then.
            act: asked for an action at each step of the task.
        """
        if not active:
            self._held = True
            # An action that ends in a hold has led to what comes after it, unless it was no action at all.
            if self._pending is not None and not np.isfinite(self._pending[1]).all():
                self._pending = None
            self.control.begin(state.q)
            return self.control.tick(state)
        if self._held:
            self._held = False
            self.control.begin(state.q)
        seen = self._observer.observe(state, scene, self.control.reference)
        if not self._begun:
            self._begun = True
            self._enter(Stage.LIFT, state.stamp_ns)
        if self.stage is Stage.RUN:
            done = "success" if self._check.update(seen) else ""
            if outcome := self._judged or done:
                self._finish(seen, outcome)
        if state.stamp_ns % self._every_ns == 0:
            self._decide(state, seen, act)
        return self.control.tick(state)

    # ---- stages

    def _enter(self, stage: Stage, stamp_ns: int, layout_ns: int = 0) -> None:
        self.stage, self._entered_ns = stage, stamp_ns
        self.notes.append(Note(stage, self.number, stamp_ns, self._outcome, layout_ns))

    def _decide(self, state: RobotState, seen: Observation, act: Act) -> None:
        if self.stage is Stage.LIFT:
            self._lift(state, seen)
        elif self.stage is Stage.MOVE:
            self._move(state, seen)
        if self.stage is Stage.RUN:
            self._run(state, seen, act)

    def _lift(self, state: RobotState, seen: Observation) -> None:
        if seen.tool[2] >= _LIFT_M - _NEAR_M:
            self._start = self._task.tool.draw(np.random.default_rng((self._seed, 4, self.number)))
            self._trusted_ns = state.stamp_ns + 2 * _LAYOUT_NS
            self._over = False
            self._enter(Stage.MOVE, state.stamp_ns, state.stamp_ns + _LAYOUT_NS)
        else:
            self.control.go(np.array((*seen.tool[:2], _LIFT_M)), self._task.reach, state)

    def _move(self, state: RobotState, seen: Observation) -> None:
        near = float(np.abs(seen.tool - self._start).max()) < _NEAR_M
        if near and self.may_run and state.stamp_ns >= self._trusted_ns:
            self._check.reset()
            self._judged = ""
            self._count, self._began_ns = 0, state.stamp_ns
            self._enter(Stage.RUN, state.stamp_ns)
        else:
            # Over its start first, then down or up to it and not back: else the two ends could take turns.
            self._over = self._over or abs(seen.tool - self._start)[:2].max() <= _NEAR_M
            over = np.array((*self._start[:2], _LIFT_M))
            self.control.go(self._start if self._over else over, self._task.reach, state)

    def _run(self, state: RobotState, seen: Observation, act: Act) -> None:
        late = state.stamp_ns - self._began_ns >= self._task.limit_steps * self._every_ns
        self._close(seen, truncated=late)
        if late:
            self._finish(seen, "time limit")
            self._lift(state, seen)
            return
        action, label = act(seen)
        self._pending = (seen, self.control.act(action, state), label)

    def _finish(self, seen: Observation, outcome: str) -> None:
        if outcome != "time limit":
            self._close(seen, reward=float(outcome == "success"), terminal=True)
        self._outcome = outcome
        self.number += 1
        self._enter(Stage.LIFT, seen.stamp_ns)

    def _close(
        self, seen: Observation, reward: float = 0.0, terminal: bool = False, truncated: bool = False
    ) -> None:
        """The action before has led here."""
        if self._pending is None:
            return
        before, action, label = self._pending
        self._pending = None
        self.transitions.append(
            Transition(
                self.number,
                self._count,
                before.stamp_ns,
                before.vector(),
                action,
                label,
                reward,
                seen.vector(),
                terminal,
                truncated,
            )  # fmt: skip
        )
        self._count += 1
