"""The scripted person beside a robot with legs: a plan by robot time, the same for the same seed."""

import numpy as np
import pytest

from ros2_rl.arm_args import for_legs
from ros2_rl.errors import ConfigError
from ros2_rl.launch_args import check_finetune_args
from ros2_rl.tasks import load_task
from ros2_rl.tasks.clock import STEP_NS
from ros2_rl.teleop.scripted import Habits, ScriptedDriver

RANGES = load_task("trot").command_ranges
HABITS = Habits(
    steer_every_s=20.0,
    steer_s=5.0,
    take_over_at_s=(10.0, 30.0),
    drive_s=4.0,
    change_every_s=2.0,
    reaction_s=0.3,
)


class World:
    """A supervisor that follows a request a tenth of a second later."""

    def __init__(self, seed: int = 1, deaf_steps: int = 0):
        self.person, self.step, self.driving, self.overrides = (
            ScriptedDriver(RANGES, seed, HABITS),
            0,
            False,
            0,
        )
        self._due: list[tuple[int, bool]] = []
        self._deaf = deaf_steps
        self.asked: list[tuple[float, str]] = []

    @property
    def now(self) -> float:
        return self.step * STEP_NS * 1e-9

    def go(self, seconds: float, trains: bool = True) -> list:
        """So much robot time; every intent."""
        found = []
        for _ in range(round(seconds * 1e9) // STEP_NS):
            self.step += 1
            self._due, due = (
                [d for d in self._due if d[0] > self.step],
                [d for d in self._due if d[0] <= self.step],
            )
            for _, driving in due:
                self.driving = driving
            intent = self.person.watch(self.step * STEP_NS, trains, self.driving, self.overrides)
            for request in intent.requests:
                self.asked.append((self.now, request))
                if request in ("take_over", "give_back") and self.step > self._deaf:
                    self._due.append((self.step + 5, request == "take_over"))
            found.append(intent)
        return found


def test_it_takes_over_when_it_is_time_and_gives_back():
    world = World()
    world.go(60.0)
    times = [round(at) for at, _ in world.asked]
    assert [what for _, what in world.asked] == ["take_over", "give_back"] * 2
    assert times == [10, 14, 30, 34] and world.person.taken_over == 2 and not world.driving


def test_it_asks_again_until_it_is_followed():
    world = World(deaf_steps=round(13.0e9) // STEP_NS)
    world.go(20.0)
    asked = [at for at, what in world.asked if what == "take_over"]
    assert len(asked) == 4 and np.diff(asked).min() >= 0.99 and world.person.taken_over == 1


def test_it_steers_now_and_then_within_the_ranges_and_always_while_it_drives():
    world = World()
    intents = world.go(48.0)
    asked = [i for i in intents if i.velocity is not None]
    seconds = len(asked) * STEP_NS * 1e-9
    assert seconds == pytest.approx(5.0 + 5.0 + 2 * 4.2, abs=1.0)
    velocities = np.array([(*i.velocity[:2], i.yaw_rate) for i in asked])
    low, high = np.array(list(RANGES.values())).T
    assert (velocities >= low).all() and (velocities <= high).all() and np.ptp(velocities[:, 0]) > 0.0


def test_a_rescue_is_a_failure_a_moment_later():
    world = World()
    world.go(2.0)
    world.overrides = 1
    world.go(2.0)
    assert [(round(at, 1), what) for at, what in world.asked] == [(2.3, "failure")]
    assert world.person.judged == 1


def test_it_keeps_its_hands_off_an_evaluation():
    world = World()
    world.go(9.5)
    world.overrides += 1
    intents = world.go(60.0, trains=False)
    assert not world.asked and all(i.velocity is None for i in intents)
    world.go(2.0)
    assert [what for _, what in world.asked] == ["take_over"], "its plan goes on where training does"


def test_the_same_seed_is_the_same_person():
    def velocities(seed: int) -> list:
        return [i.velocity.tolist() for i in World(seed).go(40.0) if i.velocity is not None]

    assert velocities(1) == velocities(1) != velocities(2)


def test_who_may_stand_beside_which_robot():
    assert check_finetune_args({"operator": "scripted"}).operator == "scripted"
    with pytest.raises(ConfigError, match="may not drive a real robot"):
        check_finetune_args({"operator": "scripted", "hardware": "go2", "interface": "lo"})
    with pytest.raises(ConfigError, match="none, person, scripted"):
        check_finetune_args({"operator": "nobody"})
    with pytest.raises(ConfigError, match="no use for demos"):
        for_legs({"demos": "somewhere", "task": "trot"})
    assert for_legs({"demos": "", "task": "trot"}) == {"task": "trot"}
