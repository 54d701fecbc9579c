"""Which version of an arm's policy acts, and whether an episode has to wait for one."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from ros2_rl.errors import ContractError
from ros2_rl.manipulation.arm_base import ArmBase
from ros2_rl.manipulation.arm_policy import ArmPolicy, Kind, check
from ros2_rl.manipulation.task import ArmTask


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a policy that was offered."""

    accepted: bool
    version: int
    """That acts now, whatever was offered."""
    sha256: str
    """Of what was offered."""
    reason: str = ""


class ActivePolicy:
    """The newest version that was found good; a bad one leaves it as it was."""

    def __init__(self, task: ArmTask, seed: int, base: ArmBase | None = None):
        """``seed``: of the exploration noise; ``base``: what the policy changes, if anything."""
        self._task, self._seed, self._base = task, seed, base
        self._policy: ArmPolicy | None = None

    @property
    def version(self) -> int:
        """0: there is none yet."""
        return 0 if self._policy is None else self._policy.version

    @property
    def kind(self) -> Kind:
        """Of the episodes that it acts in."""
        return "practice" if self._policy is None else self._policy.kind

    def offer(self, data: bytes) -> Verdict:
        """Take a policy as it came."""
        digest = sha256(data).hexdigest()
        try:
            offered = ArmPolicy.from_bytes(data)
            check(offered, self._task, self.version, self._base)
        except ContractError as error:
            return Verdict(False, self.version, digest, str(error))
        self._policy = offered
        return Verdict(True, self.version, digest)

    def ready(self, episode: int) -> bool:
        """Whether there is a policy that was made for this episode or a later one."""
        return self._policy is not None and self._policy.episode >= episode

    def act(self, obs: np.ndarray, stamp_ns: int) -> np.ndarray:
        """The action (A,) for an observation (D,); the noise follows from seed and stamp."""
        if self._policy is None:
            return np.zeros(len(self._task.axes))
        rng = np.random.default_rng((self._seed, 6, stamp_ns))
        return self._policy.act(obs, self._base, rng.standard_normal(len(self._task.axes)))
