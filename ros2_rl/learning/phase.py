"""The phases of a fine-tuning session, announced ahead of time by stamp.

A phase is what everybody does from ``start_ns`` on: evaluate with fixed commands and no noise,
train, or idle. Announced at least ``LEAD_STEPS`` ahead, so that every node knows in time and a
lockstep run is repeatable.
"""

from dataclasses import dataclass

from ros2_rl.tasks.clock import STEP_NS

LEAD_STEPS = 250
"""Control steps between the announcement of a phase and its start (5 s)."""

EVALUATE, TRAIN, IDLE = "evaluate", "train", "idle"


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the session."""

    name: str
    """``evaluate``, ``train`` or ``idle``."""
    start_ns: int
    """Stamp of the state from which on the phase holds."""
    seed: int = 0
    """Seed of the commands."""
    gap: bool = True
    """Whether the simulator applies the reality gap; nothing else reads it."""
    noise: bool = False
    """Whether the executor explores."""
    episode_s: float = 10.0
    """Length of an evaluation episode, s."""
    episodes: int = 0
    """Number of evaluation episodes."""
    adapter_at_step: int = 0
    """Control step at which the next adapter is due (0: none); in lockstep it is waited for."""
    shove_m_s: float = 0.0
    """Velocity that a shove adds to the base, one an episode of an evaluation; only a simulator shoves."""

    @property
    def start_step(self) -> int:
        return self.start_ns // STEP_NS

    @property
    def episode_steps(self) -> int:
        return round(self.episode_s * 1e9) // STEP_NS

    @property
    def end_step(self) -> int:
        """First control step after an evaluation."""
        return self.start_step + self.episodes * self.episode_steps

    def to_values(self) -> dict[str, str]:
        """As key-value pairs of the ``learner/phase`` message."""
        return {
            "start_ns": str(self.start_ns),
            "seed": str(self.seed),
            "gap": "on" if self.gap else "off",
            "noise": "on" if self.noise else "off",
            "episode_s": repr(self.episode_s),
            "episodes": str(self.episodes),
            "adapter_at_step": str(self.adapter_at_step),
            "shove_m_s": repr(self.shove_m_s),
        }

    @classmethod
    def from_values(cls, name: str, values: dict[str, str]) -> "Phase":
        """Inverse of :meth:`to_values`.

        Raises:
            ValueError: a value is missing or malformed.
        """
        try:
            return cls(
                name=name,
                start_ns=int(values["start_ns"]),
                seed=int(values["seed"]),
                gap=values["gap"] == "on",
                noise=values["noise"] == "on",
                episode_s=float(values["episode_s"]),
                episodes=int(values.get("episodes", 0)),
                adapter_at_step=int(values.get("adapter_at_step", 0)),
                shove_m_s=float(values.get("shove_m_s", 0.0)),
            )
        except KeyError as error:
            raise ValueError(f"learner/phase lacks {error}") from error
