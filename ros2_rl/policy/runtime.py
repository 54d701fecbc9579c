"""The policy at run time: one control step after another, adapters swapped between them.

``tick`` and ``swap_if_due`` belong to the control thread; ``submit`` does all the slow work of an
adapter and may run in another thread.
"""

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ros2_rl.errors import ContractError, Ros2RlError
from ros2_rl.policy.action import ActionMap
from ros2_rl.policy.adapter import Adapter, check, check_probe, merge
from ros2_rl.policy.fit import gain_set
from ros2_rl.policy.noise import ExplorationNoise
from ros2_rl.policy.observation import ObservationBuilder
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.policy.residual import Reach, Residual, check_bound
from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import (
    NS_PER_S,
    BaseEstimate,
    JointCommand,
    RobotDescription,
    RobotState,
    projected_gravity,
)
from ros2_rl.tasks.clock import CommandLatch
from ros2_rl.tasks.task import Task


class PolicyFault(Ros2RlError):
    """The network answered with numbers that are not finite."""


@dataclass(frozen=True)
class Active:
    """A policy that acts, or is ready to."""

    version: int
    """Version of the adapter; 0 is the base."""
    policy: OnnxPolicy
    std: np.ndarray
    """Standard deviation of the exploration noise, (J,), float32."""
    since_step: int
    """First control step on which it acts."""
    residual: Residual | None = None
    """What acts beside the base within its bound; then ``policy`` is the same as one graph."""
    noise_memory: float = 0.0
    """Of the exploration noise, control steps; 0: white."""

    @property
    def sha256(self) -> str:
        return self.policy.sha256


@dataclass(frozen=True)
class Verdict:
    """What became of an adapter."""

    accepted: bool
    version: int
    """Version of the adapter; -1 where it could not be read."""
    sha256: str
    """SHA-256 of the merged policy; empty when refused."""
    activate_at_step: int
    reason: str
    """Why it was refused; empty when accepted."""


