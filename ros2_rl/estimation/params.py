"""The estimator's tunables: what it believes about sensors and feet."""

from dataclasses import dataclass, field


def _param(default: float, low: float, high: float, text: str) -> float:
    return field(default=default, metadata={"low": low, "high": high, "description": text})


@dataclass(frozen=True, slots=True)
class EstimatorParams:
    """Each field carries its range and meaning in its metadata; the node declares them as parameters."""

    contact_force: float = _param(25.0, 1.0, 500.0, "normal force at which contact is as likely as not, N")
    contact_force_width: float = _param(4.0, 0.1, 100.0, "width of that soft threshold, N")
    contact_torque_force: float = _param(
        22.0, 1.0, 500.0, "the same threshold for a force worked out from joint torques, N"
    )
    frozen_s: float = _param(0.3, 0.05, 10.0, "a foot force that repeats itself for so long is not used, s")
    wrong_s: float = _param(
        0.3, 0.05, 10.0, "a foot force that contradicts the torques for so long is not used, s"
    )
    joint_velocity_noise: float = _param(0.15, 0.001, 5.0, "of the joint encoders, rad/s")
    foot_velocity_noise: float = _param(0.05, 0.001, 2.0, "slip of a trusted foot, base x and y, m/s")
    foot_sink_noise: float = _param(
        0.2, 0.001, 2.0, "vertical speed of a foot that sinks in and springs back, base z, m/s"
    )
    landing_s: float = _param(0.05, 0.0001, 0.5, "time after touch-down until a foot has half its trust, s")
    slip_gate: float = _param(1.5, 0.5, 10.0, "innovation, in sigmas, beyond which a foot loses trust")
    speed_bias_std: float = _param(
        0.007, 0.0, 0.2, "what the feet have wrong in common, by rolling and sliding, base x and y, m/s"
    )
    noise_memory_s: float = _param(0.5, 0.05, 60.0, "time in which the noise of the feet is learned, s")
    rolling: float = _param(1.0, 0.0, 1.0, "1: the foot's sphere rolls; 0: its centre is pinned")
    orientation_noise: float = _param(0.005, 1e-4, 0.2, "of the IMU's orientation, rad")
    gyro_noise: float = _param(0.0014, 1e-5, 0.1, "of the gyroscope, rad/s per sqrt(Hz)")
    gyro_bias_noise: float = _param(0.0005, 0.0, 0.01, "random walk of its bias, rad/s per sqrt(s)")
    gyro_bias_std: float = _param(0.03, 0.0, 0.5, "its bias at the start, rad/s")
    accel_noise: float = _param(0.014, 1e-4, 1.0, "of the accelerometer, m/s² per sqrt(Hz)")
    accel_bias_noise: float = _param(0.002, 0.0, 0.1, "random walk of its bias, m/s² per sqrt(s)")
    accel_bias_std: float = _param(0.2, 0.0, 2.0, "its bias at the start, m/s²")
    flight_s: float = _param(0.5, 0.02, 2.0, "without contact for longer than this, speed fades, s")
    fade_s: float = _param(0.7, 0.05, 10.0, "after t at rest and free the time constant is its square / t, s")
    free_speed_std: float = _param(1.0, 0.1, 10.0, "speed of a robot of which nothing is known, m/s")
    foot_height_noise: float = _param(0.01, 1e-4, 0.2, "unevenness of the ground under the feet, m")
    max_gap_s: float = _param(0.1, 0.01, 1.0, "a longer gap in the states makes the speed unknown, s")
