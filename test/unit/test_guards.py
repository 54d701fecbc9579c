"""Every guard whose condition is there or not: it trips after its debounce, reacts as its rule says, and is
released by its rule; a healthy robot trips none."""

import math
from dataclasses import replace

import numpy as np
import pytest
from guard_rig import RULES, Watch, healthy, of_estimate, of_sample, of_senses, of_state, of_tick
from safety_rig import ROBOT, STATE_NS, STEP_NS

from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.guards.attitude import HeightGuard, PredictedTiltGuard, TiltGuard
from ros2_rl.safety.guards.estimate import EstimateGuard
from ros2_rl.safety.guards.joints import (
    JointLoadGuard,
    JointPositionGuard,
    JointSpeedFaultGuard,
    JointSpeedGuard,
    JointTorqueFaultGuard,
    TemperatureGuard,
)
from ros2_rl.safety.guards.panel import GuardPanel
from ros2_rl.safety.guards.power import BatteryGuard
from ros2_rl.safety.guards.sensors import ImuRangeGuard
from ros2_rl.safety.guards.timing import CommandAgeGuard, TargetAgeGuard
from ros2_rl.safety.reaction import OK, Reaction, Verdict


def joint(index: int, value: float) -> np.ndarray:
    values = np.zeros(12)
    values[index] = value
    return values


def posed(index: int, value: float) -> np.ndarray:
    values = np.array(ROBOT.stand_pose)
    values[index] = value
    return values


def tilted(degrees: float, rate: float = 0.0):
    return of_sample(tilt=math.radians(degrees), tilt_rate=math.radians(rate))


ROBOT_GUARDS = {
    "joint_position": lambda rule: JointPositionGuard(ROBOT, rule),
    "joint_speed": lambda rule: JointSpeedGuard(ROBOT, rule),
    "joint_speed_fault": lambda rule: JointSpeedFaultGuard(ROBOT, rule),
    "joint_torque_fault": lambda rule: JointTorqueFaultGuard(ROBOT, rule),
    "joint_load": lambda rule: JointLoadGuard(ROBOT, rule),
    "temperature": lambda rule: TemperatureGuard(ROBOT, rule),
    "target_age": lambda rule: TargetAgeGuard(rule, STEP_NS),
    "tilt": TiltGuard,
    "predicted_tilt": PredictedTiltGuard,
    "base_height": HeightGuard,
    "imu_range": ImuRangeGuard,
    "estimate": EstimateGuard,
    "command_age": CommandAgeGuard,
    "battery": BatteryGuard,
}
HOT = np.full(12, 45.0)
HOT[4] = 80.0
COLD = np.full(12, -np.inf)
FINE = np.zeros(12)

