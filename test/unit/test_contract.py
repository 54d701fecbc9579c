"""The contract of a policy: read and written without loss, every contradiction refused by name."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_rig import CONTRACT, JUMP_CONTRACT, ROBOT

from ros2_rl.errors import ContractError
from ros2_rl.policy.contract import TERM_SIZES, Contract
from ros2_rl.policy.fit import equipped, gain_set
from ros2_rl.policy.observation import TERMS
from ros2_rl.tasks import load_task

MJLAB_KEYS = (
    "joint_names", "joint_stiffness", "joint_damping", "default_joint_pos", "command_names",
    "observation_names", "action_scale", "run_path",
)  # fmt: skip


def metadata(**changes: str) -> dict[str, str]:
    return CONTRACT.to_metadata() | changes


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=12, max_size=12), st.floats(1e-6, 10.0), st.integers(1, 9))
def test_metadata_keeps_every_digit(values: list[float], step_dt: float, history: int) -> None:
    contract = replace(
        CONTRACT, default_joint_pos=tuple(values), step_dt=step_dt, observation_history=history
    )
    assert Contract.from_metadata(contract.to_metadata()) == contract


@given(st.dictionaries(st.sampled_from(sorted(CONTRACT.to_metadata())), st.text(max_size=30)))
def test_any_text_in_the_metadata_is_read_or_refused(changes: dict[str, str]) -> None:
    try:
        contract = Contract.from_metadata(metadata(**changes))
    except ContractError:
        return
    assert Contract.from_metadata(contract.to_metadata()) == contract


def test_a_file_of_mjlab_gets_our_defaults() -> None:
    theirs = {key: value for key, value in metadata().items() if key in MJLAB_KEYS}
    theirs["observation_names"] = (
        "base_lin_vel,base_ang_vel,projected_gravity,joint_pos,joint_vel,actions,command"
    )
    theirs["action_scale"] = ",".join(["0.373"] * 12)
    contract = Contract.from_metadata(theirs)
    contract.check(ROBOT)
    assert contract.observation_width == 48
    assert contract.elements("observation_scales").tolist() == [1.0] * 48
    assert (contract.observation_history, contract.step_dt, contract.action_clip) == (1, 0.02, 100.0)
    assert contract.gait_period == 0.0
    assert np.allclose(np.exp(contract.log_std), 0.2)


def test_foreign_metadata_is_kept() -> None:
    contract = Contract.from_metadata(metadata(author="somebody"))
    assert contract.to_metadata()["author"] == "somebody"


def test_scales_may_be_given_per_element() -> None:
    scales = tuple(float(i) for i in range(47))
    assert replace(CONTRACT, observation_scales=scales).elements("observation_scales").tolist() == list(
        scales
    )


@pytest.mark.parametrize("key", ["joint_names", "joint_stiffness", "observation_names", "action_scale"])
def test_a_missing_key_is_named(key: str) -> None:
    data = metadata()
    del data[key]
    with pytest.raises(ContractError, match=f"lacks {key}"):
        Contract.from_metadata(data)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"joint_stiffness": "40.0,40.0"}, "2 values in joint_stiffness for 12 joints"),
        ({"joint_stiffness": "forty"}, "'forty' in joint_stiffness"),
        ({"default_joint_pos": ",".join(["nan"] * 12)}, "default_joint_pos that is not finite"),
        ({"step_dt": "0"}, "step_dt is 0.0"),
        ({"step_dt": "inf"}, "step_dt that is not finite"),
        ({"observation_history": "0"}, "observation_history is 0"),
        ({"observation_names": "joint_pos,moon_phase"}, "observation moon_phase"),
        ({"observation_scales": "1.0,2.0"}, "2 observation_scales for 7 terms"),
        ({"action_type": "torque"}, "action_type is 'torque'"),
        ({"gait_period": "0"}, "no gait_period"),
        ({"observation_names": "contact_clock"}, "no contact_plan"),
        ({"contact_plan": "1.0,0.4"}, "2 values in contact_plan"),
        ({"joint_names": ",".join(["FL_hip_joint"] * 12)}, "a joint twice"),
        ({"history_order": "random"}, "history_order is 'random'; there are newest_first, oldest_first"),
        ({"history_by": "row"}, "history_by is 'row'"),
        ({"term_history": "1,1"}, "term_history is 1, 1 for 7 terms"),
        ({"term_history": "1,1,1,1,1,1,1"}, "history_by must be 'term'"),
        ({"observation_lower": "nan"}, "observation_lower that is not finite"),
        ({"observation_lower": "1.0,2.0"}, "2 observation_lower for 7 terms"),
        ({"target_lower": "0.0"}, "1 values in target_lower for 12 joints"),
        (
            {"target_lower": ",".join(["1"] * 12), "target_upper": ",".join(["0"] * 12)},
            "above its target_upper",
        ),
    ],
)
def test_a_contradiction_is_named(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        Contract.from_metadata(metadata(**changes))


def test_an_unknown_joint_is_named() -> None:
    names = ("knee", *CONTRACT.joint_names[1:])
    with pytest.raises(ContractError, match="moves knee, which go2 does not have"):
        replace(CONTRACT, joint_names=names).check(ROBOT)


def test_a_joint_that_the_policy_leaves_out_is_named() -> None:
    cut = {key: getattr(CONTRACT, key)[:11] for key in (
        "joint_names", "joint_stiffness", "joint_damping", "default_joint_pos", "action_scale", "log_std",
    )}  # fmt: skip
    with pytest.raises(ContractError, match="does not move RR_calf_joint"):
        replace(CONTRACT, **cut).check(ROBOT)


def test_a_gain_set_other_than_the_policys_is_refused_but_for_mjlabs_three_decimals() -> None:
    replace(CONTRACT, joint_stiffness=(40.0004,) * 12).check(ROBOT, gains="policy")
    with pytest.raises(ContractError, match="joint_stiffness 20.0.*gain set 'policy' of go2 has 40.0"):
        replace(CONTRACT, joint_stiffness=(20.0,) * 12).check(ROBOT, gains="policy")


@pytest.mark.parametrize(("key", "value"), [("joint_stiffness", 400.0), ("joint_stiffness", 0.0),
                                            ("joint_damping", 50.0), ("joint_damping", -1.0)])  # fmt: skip
def test_gains_that_no_drive_of_the_robot_takes_are_refused(key: str, value: float) -> None:
    values = (*getattr(CONTRACT, key)[:11], value)
    with pytest.raises(ContractError, match=f"{key} {value:g} at RR_calf_joint, but go2 takes"):
        replace(CONTRACT, **{key: values}).check(ROBOT)


def test_a_pose_beyond_the_joint_limits_tells_of_a_misordered_list() -> None:
    by_part = tuple(sorted(ROBOT.joints, key=lambda name: ("hip", "thigh", "calf").index(name.split("_")[1])))
    with pytest.raises(ContractError, match="RL_hip_joint at -1.8 rad.*mend the order of joint_names"):
        replace(CONTRACT, joint_names=by_part).check(ROBOT)


def test_a_policy_with_gains_of_its_own_gets_a_gain_set_of_its_own() -> None:
    foreign = replace(
        CONTRACT, joint_names=ROBOT.joints[::-1], joint_stiffness=tuple(20.0 + i for i in range(12)),
        default_joint_pos=CONTRACT.default_joint_pos[::-1],
    )  # fmt: skip
    assert (gain_set(CONTRACT, ROBOT), equipped(CONTRACT, ROBOT)) == ("policy", ROBOT)
    name, robot = gain_set(foreign, ROBOT), equipped(foreign, ROBOT)
    assert name.startswith("policy_") and name not in ROBOT.gains
    assert robot.gains[name].kp.tolist() == [31.0 - i for i in range(12)]
    assert gain_set(replace(foreign, joint_damping=(0.5,) * 12), ROBOT) != name


def test_a_policy_without_a_clock_fits_a_task_with_one() -> None:
    blind = replace(CONTRACT, observation_names=CONTRACT.observation_names[:-1], observation_scales=(),
                    gait_period=0.0)  # fmt: skip
    blind.check(ROBOT, load_task("trot"))


@pytest.mark.parametrize("key", ["step_dt", "gait_period"])
def test_another_task_is_refused(key: str) -> None:
    task = load_task("trot")
    CONTRACT.check(ROBOT, task)
    with pytest.raises(ContractError, match=f"{key} is 0.04 s, but the task trot"):
        replace(CONTRACT, **{key: 0.04}).check(ROBOT, task)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stand_below": 0.1}, "stands below a command of 0.1, but the task jump below 0.03"),
        ({"contact_plan": (1.0, 0.4, 0.68)}, "lift_off=0.4, .*task jump has .*lift_off=0.44"),
        ({"contact_plan": (), "observation_names": ("joint_pos",), "observation_scales": ()}, "plan is None"),
    ],
)
def test_another_jump_is_refused(change: dict, sentence: str) -> None:
    task = load_task("jump")
    JUMP_CONTRACT.check(ROBOT, task)
    with pytest.raises(ContractError, match=sentence):
        replace(JUMP_CONTRACT, **change).check(ROBOT, task)


def test_an_unlimited_action_gets_the_default_clip() -> None:
    assert replace(CONTRACT, action_clip=math.inf).action_clip == 100.0


def test_every_known_term_can_be_built() -> None:
    assert set(TERMS) == set(TERM_SIZES)
