"""An exam from beginning to end: the policy, its base, the verdict, the film of the worst trial."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ros2_rl.errors import ConfigError
from ros2_rl.evaluation.candidate import Result, Setting, examine
from ros2_rl.evaluation.sheet import leave_behind
from ros2_rl.evaluation.verdict import Check, checks
from ros2_rl.policy.onnx_policy import OnnxPolicy, load_equipped
from ros2_rl.sim.film import shoot
from ros2_rl.sim.trial import Outcome, carry_out

_FPS = 25


@dataclass(frozen=True)
class Sitting:
    """Who is examined on what.

    Attributes:
        policy: the policy that wants to be promoted.
        base: what it is compared with; None: there is no verdict.
        out: folder of the results.
        film: whether the worst trial is filmed.
    """

    setting: Setting
    policy: Path
    base: Path | None
    out: Path
    film: bool = True

    @property
    def count(self) -> int:
        """Trials, of all policies together."""
        return self.setting.count * (2 if self.base else 1)

    def run(
        self, told: Callable[[str, Outcome], None], stop: Callable[[], bool] = lambda: False
    ) -> tuple[dict[str, Result], list[Check], str]:
        """Results by name, the conditions, and what became of the film; all of it is also in ``out``.

        Raises:
            ContractError: a policy does not fit the robot or the task.
            ConfigError: the folder cannot be written.
        """
        who = {"policy": self.policy} | ({"base": self.base} if self.base else {})
        results = {}
        for name, path in who.items():
            results[name] = examine(path, self.setting, partial(told, name), stop)
            if stop():
                return results, [], ""
        verdict: list[Check] = []
        if self.base:
            figures = (results["policy"].figures(), results["base"].figures())
            verdict = checks(*figures, self.setting.exam.limits)
        video = self._film(results["policy"]) if self.film else "no film was asked for"
        leave_behind(self.out, results, verdict, video)
        return results, verdict, video

    def _film(self, result: Result) -> str:
        """Carry the worst trial out again, which repeats it exactly, and film it."""
        trial, _ = result.worst
        poses: list[np.ndarray] = []
        setting = self.setting
        carry_out(
            trial, setting.task, result.policy, setting.robot_name, lambda pose: poses.append(pose.copy())
        )
        every = max(round(1.0 / (_FPS * setting.task.step_dt)), 1)
        roughness = trial.gap.terrain_roughness_m
        path = self.out / "worst.mp4"
        failed = shoot(np.array(poses[::every]), _FPS, path, setting.robot_name, roughness)
        return failed or f"worst.mp4: {trial.section}, {trial.name}"


def find_policy(text: str) -> Path:
    """The ONNX policy that a path means: a file, or a run's folder with its ``policy.onnx``.

    Raises:
        ConfigError: there is none.
    """
    path = Path(text).expanduser().absolute()
    path = path / "policy.onnx" if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(
            f"There is no policy file {path}; give an ONNX policy, or the folder of a run that has saved one."
        )
    return path


def check_policies(paths: Sequence[Path], setting: Setting) -> None:
    """That the policies fit robot and task, before anything is simulated.

    Raises:
        ContractError: a sentence that says why one does not.
    """
    for path in paths:
        OnnxPolicy(path).check(load_equipped(setting.robot_name, path), setting.task)