# Guard; what is still well; what is not; a word of the cause; the reaction.
CASES = [
    ("tilt", tilted(23.9), tilted(24.1), "tilt 24 deg", Reaction.RECOVERY),
    ("predicted_tilt", tilted(10, 230), tilted(10, 250), "rate 250", Reaction.RECOVERY),
    ("predicted_tilt", tilted(30, -900), tilted(30, 50), "tilt 30", Reaction.RECOVERY),
    ("base_height", of_tick(height=0.145), of_tick(height=0.08), "0.08 m", Reaction.RECOVERY),
    (
        "joint_position",
        of_state(q=posed(0, ROBOT.q_upper[0] + 0.3)),
        of_state(q=posed(0, ROBOT.q_upper[0] + 0.4)),
        ROBOT.joints[0],
        Reaction.DAMPING,
    ),
    (
        "joint_position",
        of_state(q=posed(5, ROBOT.q_lower[5] - 0.3)),
        of_state(q=posed(5, ROBOT.q_lower[5] - 0.4)),
        ROBOT.joints[5],
        Reaction.DAMPING,
    ),
    (
        "joint_speed",
        of_state(dq=joint(8, -0.99 * ROBOT.dq_max[8])),
        of_state(dq=joint(8, -1.01 * ROBOT.dq_max[8])),
        ROBOT.joints[8],
        Reaction.LIMIT,
    ),
    (
        "joint_speed_fault",
        of_state(dq=joint(8, 1.9 * ROBOT.dq_max[8])),
        of_state(dq=joint(8, 2.1 * ROBOT.dq_max[8])),
        ROBOT.joints[8],
        Reaction.DAMPING,
    ),
    (
        "joint_torque_fault",
        of_state(tau=joint(2, -1.4 * ROBOT.tau_max[2])),
        of_state(tau=joint(2, -1.6 * ROBOT.tau_max[2])),
        ROBOT.joints[2],
        Reaction.DAMPING,
    ),
    (
        "joint_load",
        of_state(tau=joint(2, 0.95 * ROBOT.tau_max[2])),
        of_state(tau=joint(2, 0.98 * ROBOT.tau_max[2])),
        ROBOT.joints[2],
        Reaction.HOLD,
    ),
    (
        "temperature",
        of_senses(temperatures=COLD),
        of_senses(temperatures=HOT),
        "FR_thigh_joint",
        Reaction.LIE_DOWN,
    ),
    ("temperature", of_senses(temperatures=None), of_senses(temperatures=HOT), "80 deg", Reaction.LIE_DOWN),
    ("imu_range", of_state(gyro=np.full(3, 19)), of_state(gyro=np.full(3, 20)), "rad/s", Reaction.DAMPING),
    ("imu_range", of_state(accel=np.full(3, 86)), of_state(accel=np.full(3, 87)), "m/s²", Reaction.DAMPING),
    ("target_age", of_sample(target_age_s=0.06), of_sample(target_age_s=0.065), "0.07 s", Reaction.HOLD),
    ("target_age", of_sample(target_age_s=0.0), of_sample(target_age_s=math.inf), "at all", Reaction.HOLD),
    ("battery", of_senses(battery_share=0.09), of_senses(battery_share=0.07), "7 %", Reaction.LIE_DOWN),
    ("battery", of_senses(battery_v=24.3), of_senses(battery_v=24.1), "24.1 V", Reaction.LIE_DOWN),
    (
        "battery",
        of_senses(battery_v=None, battery_share=None),
        of_senses(battery_v=20.0, battery_share=None),
        "20.0 V",
        Reaction.LIE_DOWN,
    ),
    (
        "estimate",
        of_estimate(lin_vel=np.array([4.9, 0, 0])),
        of_estimate(lin_vel=np.array([0, 5.1, 0])),
        "5.1 m/s",
        Reaction.HOLD,
    ),
    (
        "estimate",
        of_estimate(lin_vel_cov=3.9 * np.eye(3)),
        of_estimate(lin_vel_cov=4.1 * np.eye(3)),
        "2.02 m/s only",
        Reaction.HOLD,
    ),
    (
        "estimate",
        of_senses(contacts_ns=-1),
        lambda sample: of_senses(contacts_ns=sample.state.stamp_ns - 7 * STEP_NS)(sample),
        "no contacts of the feet for 0.14 s",
        Reaction.HOLD,
    ),
    (
        "estimate",
        of_estimate(contacts=np.array([0.0, 1.0, 0.5, 1.0])),
        of_estimate(contacts=np.array([0.0, 1.0, 0.5, -3.0])),
        "probabilities",
        Reaction.HOLD,
    ),
    (
        "estimate",
        of_estimate(contacts=np.ones(4)),
        of_estimate(contacts=np.full(4, np.nan)),
        "probabilities",
        Reaction.HOLD,
    ),
    (
        "estimate",
        of_senses(estimate=None),
        of_estimate(position=np.array([0, 0, np.nan])),
        "not finite",
        Reaction.HOLD,
    ),
    (
        "estimate",
        of_estimate(),
        lambda sample: of_estimate(stamp_ns=sample.state.stamp_ns - 7 * STEP_NS)(sample),
        "0.14 s",
        Reaction.HOLD,
    ),
    (
        "command_age",
        lambda sample: of_senses(command_ns=sample.state.stamp_ns - 50 * STEP_NS)(sample),
        lambda sample: of_senses(command_ns=sample.state.stamp_ns - 51 * STEP_NS)(sample),
        "1.02 s",
        Reaction.HOLD,
    ),
    ("command_age", of_senses(command_ns=-1), lambda s: of_senses(command_ns=0)(s), "for", Reaction.HOLD),
]  # fmt: skip


