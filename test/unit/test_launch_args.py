"""Arguments of the launch files: defaults hold, mistakes are one sentence."""

import shutil
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.errors import ConfigError
from ros2_rl.launch_args import FINETUNE_ARGUMENTS, SIM_ARGUMENTS, check_finetune_args, check_sim_args
from ros2_rl.learning.config import load_learner
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.onnx_policy import OnnxPolicy, linear_layers, write_policy
from ros2_rl.tasks import load_task


def mistake(**values: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_finetune_args(values)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


def test_the_defaults_are_valid_and_make_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    args = check_finetune_args({})
    assert (args.robot, args.task, args.gap, args.learner) == ("go2", "trot", "default", "slowrl")
    assert (args.speed, args.minutes, args.seed, args.headless) == (0.0, 75.0, 1, True)
    assert args.use_sim_time and args.params_file == ""
    assert args.lockstep and args.policy == "" and args.resume == ""
    assert Path(args.run_dir).parent == tmp_path / "runs"
    assert list(tmp_path.iterdir()) == []


def test_the_simulator_alone_runs_in_real_time_without_a_gap() -> None:
    args = check_sim_args({})
    assert args.gap == "none" and args.speed == 1.0 and not args.lockstep


def test_every_argument_is_described() -> None:
    assert set(SIM_ARGUMENTS) < set(FINETUNE_ARGUMENTS)
    assert all(description for _, description in FINETUNE_ARGUMENTS.values())


@pytest.mark.parametrize(
    ("name", "available"),
    [("robot", "go2"), ("task", "trot"), ("gap", "default"), ("learner", "slowrl"), ("hardware", "sim")],
)
def test_an_unknown_name_is_refused_with_what_there_is(name: str, available: str) -> None:
    text = mistake(**{name: "elephant"})
    assert "elephant" in text and available in text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"hardware": "go2"}, "needs the network interface"),
        ({"hardware": "go2", "interface": "eth77"}, "no network interface 'eth77'"),
        ({"hardware": "go2_sim", "domain": "300"}, "domain must be from 0 to 230"),
        ({"hardware": "go2", "interface": "lo", "speed": "2"}, "speed cannot be 2"),
        ({"interface": "lo"}, "with hardware:=sim leave them out"),
    ],
)
def test_a_robot_that_cannot_be_reached_so_is_refused(values: dict[str, str], words: str) -> None:
    assert words in mistake(**values)


def test_a_rehearsal_stays_on_this_machine_in_a_domain_of_its_own_and_in_real_time() -> None:
    args = check_finetune_args({"hardware": "go2_sim"})
    assert (args.interface, args.domain, args.speed, args.lockstep) == ("lo", 1, 1.0, False)
    assert check_finetune_args({"hardware": "go2_sim", "speed": "1.5"}).speed == 1.5
    real = check_finetune_args({"hardware": "go2", "interface": "lo"})
    assert (real.domain, real.speed, real.use_sim_time) == (0, 1.0, False)


def test_a_log_level_is_one_of_those_of_ros() -> None:
    assert "info" in mistake(log_level="loud")


def test_an_unknown_argument_is_refused_with_those_that_there_are() -> None:
    text = mistake(tsk="trot")
    assert "'tsk'" in text and "task" in text


def test_auto_is_the_learner_that_the_task_names() -> None:
    for task in ("trot", "jump"):
        assert check_finetune_args({"learner": "auto", "task": task}).learner == load_task(task).learner
    assert check_finetune_args({"learner": "auto"}).learner == "fft", "the evidence is in docs/slowrl.md"


def test_for_a_short_budget_auto_is_the_learner_that_gets_furthest_in_it() -> None:
    def chosen(task: str, minutes: str) -> str:
        return check_finetune_args({"learner": "auto", "task": task, "minutes": minutes}).learner

    assert chosen("trot", "20") == "offpolicy_replica", "the evidence is in docs/offpolicy.md"
    assert chosen("trot", "20.1") == "fft"
    assert chosen("jump", "5") == "slowrl"


