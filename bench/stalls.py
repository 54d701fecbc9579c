"""A host that stalls: what becomes of a trotting robot that nobody feels or answers for a while?

The whole stack in one process, 200 states a second; robots under the commands of training, on the gap
``default``. For a while no state reaches anybody. The drives go on with the last command until the driver's
time-out (50 ms, ``command_timeout_s`` of go2_driver), then they damp; then states come again. For each length
of the stall, under the supervisor's own rules and with one reaction to all gaps: robots that fell (true tilt
above 60 degrees), that recovery had to take, that the policy had again and kept for 2 s, and the median and
longest time until it had them. Must: under the supervisor's own rules no robot falls, and the policy has all
of them again that nobody damped for good, which are those of a stall above ``stamp.gap_s``.

    python bench/stalls.py [--quick] [--out FILE]
"""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from launching import write_result

from ros2_rl.learning.phase import TRAIN, Phase
from ros2_rl.paths import share_path
from ros2_rl.robots import NS_PER_S, tilt
from ros2_rl.safety.config import SafetyConfig, load_safety
from ros2_rl.safety.learned import load_recovery
from ros2_rl.safety.modes import LATCHED, Mode
from ros2_rl.safety.reaction import Reaction
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.supervisor import Supervisor
from ros2_rl.sim import drives
from ros2_rl.sim.loop import RECOVERY_POLICY, Robot
from ros2_rl.sim.perturbations import load_gap
from ros2_rl.sim.plant import FALL_TILT
from ros2_rl.tasks import load_task

STALLS_MS = (40, 60, 80, 100, 160, 240, 320, 480, 1000)
_DRIVER_S = 0.05
_STATE_MS, _STEP_S, _LIMIT_S, _KEPT_S = 5, 0.02, 8.0, 2.0
_SEED = 1


@dataclass
class Tally:
    """What became of the robots of one kind of stall."""

    fell: int = 0
    recovered: int = 0
    damped: int = 0
    back_s: list[float] = field(default_factory=list)


class Walker(Robot):
    """A robot that trots under the training's commands, in real time: its supervisor waits for nobody."""

    def __init__(self, seed: int, rules: SafetyConfig):
        self._rules = rules
        task = load_task("trot")
        super().__init__(task, task.policy_path, seed, load_gap("default"), state_rate_hz=1e3 / _STATE_MS)

    def __post_init__(self) -> None:
        super().__post_init__()
        learned = load_recovery(share_path(*RECOVERY_POLICY), self.robot)
        recovery = RecoveryController(self.robot, self._rules, learned)
        self.supervisor = Supervisor(self.robot, self._rules, recovery, autostart=True)
        self.announce(Phase(TRAIN, 4 * NS_PER_S, self.seed, True, False))
        self.walk(5.0)
        assert self.supervisor.mode is Mode.POLICY

    def walk(self, seconds: float) -> None:
        for _ in range(round(seconds / _STEP_S)):
            self.step()

    def stall(self, stall_ms: int, tally: Tally) -> None:
        """Nobody is there for so long; then watch what they make of it."""
        before = self.supervisor.snapshot().overrides
        for _ in range(stall_ms // _STATE_MS):
            self.plant.advance()
        back_s = self._watch(tally)
        tally.damped += self.supervisor.mode in LATCHED
        tally.recovered += self.supervisor.snapshot().overrides > before
        if back_s is not None:
            tally.back_s.append(back_s)

    def _watch(self, tally: Tally) -> float | None:
        """Time until the policy has the robot and keeps it, s."""
        since, fell = None, False
        for i in range(round(_LIMIT_S / _STEP_S)):
            self.step()
            fell = fell or bool(tilt(self.plant.truth().quat) > FALL_TILT)
            since = (since or (i + 1) * _STEP_S) if self.supervisor.mode is Mode.POLICY else None
            if since is not None and (i + 1) * _STEP_S >= since + _KEPT_S:
                break
        tally.fell += fell
        return since


def rules(reaction: Reaction | None) -> SafetyConfig:
    """The supervisor's own, or one reaction to every gap."""
    own = load_safety("go2")
    if reaction is None:
        return own
    for guard in ("stamp", "long_state_gap"):
        own = own.with_guard(guard, gap_s=1e3)
    return own.with_guard("state_gap", reaction=reaction)


def stalled(stall_ms: int, config: SafetyConfig, robots: int) -> Tally:
    """So many stalls at random times of a trot; a robot that does not come back makes room for another."""
    tally, rng = Tally(), np.random.default_rng(_SEED)
    walker = Walker(_SEED, config)
    for number in range(robots):
        walker.walk(rng.uniform(1.0, 2.5))
        if walker.supervisor.mode is not Mode.POLICY:
            walker = Walker(_SEED + number, config)
        walker.stall(stall_ms, tally)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 robots a cell instead of 40, own rules only")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    args = parser.parse_args()
    robots = 4 if args.quick else 40
    kinds = {"own": None} | ({} if args.quick else {"hold": Reaction.HOLD, "recovery": Reaction.RECOVERY})
    drives.COMMAND_TIMEOUT_S = _DRIVER_S
    limit_ms = 1e3 * load_safety("go2").guards.stamp.gap_s
    figures: dict[str, float] = {}
    well = True
    for kind, reaction in kinds.items():
        for stall_ms in STALLS_MS:
            tally = stalled(stall_ms, rules(reaction), robots)
            back = tally.back_s or [float("nan")]
            values = {
                "fell": tally.fell, "recovery": tally.recovered, "damped": tally.damped,
                "back": len(tally.back_s), "median_s": float(np.median(back)), "longest_s": max(back),
            }  # fmt: skip
            figures |= {f"{kind}/{stall_ms}ms/{name}": value for name, value in values.items()}
            print(
                f"{kind:9s} {stall_ms:5d} ms  " + "  ".join(f"{n} {v:.3g}" for n, v in values.items()),
                flush=True,
            )
            if kind == "own":
                damped = robots if stall_ms > limit_ms else 0
                well &= (tally.fell, tally.damped, len(tally.back_s)) == (0, damped, robots - damped)
    write_result(args.out, figures | {"robots": robots})
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
