"""Fine-tuning as a whole: the session's events carried out by the learner.

Used by the learner node, which makes updates in a thread of their own, and by the in-process
loop, which makes them on the spot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ros2_rl.errors import ConfigError
from ros2_rl.learning.checkpoint import CheckpointStore, Restored, export_merged
from ros2_rl.learning.config import SlowRLConfig
from ros2_rl.learning.critic_fit import CriticFit, blank_layers
from ros2_rl.learning.events import Label, Learn, Restore
from ros2_rl.learning.networks import critic_bytes, read_critic
from ros2_rl.learning.ppo import SlowRL
from ros2_rl.learning.rollout import Batch, Rollout
from ros2_rl.learning.session import Session, SessionConfig
from ros2_rl.learning.stats import UpdateStats
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.onnx_policy import Layer, OnnxPolicy, write_bytes
from ros2_rl.policy.step import StepRecord, critic_width
from ros2_rl.robots import NS_PER_S, RobotDescription
from ros2_rl.tasks import Task

CRITIC = "critic.safetensors"
"""Name of a fitted critic in the folder of the run."""


@dataclass(frozen=True)
class Update:
    """What an update gave: the adapter to publish and its figures."""

    adapter: Adapter
    stats: UpdateStats
    note: str = ""
    """What a person should know of it; mostly nothing."""


class FineTuning:
    """Session, rollout and learner of one run."""

    def __init__(
        self,
        session: SessionConfig,
        learner: SlowRLConfig,
        task: Task,
        robot: RobotDescription,
        policy_path: Path,
        critic_path: Path | None,
        seed: int,
    ):
        """Load the base policy and its critic; without one it is fitted before the policy learns.

        Raises:
            ContractError: the policy or the critic does not fit.
        """
        changes = {
            "window_steps": learner.window_steps,
            "lag_steps": learner.activation_lag_steps,
            "promotion_gate": learner.promotion_gate,
            "gate_margin": learner.gate_margin,
        }
        self.policy = OnnxPolicy(policy_path)
        self.policy.check(robot, task)
        self._cfg = learner.model_copy(update={"seed": seed})
        inputs = critic_width(self.policy.input_width, len(robot.feet))
        self._fit = None if critic_path else CriticFit(inputs, self._cfg)
        self._fitted: list[Layer] | None = None
        self.learner = make_learner(self.policy, critic_path or blank_layers(inputs), self._cfg)
        self.rollout = Rollout(learner.fall_blame_steps)
        self.session = Session(session.model_copy(update=changes), task, robot, seed, self._collect)
        self.version = 0
        self._store: CheckpointStore | None = None

    @property
    def fits_critic(self) -> bool:
        """Whether the policy has no critic yet, and stays as it is until it has."""
        return self._fit is not None

    def keep(self, folder: Path) -> None:
        """Write a checkpoint into ``folder`` after every update, and a fitted critic beside that folder.

        Raises:
            ConfigError: the critic cannot be written.
        """
        self._store = CheckpointStore(folder)
        self._keep_critic()

    def resume(self, folder: Path) -> Restored:
        """Go on from the newest intact checkpoint in ``folder``.

        Raises:
            ConfigError: there is none, or it belongs to another base policy.
        """
        critic = folder.parent / CRITIC
        if self._fit is not None and critic.is_file():
            self._take_critic(read_critic(critic))
        restored = CheckpointStore(folder).load_latest(self.learner)
        if restored is None:
            raise ConfigError(f"There is no checkpoint in {folder}; give the run_dir of an earlier run.")
        self.session.resume(restored.counters)
        self.version = restored.counters["version"]
        return restored

    def initial(self) -> Adapter:
        """The adapter before the first update: at the very start the base's actions, bit for bit."""
        return self._adapter(0, 0)

    def drain(self) -> Batch:
        """The batch of the window that has just ended; belongs to the thread of the session."""
        return self.rollout.drain()

    def judge(self, kind: str, stamp_ns: int) -> str:
        """Take a person's judgement of what the robot has just done; says what became of it.

        Raises:
            ValueError: there is no such judgement.
        """
        cfg = self.learner.cfg
        if kind not in cfg.judgements:
            raise ValueError(f"there is no judgement '{kind}'; there are {', '.join(cfg.judgements)}")
        steps = self.rollout.judge(stamp_ns - round(cfg.judged_s * NS_PER_S), stamp_ns, cfg.judgements[kind])
        return f"{kind}: {steps} steps were judged" if steps else f"{kind}: no step to be judged"

    def learn(self, event: Learn, batch: Batch) -> Update:
        """Make an update; slow, and the only user of the learner while it runs.

        Raises:
            ConfigError: the checkpoint cannot be written.
        """
        if self._fit is not None:
            return self._fit_critic(self._fit, event, batch)
        stats = self.learner.update(batch)
        update = Update(self._adapter(event.activate_at_step, event.next_at_step), stats)
        if self._store is not None:
            self._store.save(self.learner, self.session.state())
        return update

    def _fit_critic(self, fit: CriticFit, event: Learn, batch: Batch) -> Update:
        """A window of the frozen policy: the critic learns from it, the policy does not."""
        stats = fit.add(batch)
        note = f"The critic has seen {100.0 * fit.share:.0f} % of the steps that it is fitted to"
        if fit.share >= 1.0:
            self._take_critic(fit.layers())
            self._keep_critic()
            note = f"The critic is fitted; it explains {stats.explained_variance:.2f} of what it had not seen"
        return Update(self._adapter(event.activate_at_step, event.next_at_step), stats, f"{note}.")

    def _take_critic(self, layers: list[Layer]) -> None:
        """Begin to learn: the same actor with a critic."""
        self._fit, self._fitted = None, layers
        self.learner = make_learner(self.policy, layers, self._cfg)
        for version in range(1, self.version + 1):
            self.learner.snapshot(version)  # all of them are the base

    def _keep_critic(self) -> None:
        if self._store is None or self._fitted is None:
            return
        path = self._store.folder.parent / CRITIC
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, critic_bytes(self._fitted))
        except OSError as error:
            raise ConfigError(
                f"The critic {path} cannot be written ({error.strerror}); free some space."
            ) from error

    def restore(self, event: Restore) -> Adapter:
        """Make an earlier version act again, under a new version number.

        Raises:
            ConfigError: that version is not kept.
        """
        self.learner.rollback(event.version)
        return self._adapter(event.activate_at_step, 0)

    def export(self, run_dir: Path) -> None:
        """Write ``adapter.safetensors`` and the merged ``policy.onnx`` of the newest version.

        Raises:
            ConfigError: the folder cannot be written.
        """
        adapter = self.learner.adapter(max(self.version, 1))
        try:
            write_bytes(run_dir / "adapter.safetensors", adapter.to_bytes())
        except OSError as error:
            raise ConfigError(
                f"The adapter cannot be written to {run_dir} ({error.strerror}); free some space."
            ) from error
        export_merged(run_dir / "policy.onnx", self.policy, adapter)

    def _adapter(self, activate_at_step: int, next_at_step: int) -> Adapter:
        self.version += 1
        self.learner.pinned = self.session.best_version
        self.session.on_version(self.version)
        return self.learner.adapter(self.version, activate_at_step, next_at_step)

    def _collect(self, record: StepRecord, after: StepRecord, reward: float, label: Label) -> None:
        self.rollout.add(record, after, reward, label.actor, bool(label.falls))


def make_learner(policy: OnnxPolicy, critic: Path | Sequence[Layer], cfg: SlowRLConfig) -> SlowRL:
    """The learner that ``cfg.algorithm`` names.

    Raises:
        ConfigError: it needs a library that is not installed.
    """
    if cfg.algorithm != "rsl_rl":
        return SlowRL(policy, critic, cfg)
    try:
        from ros2_rl.learning.rsl_rl_ppo import RslRlPPO
    except ImportError as error:
        raise ConfigError(
            f"The algorithm rsl_rl needs a library that is not there ({error.name}); install rsl-rl-lib."
        ) from error
    return RslRlPPO(policy, critic, cfg)
