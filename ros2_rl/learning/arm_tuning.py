"""An arm's fine-tuning as one object: what the executor tells goes in, the next episode's policy comes out.

Used by the node ``arm_learner`` and, in process, by the benchmark.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ros2_rl.errors import ConfigError
from ros2_rl.learning.agent import probe_observations
from ros2_rl.learning.checkpoint import CheckpointStore
from ros2_rl.learning.sac.replay import LABELS, Replay
from ros2_rl.learning.sac.rlpd import RlpdLearner, widths
from ros2_rl.learning.sac.rlpd_config import RlpdConfig
from ros2_rl.learning.sac.stats import RlpdStats
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.arm_policy import ArmPolicy, identity_of, phrase
from ros2_rl.manipulation.demos import load_demos
from ros2_rl.manipulation.episode import Transition
from ros2_rl.manipulation.observation import WIDTH
from ros2_rl.manipulation.practice import Practice, PracticeConfig, Told
from ros2_rl.manipulation.promotion import Promotion, Verdict
from ros2_rl.manipulation.task import ArmTask
from ros2_rl.manipulation.upload import EpisodeEnd
from ros2_rl.policy.onnx_policy import write_bytes
from ros2_rl.policy.perceptron import Perceptron

SHOWN, ONLINE, POLICY = "shown.safetensors", "online.safetensors", "policy.safetensors"
ONNX = "policy.onnx"
"""Files of a run: demonstrations with corrections, all experience, and the newest policy; where that has
no base, again as a network that anybody can run, or that a later run takes as its base."""
_MOST_SHOWN = 1_000_000
_SURE = 5
"""Episodes of practice that say how well an actor does."""


class ArmTuning:
    """Learner and session of one arm.

    Args:
        session: how long, and how it is judged.
        demos: folder of demonstrations, or of an earlier run whose demonstrations and corrections are
            taken; None: from scratch.
        base: a policy whose actions are changed within a bound; None: there is none.

    Raises:
        RecordError, ConfigError: there are none in it, or they are of another robot, task or rate.
    """

    def __init__(
        self,
        session: PracticeConfig,
        cfg: RlpdConfig,
        task: ArmTask,
        demos: Path | None,
        seed: int,
        base: ArmBase | None = None,
    ):
        self.practice, self._task, self.base = Practice(session), task, base
        self.identity = identity_of(task)
        cfg = cfg.model_copy(update={"seed": cfg.seed + seed})
        self.learner = RlpdLearner(cfg, WIDTH, len(task.moves), self.identity, base)
        self.version, self._episode, self._learns = 0, 0, False
        self._newest: ArmPolicy | None = None
        self._promotion = Promotion(cfg.gate_margin) if cfg.promotion_gate else None
        self._best: dict[str, torch.Tensor] | None = None
        """The actor that did best in practice."""
        if demos is not None:
            self.learner.show(shown(demos, task))
            self.learner.clone(cfg.clone_steps)

    @property
    def complaint(self) -> str:
        """Why nothing is learned just now; empty while it is."""
        return self.practice.waits

    def on_transition(self, transition: Transition) -> None:
        """One action and what came of it; kept at once, learned from when the episode is over."""
        if self.practice.kind == "practice":
            self.learner.add(*_fields([transition]))
        self.practice.on_transition(transition)

    def on_end(self, end: EpisodeEnd) -> list[Told]:
        """An episode is over; what there is to tell. :meth:`work` learns from it."""
        practised = self.practice.kind == "practice"
        steps, told = self.practice.on_end(end)
        self._episode = end.number + 1
        if practised:  # though none of its steps may have arrived
            told += self._promote()
        # Nothing is learned from a trial, nor while a person drives and drives, nor once practice is over.
        self._learns = bool(steps) and not self.practice.waits and self.practice.kind == "practice"
        if self._learns:
            self.learner.begin(len(steps), self._fails())
        return told

    def _fails(self) -> bool:
        """Whether the actor does so little without help that a correction is worth more than what it can."""
        curve = self.practice.curve
        return len(curve) >= _SURE and curve[-1]["alone"] < self.learner.cfg.heed_below

    def _promote(self) -> list[Told]:
        """Keep the actor that does best; go back to it when it gets worse, and when practice is over."""
        if self._promotion is None:
            return []
        latest, sac = self.practice.curve[-1], self.learner.sac
        verdict = self._promotion.saw(latest["alone"])
        if verdict is Verdict.BEST:
            self._best = sac.actor_parameters()
        goes_back = verdict is Verdict.WORSE or self.practice.kind != "practice"
        if self._best is None or verdict is Verdict.BEST or not goes_back:
            return []
        sac.set_actor(self._best)
        values = {"robot_minutes": latest["robot_minutes"], "alone": latest["alone"]}
        return [Told("restored", values | {"best_alone": self._promotion.best or 0.0})]

    def work(self, most: int) -> tuple[bool, RlpdStats | None]:
        """At most so many gradient steps: whether all are made, and then what they did, if there were any."""
        stats = self.learner.work(most) if self._learns else None
        return stats is not None or not self._learns, stats

    def policy(self) -> ArmPolicy:
        """A new version of what was learned, for the episode that comes."""
        self.version += 1
        probe = probe_observations(WIDTH)
        with torch.no_grad():
            answer = self.learner.acting.answer(torch.from_numpy(probe)).numpy()
        cfg = self.learner.cfg
        self._newest = ArmPolicy(
            self.version, self._episode, self.practice.kind, phrase(self.identity),
            Perceptron(self.learner.layers()), np.array(cfg.log_std_bounds), probe, answer,
            cfg.trial_noise if self.learner.led_by_critics else 0.0,  # a clone's noise is nobody's choice
            self.learner.bound, self.base.sha256 if self.base else "",
        )  # fmt: skip
        return self._newest

    @property
    def newest(self) -> ArmPolicy:
        """The newest version that was made."""
        return self._newest or self.policy()

    # ------------------------------------------------------------------- files

    def keep(self, run_dir: Path) -> None:
        """Write what was learned and what it was learned from; each file appears whole or not at all.

        Raises:
            ConfigError: it cannot be written.
        """
        CheckpointStore(run_dir / "checkpoints", keep=1).save(self.learner, {"version": self.version})
        self.learner.shown.save(run_dir / SHOWN)
        self.learner.online.save(run_dir / ONLINE)
        try:
            write_bytes(run_dir / POLICY, self.newest.to_bytes())
            if self.base is None:
                write_bytes(run_dir / ONNX, self.newest.to_onnx())
        except OSError as error:
            raise ConfigError(f"{run_dir} cannot be written ({error.strerror}); free some space.") from error

    def resume(self, run_dir: Path) -> tuple[str, ...]:
        """Go on from what :meth:`keep` wrote; sentences about checkpoints that could not be used.

        Raises:
            ConfigError: there is nothing intact, or it is of another robot, task or rate.
        """
        restored = CheckpointStore(run_dir / "checkpoints").load_latest(self.learner)
        if restored is None:
            raise ConfigError(f"There is no checkpoint in {run_dir}; start without resume.")
        self.version = int(restored.counters["version"])
        return restored.notes


def _fields(steps: Sequence[Transition]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Transitions as a learner takes them, and whose each was."""
    fields = {
        "obs": np.array([t.obs for t in steps]),
        "action": np.array([t.action for t in steps]),
        "reward": np.array([t.reward for t in steps]),
        "next_obs": np.array([t.next_obs for t in steps]),
        "terminal": np.array([t.terminal for t in steps], dtype=np.float32),
    }
    return fields, np.array([LABELS.index(t.label) for t in steps])


def shown(folder: Path, task: ArmTask) -> dict[str, np.ndarray]:
    """What a folder shows: demonstrations, or those and the corrections of an earlier run.

    Raises:
        RecordError, ConfigError: as :class:`ArmTuning`.
    """
    if (folder / SHOWN).is_file():
        earlier = Replay(widths(WIDTH, len(task.moves)), identity_of(task), _MOST_SHOWN)
        earlier.load(folder / SHOWN)
        rows = earlier.tensors()
        return {name: rows[name].numpy() for name in earlier.widths}
    demos = load_demos(folder, task)
    return {
        "obs": demos.obs,
        "action": demos.actions,
        "reward": demos.rewards,
        "next_obs": demos.next_obs,
        "terminal": demos.terminals.astype(np.float32),
    }
