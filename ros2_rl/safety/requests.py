"""What persons ask of the supervisor: each request is done, or refused with the remedy."""

from collections.abc import Callable

from ros2_rl.robots import NS_PER_S
from ros2_rl.safety.machine import ModeMachine
from ros2_rl.safety.modes import LATCHED, Mode
from ros2_rl.safety.targets import TargetInbox

Result = tuple[bool, str]


def arm(machine: ModeMachine, inbox: TargetInbox) -> Result:
    if machine.mode is Mode.POLICY:
        return True, "The policy acts already."
    if machine.mode is not Mode.STAND:
        return False, f"The policy starts from STAND, and the mode is {machine.mode}: call stand first."
    if not machine.stands():
        return False, "The robot does not stand still yet: wait until it does, then arm again."
    if machine.held:
        return False, f"A guard holds the robot, {machine.held}: mend that, then arm again."
    if not inbox.fresh(machine.stamp_ns):
        age = inbox.age_s(machine.stamp_ns)
        return False, f"The policy's newest target is {age:.2f} s old: start policy_executor, then arm again."
    return True, f"The policy acts from stamp {machine.arm() / NS_PER_S:.3f} s on."


def stand(machine: ModeMachine, inbox: TargetInbox) -> Result:
    if machine.mode in LATCHED:
        return False, f"The mode is {machine.mode}: call reset first."
    if machine.sample is None:
        return False, "No state of the robot has come yet: start its driver, then ask again."
    machine.disarm()
    if machine.mode is Mode.RECOVERY:
        return True, "The robot stands once it has recovered."
    machine.stand(machine.sample.state, "requested", human=True)
    return True, "Standing up."


def damp(machine: ModeMachine, inbox: TargetInbox) -> Result:
    if machine.mode is Mode.ESTOP:
        return False, "The emergency stop is active and damps already: call reset to leave it."
    machine.enter(Mode.DAMPING, "requested", human=True)
    return True, "The joints are damped; call reset before anything else."


def estop(machine: ModeMachine, inbox: TargetInbox) -> Result:
    if machine.mode is not Mode.ESTOP:
        machine.enter(Mode.ESTOP, "requested", human=True)
    return True, "Emergency stop: the joints are damped; call reset before anything else."


def reset(machine: ModeMachine, inbox: TargetInbox) -> Result:
    if machine.mode not in LATCHED:
        return False, f"There is nothing to reset, the mode is {machine.mode}."
    inbox.clear()
    machine.enter(Mode.PASSIVE, "reset", human=True)
    return True, "PASSIVE: call stand, then arm."


def take_over(machine: ModeMachine, inbox: TargetInbox) -> Result:
    if machine.mode not in (Mode.POLICY, Mode.RECOVERY):
        return False, f"There is no policy to drive, the mode is {machine.mode}: call stand, then arm."
    return True, f"You drive the base policy from stamp {machine.take_over() / NS_PER_S:.3f} s on."


def give_back(machine: ModeMachine, inbox: TargetInbox) -> Result:
    if machine.record.human_from_ns == 0:
        return False, "Nobody has taken over, so there is nothing to give back."
    return True, f"The adapted policy acts from stamp {machine.give_back() / NS_PER_S:.3f} s on."


REQUESTS: dict[str, Callable[[ModeMachine, TargetInbox], Result]] = {
    "arm": arm,
    "stand": stand,
    "damp": damp,
    "estop": estop,
    "reset": reset,
    "take_over": take_over,
    "give_back": give_back,
}
