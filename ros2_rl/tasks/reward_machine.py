"""A reward machine: the phases of a task as states, with guards between them and rewards in each.

After Icarte et al. 2018 ("Using Reward Machines for High-Level Task Specification"): the state follows
from what the robot measures and estimates, and the reward from the state. Batched; pure numpy.
"""

from typing import Annotated

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf

from ros2_rl.tasks.clock import Clock
from ros2_rl.tasks.quantities import Guard
from ros2_rl.tasks.terms import StepData
from ros2_rl.tasks.weights import Weights

_ON_GROUND = 0.5
"""Contact probability above which a foot counts as being on the ground."""


class State(BaseModel):
    """One phase: what it rewards, and where it leads."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rewards: Weights = Field(default={}, description="terms that count in this state, besides the task's")
    next: dict[str, Annotated[InstanceOf[Guard], BeforeValidator(Guard.parse)]] = Field(
        default={}, description="guard of each state that may follow; the first that holds decides"
    )


class MachineSpec(BaseModel):
    """The states of a machine by name; each cycle begins in the first."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    states: dict[str, State] = Field(min_length=1)

    def unknown_states(self) -> list[tuple[str, str]]:
        """(state, state that would follow it) of each transition that leads nowhere."""
        return [(n, to) for n, state in self.states.items() for to in state.next if to not in self.states]


class RewardMachine:
    """Runs the machine of ``count`` robots.

    Attributes:
        state: index of each robot's state, (N,).
        moved: what the base moved since the cycle began, see ``StepData``, (N, 3).
    """

    def __init__(self, spec: MachineSpec, clock: Clock, count: int):
        self.spec, self._clock = spec, clock
        self.names = tuple(spec.states)
        self.state = np.zeros(count, dtype=int)
        self.moved = np.zeros((count, 3))
        self._since = np.zeros(count)
        self._command = np.zeros((count, 3))

    def reset(self, index: np.ndarray | slice = slice(None)) -> None:
        """Begin anew for some robots."""
        self.state[index] = 0
        for values in (self.moved, self._since, self._command):
            values[index] = 0.0

    def advance(self, data: StepData, step: np.ndarray) -> None:
        """Take the outcome of the control steps ``step`` (N,): move on and fill in ``moved`` and ``mark``."""
        cycle, dt = self._clock.cycle_steps, self._clock.step_dt
        begins = (step % cycle == 0) | np.any(data.command != self._command, axis=1)
        self._command[:] = data.command
        self._begin(begins)
        self._integrate(data, dt)
        self._since += dt
        time = (step % cycle + 1) * dt
        asked = ~self._clock.standing(data.command)
        self._transit(
            {
                "time": time + 1e-9,
                "in_state": self._since + 1e-9,
                "feet": np.sum(data.contacts > _ON_GROUND, axis=1),
                "asked": asked.astype(float),
            }
        )
        data.moved = self.moved.copy()
        data.mark = np.where(asked[:, None], data.command * self._clock.period, 0.0)

    def _begin(self, begins: np.ndarray) -> None:
        """Begin a cycle where ``begins`` (N,) says so; the way is measured from here."""
        self.state[begins], self._since[begins], self.moved[begins] = 0, 0.0, 0.0

    def _transit(self, signals: dict[str, np.ndarray]) -> None:
        """At most one transition a step."""
        before = self.state.copy()
        for i, state in enumerate(self.spec.states.values()):
            free = before == i
            for name, guard in state.next.items():
                go = free & guard.holds(signals)
                self.state[go], self._since[go] = self.names.index(name), 0.0
                free &= ~go

    def _integrate(self, data: StepData, dt: float) -> None:
        """Dead reckoning in the level frame of the cycle's start."""
        up = -data.gravity
        ahead = np.array([1.0, 0.0, 0.0]) - up[:, :1] * up
        ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6)
        left = np.cross(up, ahead)
        vx, vy = (np.sum(data.lin_vel * axis, axis=1) for axis in (ahead, left))
        cos, sin = np.cos(self.moved[:, 2]), np.sin(self.moved[:, 2])
        rate = np.sum(data.ang_vel * up, axis=1)
        self.moved += dt * np.column_stack((cos * vx - sin * vy, sin * vx + cos * vy, rate))
