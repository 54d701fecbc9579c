"""State to command: which time counts, and what a missed control step is."""

import numpy as np
import pytest

from ros2_rl.sim.latency import TickLatency

STEP = 20_000_000


def test_the_last_command_with_a_target_of_the_policy_counts():
    latency = TickLatency()
    latency.sent(0, 1.000)
    latency.came(0, "policy", 1.001)
    latency.came(0, "policy", 1.003)
    latency.came(0, "damping", 1.004)
    latency.sent(STEP, 1.020)
    latency.came(0, "policy", 1.021)
    latency.came(STEP, "policy", 1.022)
    latency.sent(2 * STEP, 1.040)
    assert latency.figures_ms() == pytest.approx((2.0, 3.0, 3.0), abs=0.01)
    assert latency.missed == 0


def test_percentiles_are_those_of_all_latencies_and_the_maximum_is_exact():
    latency, rng = TickLatency(), np.random.default_rng(0)
    durations = rng.gamma(2.0, 0.001, 3000)
    durations[1234] = 0.7
    for step, duration in enumerate(durations):
        latency.sent(step * STEP, 0.02 * step)
        latency.came(step * STEP, "policy", 0.02 * step + duration)
    latency.sent(durations.size * STEP, 100.0)
    p50, p99, most = latency.figures_ms()
    assert (p50, p99) == pytest.approx(1e3 * np.percentile(durations, (50, 99)), abs=0.03)
    assert most == pytest.approx(700.0)


def test_states_between_control_steps_and_repeated_states_change_nothing():
    latency = TickLatency()
    latency.sent(0, 1.0)
    latency.sent(5_000_000, 1.005)
    latency.sent(0, 1.5)
    latency.came(5_000_000, "policy", 1.501)
    latency.came(0, "policy", 1.502)
    latency.sent(STEP, 1.6)
    assert latency.figures_ms()[2] == pytest.approx(502.0)


def test_missed_only_while_the_policy_acts():
    latency = TickLatency()
    for step, gains in enumerate(["stand", "stand", "policy", None, "policy", None, None, "damping", None]):
        latency.sent(step * STEP, float(step))
        if gains is not None:
            latency.came(step * STEP, gains, step + 0.001)
    latency.sent(9 * STEP, 9.0)
    assert latency.missed == 3


def test_the_policy_may_begin_between_two_control_steps():
    latency = TickLatency()
    latency.sent(0, 0.0)
    latency.came(0, "stand", 0.001)
    latency.came(5_000_000, "policy", 0.006)
    latency.sent(STEP, 0.02)
    assert latency.missed == 0


def test_a_restart_forgets_the_open_step():
    latency = TickLatency()
    latency.sent(0, 0.0)
    latency.came(0, "policy", 0.001)
    latency.sent(STEP, 0.02)
    latency.restart()
    latency.sent(2 * STEP, 0.04)
    assert latency.missed == 0 and latency.figures_ms()[2] == pytest.approx(1.0)
    assert TickLatency().figures_ms() == (0.0, 0.0, 0.0)
