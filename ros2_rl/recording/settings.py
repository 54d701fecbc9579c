"""With which settings a recorded run went: parameters of its nodes, its robot, task and policy."""

from dataclasses import dataclass, fields
from pathlib import Path

from ros2_rl.errors import RecordError
from ros2_rl.estimation import EstimatorParams
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.recording.about import PARAMETERS, POLICY
from ros2_rl.recording.reader import ABOUT, Bag
from ros2_rl.robots import NS_PER_S, RobotDescription, load_robot
from ros2_rl.tasks import Task, load_task


@dataclass(frozen=True)
class ExecutorSettings:
    """What the executor's steps depend on beyond its inputs."""

    seed: int
    lockstep: bool
    command_timeout_ns: int


class RunSettings:
    """Reads the notes of a record; a parameter that it does not tell of has its default."""

    def __init__(self, bag: Bag):
        self._bag = bag

    def node(self, name: str) -> dict[str, str]:
        """Parameters of a node; none where it was not there or not asked in time."""
        return self._bag.notes.get(f"{PARAMETERS}{self._bag.namespace}/{name}", {})

    def robot(self) -> RobotDescription:
        """Raises ConfigError when the robot is not known here."""
        return load_robot(self._bag.notes.get(ABOUT, {}).get("robot", "go2"))

    def legs_only(self, what: str) -> None:
        """Refuse a robot that stands where it is; ``what`` was to be made of its record.

        Raises:
            RecordError: it is one.
        """
        robot = self.robot()
        if not robot.floating:
            raise RecordError(
                f"The record {self._bag.path} is of the robot {robot.name}, and there is no {what} of one "
                "without legs; look at it with `ros2 bag` or Foxglove."
            )

    def task(self) -> Task:
        """Raises ConfigError when the task is not known here."""
        return load_task(self._bag.notes.get(ABOUT, {}).get("task", "trot"))

    def policy(self) -> OnnxPolicy:
        """The base policy that the run began with.

        Raises:
            RecordError: the record has none.
            ContractError: it cannot be read.
        """
        if POLICY not in self._bag.files:
            raise RecordError(f"The record {self._bag.path} holds no policy; name one with policy:=<file>.")
        return OnnxPolicy(self._bag.files[POLICY])

    def policy_file(self, folder: Path) -> Path:
        """That policy as a file: where it was, for what lies beside it, or else one in ``folder``.

        Raises:
            RecordError: the record has none.
        """
        data, known = self.policy().data, Path(self._bag.notes.get(ABOUT, {}).get("policy", ""))
        if known.is_file() and known.read_bytes() == data:
            return known
        (folder / POLICY).write_bytes(data)
        return folder / POLICY

    def estimator(self) -> EstimatorParams:
        given = self.node("state_estimator")
        return EstimatorParams(
            **{f.name: float(given[f.name]) for f in fields(EstimatorParams) if f.name in given}
        )

    def executor(self) -> ExecutorSettings:
        given = self.node("policy_executor")
        return ExecutorSettings(
            seed=int(given.get("seed", 0)),
            lockstep=given.get("lockstep") == "True",
            command_timeout_ns=round(float(given.get("command_timeout_s", 0.5)) * NS_PER_S),
        )

    def learner(self) -> tuple[str, int, SessionConfig]:
        """Name of the learner, seed and session.

        Raises:
            RecordError: no learner was recorded, or it went on from an earlier run.
        """
        given = self.node("learner")
        if not given:
            raise RecordError(
                f"The record {self._bag.path} tells of no learner; record a run of finetune.launch.py."
            )
        if given.get("resume"):
            raise RecordError(
                f"The recorded run went on from {given['resume']}, so its learner cannot be repeated "
                "from the record alone; replay the first run."
            )
        episodes = int(given["episodes"])
        session = SessionConfig(
            minutes=float(given["minutes"]),
            goal=float(given["goal"]),
            episodes=episodes,
            look_episodes=max(episodes // 2, 1),
            measure_pretrained=given["measure_pretrained"] == "True",
        )
        return given["learner"], int(given["seed"]), session
