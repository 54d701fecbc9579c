"""A record through the learner: the same session, the same steps and labels, updates on the spot.

With the recorded settings a lockstep run gives the recorded adapters again, tensor for tensor;
with others it says what that learner would have made of the same experience.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ros2_rl.errors import RecordError
from ros2_rl.learning.config import load_learner
from ros2_rl.learning.critic_fit import critic_for
from ros2_rl.learning.events import Event, Label, Learn, Report, Restore
from ros2_rl.learning.finetune import FineTuning
from ros2_rl.messages import JointOrder, status_values
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.step import unpack
from ros2_rl.recording.compare import Comparison, stack
from ros2_rl.recording.decode import Decoder
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.settings import RunSettings

_NEEDED = ("policy/step", "supervisor/state")
_TOPICS = (*_NEEDED, "policy/adapter")
_COMMANDS = "joint_commands"
"""Heard by a learner that learns from what was executed; a record of events only may lack it."""


@dataclass
class LearnerReplay:
    """What came of it."""

    tuning: FineTuning
    recorded: dict[int, tuple[int, Adapter]] = field(default_factory=dict)
    """By version: robot time of its message, and the adapter."""
    replayed: dict[int, Adapter] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)

    def comparisons(self) -> list[Comparison]:
        """See :func:`compare_adapters`."""
        return compare_adapters(self.recorded, self.replayed)


def compare_adapters(
    recorded: Mapping[int, tuple[int, Adapter]], replayed: Mapping[int, Adapter]
) -> list[Comparison]:
    """Norms of the tensors by version, then whether all their numbers are equal (1) or not (0)."""
    names = sorted({name for _, adapter in recorded.values() for name in _tensors(adapter)})
    norms, equals = [], []
    for version, (log_ns, adapter) in sorted(recorded.items()):
        then, now = _tensors(adapter), _tensors(replayed.get(version))
        norms.append((log_ns, _norms(then, names), _norms(now, names)))
        same = [float(n in then and n in now and np.array_equal(then[n], now[n])) for n in names]
        equals.append((log_ns, np.ones(len(names)), np.array(same)))
    return [stack("adapter_norms", names, norms), stack("adapters_equal", names, equals)]


def replay_learner(
    bag: Bag,
    learner: str = "",
    policy: Path | None = None,
    seed: int | None = None,
    report: Callable[[Report], None] = lambda report: None,
    export_to: Path | None = None,
) -> LearnerReplay:
    """Learn from the record.

    Args:
        learner: another learner than the recorded one, as in config/learners.
        policy: another base than the recorded one.
        seed: another seed of minibatches and noise.
        report: called with every report of the session and of every update.
        export_to: folder for the adapter and the merged policy that come of it.

    Raises:
        RecordError: the record lacks an input.
        ConfigError: there is no such learner.
    """
    settings = RunSettings(bag)
    name, recorded_seed, session = settings.learner()
    task = settings.task()
    robot = settings.robot()
    with TemporaryDirectory(prefix="ros2_rl_") as folder:
        source = settings.policy_file(Path(folder)) if policy is None else policy
        tuning = FineTuning(
            session, load_learner(learner or name), task, robot, source, critic_for(source, task, robot),
            recorded_seed if seed is None else seed,
        )  # fmt: skip
    replay = LearnerReplay(tuning)
    _feed(bag, replay, report)
    if export_to is not None:
        tuning.export(export_to)
    return replay


def _feed(bag: Bag, replay: LearnerReplay, report: Callable[[Report], None]) -> None:
    for name in _NEEDED:
        bag.full_name(name)
    tuning, session = replay.tuning, replay.tuning.session
    hears = tuning.hears_commands and bag.has(_COMMANDS)
    order = JointOrder(session.robot.joints)
    _keep(replay, tuning.initial())
    session.begin()
    for name, message, msg in Decoder(bag).messages((*_TOPICS, _COMMANDS) if hears else _TOPICS):
        if name == _COMMANDS:
            tuning.on_command(order.command(msg))
        elif name == "policy/adapter":
            adapter = Adapter.from_bytes(bytes(msg.data))
            replay.recorded[adapter.version] = (message.log_ns, adapter)
        elif name == "supervisor/state":
            session.on_label(_label(msg))
        else:
            record = unpack(np.asarray(msg.data), [(dim.label, dim.size) for dim in msg.layout.dim])
            for event in session.on_step(record):
                _carry_out(replay, event, report)


def _carry_out(replay: LearnerReplay, event: Event, report: Callable[[Report], None]) -> None:
    tuning = replay.tuning
    if isinstance(event, Learn):
        update = tuning.learn(event, tuning.drain())
        _keep(replay, update.adapter)
        report(Report("update", update.stats.scalars()))
    elif isinstance(event, Restore):
        _keep(replay, tuning.restore(event))
    elif isinstance(event, Report):
        replay.reports.append(event)
        report(event)


def _keep(replay: LearnerReplay, adapter: Adapter) -> None:
    replay.replayed[adapter.version] = adapter


def _label(msg: Any) -> Label:
    values = status_values(msg)
    try:
        return Label(int(values["stamp_ns"]), values["actor"], int(values["falls"]))
    except (KeyError, ValueError) as error:
        raise RecordError("A supervisor/state of the record lacks its stamp, actor or falls.") from error


def _tensors(adapter: Adapter | None) -> dict[str, np.ndarray]:
    if adapter is None:
        return {}
    tensors = {"log_std": adapter.log_std}
    tensors |= adapter.residual.tensors() if adapter.residual else {}
    for name, (a, b) in adapter.layers.items():
        tensors |= {f"{name}.A": a, f"{name}.B": b}
    return tensors | {f"{name}.bias": change for name, change in adapter.biases.items()}


def _norms(tensors: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    return np.array([np.linalg.norm(tensors[name]) if name in tensors else np.nan for name in names])
