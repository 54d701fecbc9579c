"""Arguments of record_demos.launch.py: defaults hold, mistakes are one sentence."""

from pathlib import Path

import pytest

from ros2_rl.demo_args import DEMO_ARGUMENTS, check_demo_args
from ros2_rl.errors import ConfigError


def test_the_defaults_are_valid_and_make_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    args = check_demo_args({})
    assert (args.robot, args.task, args.demos, args.lockstep) == ("arm", "peg", 20, True)
    assert Path(args.out) == tmp_path / "demos" and not list(tmp_path.iterdir())
    assert not check_demo_args({"speed": "2"}).lockstep
    assert all(description for _, description in DEMO_ARGUMENTS.values())


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("task", "trot", "robot with legs"),
        ("task", "fold", "no task 'fold'"),
        ("operator", "nobody", "scripted, person"),
        ("demos", "0", "from 1 to"),
        ("demos", "nan", "from 1 to"),
        ("speed", "fast", "from 0 to 20"),
        ("headless", "maybe", "true, false"),
        ("dmos", "3", "no argument 'dmos'"),
    ],
)
def test_a_mistake_is_named(name: str, value: str, what: str):
    with pytest.raises(ConfigError, match=what):
        check_demo_args({name: value})


def test_a_folder_with_demonstrations_is_left_alone(tmp_path: Path):
    (tmp_path / "0001.demo.npz").touch()
    with pytest.raises(ConfigError, match="already; name another folder"):
        check_demo_args({"out": str(tmp_path)})