@pytest.mark.parametrize(("name", "well", "ill", "word", "reaction"), CASES)
def test_trips_after_its_debounce_with_its_reaction_and_not_before(name, well, ill, word, reaction):
    rule = getattr(RULES, name)
    watch = Watch(ROBOT_GUARDS[name](rule))
    assert not any(watch.run(1.5, well))
    first = watch.first(rule.after_s + 0.1, ill)
    period_s = watch.period_ns / NS_PER_S
    assert rule.after_s <= first < rule.after_s + period_s
    verdict = watch.guard.update(next(watch.samples(period_s, ill)))
    assert verdict.reaction is reaction is rule.reaction
    assert word in verdict.cause and verdict.guard == watch.guard.name


@pytest.mark.parametrize(("name", "well", "ill"), [case[:3] for case in CASES])
def test_is_released_by_its_rule_and_not_before(name, well, ill):
    rule = getattr(RULES, name)
    watch = Watch(ROBOT_GUARDS[name](rule))
    watch.run(rule.after_s + 0.1, ill)
    assert watch.guard._rule.tripped
    reactions = watch.run(rule.release_s + 0.1, well)
    still = sum(map(bool, reactions)) * watch.period_ns / NS_PER_S
    assert still == pytest.approx(rule.release_s, abs=1.5 * watch.period_ns / NS_PER_S)
    assert not watch.guard._rule.tripped


@pytest.mark.parametrize(("name", "well", "ill"), [case[:3] for case in CASES])
def test_what_comes_and_goes_does_not_trip_a_guard_with_a_debounce(name, well, ill):
    rule = getattr(RULES, name)
    watch = Watch(ROBOT_GUARDS[name](rule))
    if rule.after_s < watch.period_ns / NS_PER_S / 2:
        return
    seen = max(rule.after_s - watch.period_ns / NS_PER_S, watch.period_ns / NS_PER_S)
    for _ in range(4):
        if seen < rule.after_s:
            assert not any(watch.run(seen, ill))
        assert not any(watch.run(watch.period_ns / NS_PER_S, well))


def test_reset_forgets_a_trip():
    watch = Watch(TiltGuard(RULES.tilt))
    watch.run(0.1, tilted(40))
    watch.guard.reset()
    assert watch.run(0.005, tilted(40)) == [Reaction.NONE]


def test_a_healthy_robot_trips_no_guard():
    panel = GuardPanel(ROBOT, RULES)
    for stamp_ns in range(STEP_NS, 10 * NS_PER_S, STATE_NS):
        sample = healthy(stamp_ns)
        sample = sample if stamp_ns % STEP_NS == 0 else replace(sample, tick=None)
        assert panel.update(sample) is OK
    assert panel.tripped == ()


def test_the_height_does_not_matter_while_the_robot_is_not_meant_to_stand():
    watch = Watch(HeightGuard(RULES.base_height))
    lying = lambda sample: replace(of_tick(height=0.06)(sample), stands=False)  # noqa: E731
    assert not any(watch.run(2.0, lying))


def test_the_strongest_verdict_wins_and_what_is_said_from_outside_counts():
    panel = GuardPanel(ROBOT, RULES)
    sample = tilted(40)(healthy(STEP_NS))
    assert panel.update(sample) is OK
    assert panel.update(tilted(40)(healthy(2 * STEP_NS))).reaction is Reaction.RECOVERY
    loud = replace(tilted(40)(healthy(3 * STEP_NS)), state=healthy(STEP_NS).state)
    assert panel.update(loud).cause.startswith("the stamp went back")
    assert set(panel.tripped) >= {"tilt", "stamp"}
    panel.reset()
    panel.tell("learner", Verdict(Reaction.NOTE, "silent", "learner"))
    assert panel.update(healthy(4 * STEP_NS)).reaction is Reaction.NOTE and panel.tripped == ("learner",)
    panel.tell("learner", OK)
    assert panel.update(healthy(5 * STEP_NS)) is OK and panel.tripped == ()


def test_a_guard_that_merely_limits_is_not_named():
    panel = GuardPanel(ROBOT, RULES)
    fast = of_state(dq=joint(8, 1.1 * ROBOT.dq_max[8]))(healthy(STEP_NS))
    assert panel.update(fast).reaction is Reaction.LIMIT and panel.tripped == ()
