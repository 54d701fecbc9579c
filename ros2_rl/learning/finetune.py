"""Fine-tuning as a whole: the session's events carried out by the learner.

Used by the learner node, which makes updates in a thread of their own, and by the in-process
loop, which makes them on the spot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ros2_rl.errors import ConfigError
from ros2_rl.learning.checkpoint import CheckpointStore, Restored, export_merged
from ros2_rl.learning.config import LearnerConfig, SlowRLConfig
from ros2_rl.learning.critic_fit import CriticFit, blank_layers
from ros2_rl.learning.events import Label, Learn, Restore
from ros2_rl.learning.making import as_asked, make_learner, make_replica
from ros2_rl.learning.networks import critic_bytes, read_critic
from ros2_rl.learning.ppo import SlowRL
from ros2_rl.learning.rollout import Batch, Rollout
from ros2_rl.learning.sac.config import OffPolicyConfig
from ros2_rl.learning.sac.executed import ExecutedActions
from ros2_rl.learning.sac.experience import Experience, Transitions
from ros2_rl.learning.sac.identity import identity_of
from ros2_rl.learning.sac.learner import OffPolicyLearner
from ros2_rl.learning.sac.relabel import OtherCommands, can_relabel
from ros2_rl.learning.sac.stats import OffPolicyStats
from ros2_rl.learning.session import Session
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.learning.stats import UpdateStats
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.fit import gain_set
from ros2_rl.policy.onnx_policy import Layer, OnnxPolicy, write_bytes
from ros2_rl.policy.residual import check_bound
from ros2_rl.policy.step import StepRecord, critic_width
from ros2_rl.robots import NS_PER_S, JointCommand, RobotDescription
from ros2_rl.tasks import Task

CRITIC = "critic.safetensors"
"""Name of a fitted critic in the folder of the run."""
REPLAY = "replay.safetensors"
"""Name of the file with what an off-policy learner has kept, in the same folder."""


@dataclass(frozen=True)
class Update:
    """What an update gave: the adapter to publish and its figures."""

    adapter: Adapter
    stats: UpdateStats | OffPolicyStats


class FineTuning:
    """Session, rollout and learner of one run."""

    def __init__(
        self,
        session: SessionConfig,
        learner: LearnerConfig,
        task: Task,
        robot: RobotDescription,
        policy_path: Path,
        critic_path: Path | None,
        seed: int,
        clock: Callable[[], float] | None = None,
    ):
        """Load the base policy and its critic; without one SlowRL fits it before the policy learns.

        ``clock`` (s) is given where the robot does not wait for the learner.

        Raises:
            ContractError: the policy or the critic does not fit.
        """
        self.policy = OnnxPolicy(policy_path)
        self.policy.check(robot, task)
        cfg = self._cfg = learner.model_copy(update={"seed": seed})
        inputs = critic_width(self.policy.input_width, len(robot.feet))
        self._fit: CriticFit | None = None
        self._fitted: list[Layer] | None = None
        self._executed: ExecutedActions | None = None
        self.learner: SlowRL | OffPolicyLearner
        self.rollout: Rollout | Experience
        if isinstance(cfg, OffPolicyConfig):
            bounds = [cfg.bound_deg] * self.policy.contract.num_joints
            check_bound(bounds, self.policy.contract, robot)
            identity = identity_of(robot, task, self.policy.sha256)
            replica = make_replica(robot, task, self.policy, critic_path, cfg)
            self.learner = OffPolicyLearner(self.policy, critic_path, cfg, inputs, identity, clock, replica)
            self._executed = ExecutedActions(
                self.policy.contract, robot, gain_set(self.policy.contract, robot)
            )
            held = round(cfg.judged_s / task.step_dt)
            relabels = cfg.relabelled_share > 0.0 and can_relabel(task, self.policy.contract)
            others = OtherCommands(task, robot, self.policy.contract, seed) if relabels else None
            self.rollout = Experience(self._executed.of, cfg.fall_blame_steps, held, others)
        else:
            self._fit = None if critic_path else CriticFit(inputs, cfg)
            self.learner = make_learner(self.policy, critic_path or blank_layers(inputs), cfg)
            self.rollout = Rollout(learner.fall_blame_steps)
        self.session = Session(as_asked(session, cfg), task, robot, seed, self._collect)
        self.version = 0
        self._store: CheckpointStore | None = None

    @property
    def hears_commands(self) -> bool:
        """Whether what the supervisor commands is to be told to :meth:`on_command`."""
        return self._executed is not None

    @property
    def complaint(self) -> str:
        """What a person should know while it lasts; mostly nothing."""
        learner = self.learner
        if not isinstance(learner, OffPolicyLearner):
            return ""
        if learner.guard.tripped:
            return f"values are {learner.guard.bias:.1f} standard deviations too high; the actor waits"
        if learner.effort.behind:
            pace = learner.effort.ratio
            return (
                f"cannot keep up: {pace:.2g} gradient steps a control step instead of {learner.cfg.utd:.2g}"
            )
        rehearsal = learner.rehearsal
        if rehearsal and rehearsal.leads and rehearsal.effort.behind:
            pace = rehearsal.effort.ratio
            return f"cannot keep up: {pace:.2g} control steps in the replica to one of the robot's, not 1"
        return ""

    def pace(self) -> dict[str, float]:
        """How much is learned from each control step, where that can change."""
        learner = self.learner
        if not isinstance(learner, OffPolicyLearner):
            return {}
        practised = {"replica_ratio": learner.rehearsal.effort.ratio} if learner.rehearsal else {}
        return {"utd": learner.effort.ratio} | practised

    def hurry(self) -> None:
        """Let an update that is under way end soon; from any thread."""
        if isinstance(self.learner, OffPolicyLearner):
            self.learner.hurried = True

    def answered(self) -> None:
        """The policy has answered a state: until the next one nobody is slowed down by an update."""
        if isinstance(self.learner, OffPolicyLearner) and self.learner.pauses:
            self.learner.pauses.begin()

    def on_command(self, command: JointCommand) -> None:
        """The supervisor sent a command; the steps' executed actions are read from these."""
        if self._executed is not None:
            self._executed.put(command)

    @property
    def critic_fit_minutes(self) -> float:
        """Robot time that fitting a critic takes, min."""
        return self._cfg.critic_fit_minutes if isinstance(self._cfg, SlowRLConfig) else 0.0

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

    def mix_in(self, folder: Path) -> int:
        """Learn from what an earlier run kept in its folder, too; returns how many steps that are.

        Raises:
            ConfigError: the learner keeps nothing, or that experience does not belong to this run.
        """
        if not isinstance(self.learner, OffPolicyLearner):
            raise ConfigError("This learner cannot use a replay; choose learner:=offpolicy or leave it out.")
        self.learner.earlier.load(folder / REPLAY)
        return len(self.learner.earlier)

    def drain(self) -> Batch | Transitions:
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

    def learn(self, event: Learn, batch: Batch | Transitions) -> Update:
        """Make an update; slow, and the only user of the learner while it runs.

        Raises:
            ConfigError: the checkpoint cannot be written.
        """
        if self._fit is not None:
            assert isinstance(batch, Batch)
            return self._fit_critic(self._fit, event, batch)
        stats = self.learner.update(batch)  # type: ignore[arg-type]  # each drains what its learner takes
        update = Update(self._adapter(event.activate_at_step, event.next_at_step), stats)
        if self._store is not None and self.learner.updates % self._cfg.checkpoint_every == 0:
            self._store.save(self.learner, self.session.state())
        return update

    def _fit_critic(self, fit: CriticFit, event: Learn, batch: Batch) -> Update:
        """A window of the frozen policy: the critic learns from it, the policy does not."""
        stats = fit.add(batch)
        stats.note = f"The critic has seen {100.0 * fit.share:.0f} % of the steps that it is fitted to."
        if fit.share >= 1.0:
            self._take_critic(fit.layers())
            self._keep_critic()
            explained = f"{stats.explained_variance:.2f}"
            stats.note = f"The critic is fitted; it explains {explained} of what it had not seen."
        return Update(self._adapter(event.activate_at_step, event.next_at_step), stats)

    def _take_critic(self, layers: list[Layer]) -> None:
        """Begin to learn: the same actor with a critic."""
        assert isinstance(self._cfg, SlowRLConfig)
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
        """Write ``adapter.safetensors`` and the merged ``policy.onnx`` of the newest version, and the replay.

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
        if isinstance(self.learner, OffPolicyLearner):
            self.learner.replay.save(run_dir / REPLAY)

    def _adapter(self, activate_at_step: int, next_at_step: int) -> Adapter:
        self.version += 1
        self.learner.snapshots.pinned = self.session.good_version
        self.session.on_version(self.version)
        return self.learner.adapter(self.version, activate_at_step, next_at_step)

    def _collect(self, record: StepRecord, after: StepRecord, reward: float, label: Label) -> None:
        self.rollout.add(record, after, reward, label.actor, bool(label.falls))
