"""Which learner ``learner:=auto`` stands for: the evidence is in docs/slowrl.md and docs/offpolicy.md."""

from dataclasses import replace

from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.tasks import Task


def learner_for(task: Task, policy: OnnxPolicy, minutes: float) -> str:
    """Name of the learner, as in ``config/learners``, for a policy and a budget in robot minutes."""
    if minutes > task.quick_minutes:
        return task.learner
    names = (task.quick_learner if is_own_kind(task, policy) else "", task.quick_learner_of_others)
    return next(filter(None, names), task.learner)


def is_own_kind(task: Task, policy: OnnxPolicy) -> bool:
    """Whether a policy sees and acts as the task's own does, which pre-training's simulator can walk with."""
    own, its = OnnxPolicy(task.policy_path).contract, policy.contract
    same = replace(its, run_path=own.run_path, policy_version=own.policy_version, log_std=own.log_std)
    return replace(same, extra=own.extra) == own