class PolicyRuntime:
    """Runs a base policy and the newest good adapter of it."""

    def __init__(
        self,
        policy_path: str | Path | bytes,
        robot: RobotDescription,
        seed: int = 0,
        task: Task | None = None,
    ):
        """Load and check the policy.

        Raises:
            ContractError: a sentence that says why the policy cannot run on this robot.
        """
        self.base = OnnxPolicy(policy_path)
        self.base.check(robot, task)
        contract = self.base.contract
        self.gains = gain_set(contract, robot)
        """Name of the gain set that carries the policy out."""
        self.contract = contract
        self._clock = contract.clock
        self._latch = CommandLatch(self._clock)
        self.step_ns = round(contract.step_dt * NS_PER_S)
        self.active = self._driven = Active(0, self.base, _std(contract.log_std), 0)
        self._observe = ObservationBuilder(contract, robot)
        self._map = ActionMap(contract, robot)
        self._robot = robot
        self.reach = Reach(contract)
        """How far a residual may go; its ``limit_deg`` is the supervisor's to lower, down to 0."""
        self.needs_estimate = "base_lin_vel" in contract.observation_names
        self._zeros = np.zeros(robot.num_joints)
        self._explore = ExplorationNoise(seed, robot.num_joints)
        self._unknown = _no_estimate(len(robot.feet))
        self._lock = threading.Lock()
        self._ready: list[Active] = []
        self._newest = self._newest_from = 0
        self._promised_at = 0
        self.reset()
        self.base(np.zeros((1, contract.observation_width), np.float32))

    def reset(self) -> None:
        """Forget the last action and the history, as on entering the mode POLICY."""
        self._last_action = self._zeros
        self._observe.reset()
        self._latch.reset()

    def is_tick(self, stamp_ns: int) -> bool:
        """Whether a state of this stamp starts a control step."""
        return stamp_ns % self.step_ns == 0

    def step_of(self, stamp_ns: int) -> int:
        return stamp_ns // self.step_ns

    def tick(
        self,
        state: RobotState,
        estimate: BaseEstimate | None,
        command: np.ndarray,
        noise: bool,
        human: bool = False,
    ) -> tuple[JointCommand, StepRecord]:
        """One control step: targets in robot order and the record of the step.

        ``command`` is (vx, vy, yaw rate). ``human``: a person drives, so the base acts, without noise,
        whatever was learned. In the record, action, mean and std are in the
        policy's joint order, as the network gives them.

        Raises:
            PolicyFault: the network's answer is not finite; its memory is cleared.
        """
        step, active = self.step_of(state.stamp_ns), self._driven if human else self.active
        noise = noise and not human
        command = self._latch.follow(step, command)
        clock = self._clock.at(step, command)
        obs = self._observe.build(state, estimate, command, self._last_action, clock)
        std = active.std if noise else np.zeros_like(active.std)
        action, mean = self._act(
            active, obs, std * self._explore(step, active.noise_memory) if noise else None
        )
        if not np.isfinite(action).all():
            self.reset()
            raise PolicyFault(f"The policy's answer at step {step} is not finite; check its sensors.")
        self._last_action = self._map.clip(action)
        targets = self._map.targets(self._last_action, state.q)
        record = self._record(active.version, state, estimate, obs[0], (action, mean, std), command, clock)
        return JointCommand(state.stamp_ns, targets, self._zeros, self._zeros, self.gains), record

    def _act(
        self, active: Active, obs: np.ndarray, noise: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The raw action with exploration noise and without, (J,) each, for ``obs`` (1, D)."""
        if active.residual is None:
            mean = active.policy(obs)
            return (mean if noise is None else mean + noise), mean
        quiet = np.float32(0.0) if noise is None else noise
        return self.reach.correct(self.base(obs), active.residual, obs[0], np.asarray(quiet))

    def submit(self, data: bytes) -> Verdict:
        """Check an adapter, merge it, try it, and keep it ready for its step; from any thread."""
        version = -1
        try:
            adapter = Adapter.from_bytes(data)
            version = adapter.version
            self._check_version(version)
            policy = self._prepare(adapter)
        except ContractError as error:
            return self._refuse(version, str(error))
        std, since = _std(adapter.log_std), adapter.activate_at_step
        ready = Active(version, policy, std, since, adapter.residual, adapter.noise_memory)
        with self._lock:
            self._ready.append(ready)
            self._newest, self._newest_from = version, adapter.activate_at_step
            self._promised_at = adapter.next_at_step
        return Verdict(True, version, policy.sha256, adapter.activate_at_step, "")

    def swap_if_due(self, step: int) -> Active | None:
        """Make the newest adapter that is due act from ``step`` on; None when nothing changed."""
        if not self._ready:
            return None
        with self._lock:
            due = [a for a in self._ready if a.since_step <= step]
            self._ready = [a for a in self._ready if a.since_step > step]
        if not due:
            return None
        new = max(due, key=lambda a: a.version)
        self.active = replace(new, since_step=step)
        return self.active

    def distrust(self, version: int, step: int) -> bool:
        """Let the base act again from ``step`` on if an adapter of this version acts; whether it did.

        The next adapter is taken as ever. The base explores as the adapter did: its own noise, that of
        pre-training, is none that the learner asked for.
        """
        if version <= 0 or self.active.version != version:
            return False
        self.active = Active(0, self.base, self.active.std, step, noise_memory=self.active.noise_memory)
        return True

    def due_version(self, step: int) -> int | None:
        """The version that was promised for ``step`` and has not come; None if none.

        One that was promised for an earlier step is late already: the robot went on without (a supervisor
        that does not wait may outrun the executor), and a learner that needs the steps from then on would
        wait as well.
        """
        with self._lock:
            return self._newest + 1 if 0 < self._promised_at == step else None

    def promise(self, step: int) -> None:
        """An adapter is announced to act from ``step`` on; nothing changes if it is here already."""
        with self._lock:
            if step > self._newest_from:
                self._promised_at = step

    def forget_promise(self) -> None:
        """Stop waiting for the adapter that was promised."""
        with self._lock:
            self._promised_at = 0

    def _check_version(self, version: int) -> None:
        """Refuse a stale adapter before the work of merging it."""
        if version <= self._newest:
            raise ContractError(f"The adapter's version {version} is stale; {self._newest} is in use.")

    def _prepare(self, adapter: Adapter) -> OnnxPolicy:
        check(adapter, self.base, self._newest)
        if adapter.residual is not None:
            check_bound(adapter.residual.bound_deg, self.contract, self._robot)
        policy = OnnxPolicy(merge(self.base.model, adapter))
        check_probe(adapter, policy)  # its runs warm the session up, too
        return policy

    def _refuse(self, version: int, reason: str) -> Verdict:
        """A refused adapter, unless it is merely old, breaks the promise: nobody waits for it."""
        if version < 0 or version > self._newest:
            self.forget_promise()
        return Verdict(False, version, "", 0, reason)

    def _record(
        self,
        version: int,
        state: RobotState,
        estimate: BaseEstimate | None,
        obs: np.ndarray,
        action: tuple[np.ndarray, np.ndarray, np.ndarray],
        command: np.ndarray,
        clock: np.ndarray,
    ) -> StepRecord:
        known = estimate or self._unknown
        return StepRecord(
            stamp_ns=state.stamp_ns,
            step=self.step_of(state.stamp_ns),
            version=version,
            obs=obs,
            action=action[0],
            mean=action[1],
            std=action[2],
            command=np.asarray(command, np.float32),
            clock=clock.astype(np.float32),
            lin_vel=known.lin_vel,
            height=known.position[2:],
            contacts=known.contacts,
            ang_vel=state.gyro,
            gravity=projected_gravity(state.quat),
            q=state.q,
            dq=state.dq,
            tau=state.tau,
        )


def _std(log_std: np.ndarray | tuple[float, ...]) -> np.ndarray:
    return np.exp(np.asarray(log_std, dtype=np.float64)).astype(np.float32)


def _no_estimate(feet: int) -> BaseEstimate:
    """What a record says where nobody estimates."""
    zero = np.zeros(3)
    return BaseEstimate(0, zero, np.array((1.0, 0.0, 0.0, 0.0)), zero, zero, np.zeros(feet), np.zeros((3, 3)))
