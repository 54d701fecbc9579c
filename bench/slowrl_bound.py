"""What many robots reach: full fine-tuning with the pooled data of a fleet, as an upper bound.

Sixteen simulated robots with the same gap and different seeds walk at once; each update has the
data of all. Everything else is what one robot runs. A single robot cannot know more than this.

    python bench/slowrl_bound.py [--task trot] [--gaps default ...] [--updates 120] [--out FILE]
"""

import argparse
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from launching import write_result
from slowrl_robot import Twin

from ros2_rl.learning.config import SlowRLConfig, load_learner
from ros2_rl.learning.events import Announce, Label, Learn
from ros2_rl.learning.making import make_learner
from ros2_rl.learning.rollout import Batch, Counts, Rollout
from ros2_rl.learning.session import Session
from ros2_rl.learning.session_config import SessionConfig
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.policy.step import StepRecord
from ros2_rl.sim.loop import Robot
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.tasks import load_task

_NEVER = 1e9
_STEPS = 768
"""Control steps of each robot in an update."""
_SEED = 50_000
"""First seed of the fleet; no run and no tuning uses it."""


class Member:
    """A robot of the fleet with its own rollout."""

    def __init__(self, task_name: str, gap: str, seed: int):
        task = load_task(task_name)
        self.robot = Robot(task, task.policy_path, seed, load_gap(gap))
        config = SessionConfig(
            minutes=_NEVER, window_steps=_STEPS, lag_steps=0, episodes=1, measure_pretrained=False,
            look_every_min=_NEVER, look_at=_NEVER,
        )  # fmt: skip
        self._rollout = Rollout()
        self._session = Session(config, task, self.robot.robot, seed, self._collect)
        self._todo = self._session.begin()

    def walk(self) -> Batch:
        """Until a window is full."""
        while True:
            for event in self._todo:
                if isinstance(event, Announce):
                    self.robot.announce(event.phase)
            full = any(isinstance(event, Learn) for event in self._todo)
            self._todo = []
            if full:
                return self._rollout.drain()
            record, labels = self.robot.step()
            for label in labels:
                self._session.on_label(label)
            self._todo = self._session.on_step(record)

    def _collect(self, record: StepRecord, after: StepRecord, reward: float, label: Label) -> None:
        self._rollout.add(record, after, reward, label.actor, bool(label.falls))


def pooled(batches: list[Batch]) -> Batch:
    """The steps of all robots one after another; each robot's last step ends a segment."""
    arrays = [f.name for f in fields(Batch) if f.name != "counts"]
    return Batch(
        **{name: np.concatenate([getattr(b, name) for b in batches]) for name in arrays},
        counts=Counts(used=sum(len(b) for b in batches)),
    )


def bound(task_name: str, gap: str, robots: int, updates: int) -> dict[str, float]:
    """Returns before and after, and the recovered fraction."""
    task = load_task(task_name)
    cfg = load_learner("fft", seed=_SEED, window_steps=robots * _STEPS, minibatches=8, target_kl=0.01)
    assert isinstance(cfg, SlowRLConfig)
    learner = make_learner(OnnxPolicy(task.policy_path), task.critic_path, cfg)
    fleet = [Member(task_name, gap, _SEED + i) for i in range(robots)]
    twin = Twin(Robot(task, task.policy_path, _SEED + robots, load_gap(gap)), 0, 16)
    low, high = twin.examine(None).mean_return, twin.examine(None, gap=False).mean_return
    best, begin = low, time.monotonic()
    for update in range(1, updates + 1):
        batches = [member.walk() for member in fleet]
        learner.update(pooled([b for b in batches if len(b)]))
        data = learner.adapter(update)
        for member in fleet:
            member.robot.runtime.submit(replace(data, version=update).to_bytes())
        if update % 10 == 0:
            found = twin.examine(data).mean_return
            best = max(best, found)
            minutes = robots * _STEPS * update / 3000
            print(
                f"{gap}: {minutes:6.0f} robot min  return {found:.2f}  recovered "
                f"{(found - low) / (high - low):.2f}  {time.monotonic() - begin:.0f} s",
                flush=True,
            )
    return {
        "pretrained_return": high, "zero_shot_return": low, "best_return": best,
        "best_fraction": (best - low) / (high - low), "robot_minutes": robots * _STEPS * updates / 3000,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", default="trot", help="task, as in config/tasks")
    parser.add_argument("--gaps", nargs="+", default=["default"], help="gaps, as in config/gaps")
    parser.add_argument("--robots", type=int, default=16)
    parser.add_argument("--updates", type=int, default=120)
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    args = parser.parse_args()
    figures: dict[str, float | None] = {}
    for gap in args.gaps:
        found = bound(args.task, gap, args.robots, args.updates)
        figures |= {f"{args.task}/{gap}/{key}": value for key, value in found.items()}
        write_result(args.out, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
