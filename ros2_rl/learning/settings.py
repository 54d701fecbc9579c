"""Settings that learners have in common."""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from ros2_rl.errors import ConfigError

JUDGEMENTS = ("success", "failure", "not_good")
"""What a person may say of what the robot has just done."""


class FileSettings(BaseModel):
    """Settings that a file in ``config/learners`` gives."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    _origin: dict[str, str] = PrivateAttr(default_factory=dict)
    """File and line of each setting that a file gave."""
    seed: int = Field(0, ge=0, description="seed of initialisation and batches")
    torch_threads: int = Field(
        1, ge=1, le=64, description="threads of torch; the robot needs the other cores"
    )


class LearnerSettings(FileSettings):
    """Base of the settings of learners that change a policy of a robot with legs."""

    judgements: dict[str, float] = Field(
        default_factory=lambda: {"success": 0.5, "failure": -1.0, "not_good": -0.3},
        description="reward of a person's judgement, in units of the return",
    )
    judged_s: float = Field(
        1.0, gt=0, le=10, description="time before a judgement over whose steps it is spread, s"
    )

    @model_validator(mode="after")
    def _known_judgements(self) -> Self:
        if set(self.judgements) != set(JUDGEMENTS):
            raise ValueError(f"judgements must be {', '.join(JUDGEMENTS)}")
        return self

    @property
    def adapter_rank(self) -> int:
        """Rank of the adapters in the policy; 0 where it has none."""
        raise NotImplementedError

    def check_rank(self, shapes: Iterable[tuple[int, ...]]) -> None:
        """Refuse a rank that a policy with linear layers of these shapes cannot have.

        Raises:
            ConfigError: the rank is larger than a side of the narrowest layer.
        """
        largest = min(min(shape) for shape in shapes)
        if self.adapter_rank > largest:
            where = f"The learner file {self._origin['rank']}," if "rank" in self._origin else "The learner"
            raise ConfigError(
                f"{where} is wrong: rank: {self.adapter_rank} is larger than the policy's narrowest layer; "
                f"choose 1 to {largest}."
            )
