"""Write ``trot_policy.npz``: what a small fixed policy did with fixed states when it was last reviewed.

Run from the repository root with ``PYTHONPATH=.:test python test/golden/regenerate_trot_policy.py``,
and only when the meaning of observations or actions is meant to change: every policy that was
trained before sees something else from then on.
"""

import tempfile
from pathlib import Path

import numpy as np
from policy_rig import ROBOT, random_state, write_random

from ros2_rl.policy.runtime import PolicyRuntime

GOLDEN = Path(__file__).with_name("trot_policy.npz")
COMMANDS = ((0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.5, 0.0, 0.0), (-0.2, 0.3, 0.8), (1.0, 0.0, -0.5))


def rollout() -> dict[str, np.ndarray]:
    """Observations (5, 47), actions (5, 12) and targets (5, 12) of five control steps."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = PolicyRuntime(write_random(Path(folder) / "policy.onnx"), ROBOT, seed=7)
    ticks = [
        runtime.tick(random_state(100 + i), None, np.array(command), noise=i >= 3)
        for i, command in enumerate(COMMANDS)
    ]
    return {
        "obs": np.stack([record.obs for _, record in ticks]),
        "action": np.stack([record.action for _, record in ticks]),
        "targets": np.stack([command.q for command, _ in ticks]),
    }


if __name__ == "__main__":
    np.savez(GOLDEN, **rollout())