def test_auto_asks_no_simulator_for_a_policy_that_it_does_not_know(tmp_path: Path) -> None:
    own = OnnxPolicy(load_task("trot").policy_path)

    def chosen(contract: Contract, minutes: str) -> str:
        path = tmp_path / "policy.onnx"
        write_policy(path, linear_layers(own.model), "elu", contract)
        return check_finetune_args({"learner": "auto", "policy": str(path), "minutes": minutes}).learner

    others = replace(own.contract, action_scale=(0.2,))
    assert chosen(others, "20") == "offpolicy_lora"
    assert chosen(others, "75") == "fft"
    trained_on = replace(own.contract, run_path="elsewhere", policy_version=3)
    assert chosen(trained_on, "20") == "offpolicy_replica", "it sees and acts as the task's own"


def test_the_simulator_has_no_learner() -> None:
    with pytest.raises(ConfigError, match="learner"):
        check_sim_args({"learner": "slowrl"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speed", "-1"),
        ("speed", "0.001"),
        ("speed", "fast"),
        ("speed", "nan"),
        ("minutes", "0"),
        ("minutes", "inf"),
        ("seed", "-1"),
        ("seed", "1.5"),
        ("seed", str(2**31)),
        ("headless", "perhaps"),
        ("use_sim_time", "sometimes"),
        ("namespace", "a b"),
        ("namespace", "1robot"),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: str) -> None:
    text = mistake(**{name: value})
    assert value in text


@given(st.text(max_size=12))
def test_numbers_are_within_their_range_or_refused(text: str) -> None:
    try:
        args = check_sim_args({"speed": text, "seed": text})
    except ConfigError:
        return
    assert args.speed == 0 or 0.01 <= args.speed <= 100
    assert 0 <= args.seed < 2**31


def test_headless_false_needs_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "DISPLAY" in mistake(headless="false")
    monkeypatch.setenv("DISPLAY", ":0")
    assert check_sim_args({"headless": "False"}).headless is False


def test_a_policy_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "nowhere.onnx" in mistake(policy=str(tmp_path / "nowhere.onnx"))


def test_a_rank_larger_than_the_policys_layers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = load_learner("slowrl", rank=13)
    monkeypatch.setattr("ros2_rl.launch_args.load_learner", lambda name: wide)
    assert "rank: 13 is larger than the policy's narrowest layer; choose 1 to 12" in mistake()


def test_a_policy_becomes_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.onnx").touch()
    assert check_sim_args({"policy": "mine.onnx"}).policy == str(tmp_path / "mine.onnx")


@pytest.mark.parametrize("text", [None, "a: [", "just text", "supervisor: {autostart: false}"])
def test_a_parameter_file_is_one_that_ros_can_read(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    assert "mine.yaml" in mistake(params_file=str(path))


def test_a_parameter_file_becomes_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("lab: {supervisor: {ros__parameters: {autostart: false}}}")
    assert check_sim_args({"params_file": "mine.yaml"}).params_file == str(tmp_path / "mine.yaml")


def test_a_run_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "run_dir" in mistake(run_dir=str(tmp_path / "file" / "run"))


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "summary.json").touch()
    assert "another run_dir" in mistake(run_dir=str(tmp_path))


def test_a_full_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")(10**12, 10**12, 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "make room" in mistake(run_dir=str(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


def test_resuming_needs_an_earlier_run(tmp_path: Path) -> None:
    assert "checkpoints" in mistake(resume=str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    run_dir = str(tmp_path / "next")
    assert check_finetune_args({"resume": str(tmp_path), "run_dir": run_dir}).resume == str(tmp_path)


@pytest.mark.parametrize("kind", ["true", "events"])
def test_a_record_for_which_there_is_no_room_is_refused(tmp_path: Path, kind: str) -> None:
    values = {"run_dir": str(tmp_path), "record": kind, "record_mib": "10"}
    if kind == "true":
        with pytest.raises(ConfigError, match="robot minutes make a record.*record_mib allows 10"):
            check_finetune_args(values)
    else:
        assert check_finetune_args(values).record == "events"
    with pytest.raises(ConfigError, match="make room or lower record_mib"):
        check_sim_args(values | {"record_mib": "9999999"})


def test_a_simulation_has_a_run_folder_that_is_not_made_before_it_is_needed(tmp_path: Path) -> None:
    folder = Path(check_sim_args({}).run_dir)
    assert folder.parent == Path.cwd() / "runs" and not folder.exists()
    assert check_sim_args({"record": "true", "run_dir": str(tmp_path)}).run_dir == str(tmp_path)


def test_a_launch_does_not_wait_for_torch() -> None:
    code = "import sys, ros2_rl.arm_args, ros2_rl.demo_args; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
