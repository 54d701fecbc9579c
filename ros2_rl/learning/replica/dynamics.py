"""How a robot may differ from its description: the numbers that are fitted, and a simulated robot with them.

What is not among them - friction, play in the joints, the ground - a replica cannot have.
"""

import numpy as np

from ros2_rl.pretraining.batch_sim import BatchSim
from ros2_rl.robots import RobotDescription
from ros2_rl.sim.payload import Trunk

_PAYLOAD_HEIGHT_M = 0.06
_CONTROL_STEP_MS = 20.0


class Dynamics:
    """Vectors (D,) of what is fitted: payload, kg; how far in front it sits, m; legs' strengths; delay, ms.

    Attributes:
        names: of the D numbers.
        low, high: their bounds, (D,).
        start, spread: mean and standard deviation (D,) before anything is known.
        least: spread (D,) below which a search sees no difference; of the delay half a physics step.
    """

    def __init__(self, robot: RobotDescription, sim: BatchSim):
        """For the robots of ``sim``."""
        legs = list(dict.fromkeys(joint.split("_")[0] for joint in robot.joints))
        count = len(legs)
        self.names = ("payload_kg", "payload_x_m", *(f"strength_{leg}" for leg in legs), "delay_ms")
        self.low = np.array([0.0, -0.2, *[0.2] * count, 0.0])
        self.high = np.array([10.0, 0.2, *[1.5] * count, _CONTROL_STEP_MS])
        self.start = np.array([1.0, 0.0, *[1.0] * count, 8.0])
        self.spread = np.array([2.0, 0.05, *[0.3] * count, 8.0])
        self.least = np.array([0.1, 0.005, *[0.02] * count, 2.5])
        self._robot, self._sim = robot, sim
        self._leg = np.array([legs.index(joint.split("_")[0]) for joint in robot.joints])
        self._trunk = Trunk.of(sim.nominal, sim.nominal.body(robot.base_link).id)

    def give(self, index: np.ndarray, values: np.ndarray, rng: np.random.Generator) -> None:
        """Let the robots ``index`` (K,), which share one model, have ``values`` (D,).

        A delay between two physics steps is had by some of them as the shorter, by the others as the longer.
        """
        sim, robot = self._sim, self._robot
        model = sim.models[index[0]]
        payload, forward, *strengths, delay_ms = values
        self._trunk.load(model, payload, np.array([forward, 0.0, _PAYLOAD_HEIGHT_M]))
        strength = np.array(strengths)[self._leg]
        gains = robot.gains["policy"]
        sim.drive(index, gains.kp * strength, gains.kd * strength, robot.tau_max * np.minimum(strength, 1.0))
        steps = 1e-3 * delay_ms / model.opt.timestep
        sim.delay[index] = np.minimum(np.floor(steps + rng.random(len(index))), sim.substeps)
