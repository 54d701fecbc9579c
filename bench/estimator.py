"""How well the state estimator knows the velocity of a walking robot, and what it costs.

The base policy trots with normal sensor noise through the conditions of ``estimator_runs.py``; the
estimate is compared with the simulator's own velocity, beside raw leg odometry and a plain 18-state
filter (``estimator_rivals.py``) on the same states. Per condition: RMSE of vx, vy, vz in m/s, drift in
metres per 100 m of way, and for ours how true the covariance is: mean normalised squared error of the
velocity (NEES) and of its innovation (NIS) per degree of freedom, which are 1 if it is, and the share of
the innovations below the 95 % quantile of chi-square, which is then 95 %.

Exit status 1 when a must is missed on flat ground up to 1 m/s: RMSE of vx, vy, vz at most 0.05, 0.04,
0.03 m/s, each at least 3 times better than raw leg odometry; innovations consistent (93 to 98 % below
that quantile, NIS 0.9 to 1.1); an update in at most 100 us. As other programs slow that down, its time
is also given in products of two 12 x 12 matrices, measured in turn with it.

    python bench/estimator.py [--quick] [--run RECORD] [--out FILE]
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from estimator_recorded import recorded
from estimator_rivals import LegOdometry, PlainFilter
from estimator_runs import CONDITIONS, Walk, walk
from launching import write_result

from ros2_rl.errors import Ros2RlError
from ros2_rl.estimation import Estimator, EstimatorParams
from ros2_rl.estimation.rotation import rotation_matrix
from ros2_rl.robots import RobotDescription, load_robot

AXES = ("vx", "vy", "vz")
MUST = {
    "vx_rmse": (0.0, 0.05),
    "vy_rmse": (0.0, 0.04),
    "vz_rmse": (0.0, 0.03),
    "vx_gain": (3.0, np.inf),
    "vy_gain": (3.0, np.inf),
    "vz_gain": (3.0, np.inf),
    "nis": (0.9, 1.1),
    "nis_share": (0.93, 0.98),
    "update_us": (0.0, 100.0),
}
CHI2_95 = 7.815
"""95 % quantile of chi-square with three degrees of freedom."""
SEED = 2024  # not one that the filter was tuned on
SETTLE = 200
"""States at the beginning of a walk that do not count."""


@dataclass
class Track:
    """What one estimator made of one walk; errors (T, 3) after settling, m/s."""

    error: np.ndarray
    drift: float
    """Horizontal, m per 100 m of way."""

    @property
    def rmse(self) -> np.ndarray:
        return np.sqrt(np.mean(self.error**2, axis=0))


@dataclass
class OurTrack(Track):
    nees: np.ndarray
    """Squared error of the velocity in variances, per degree of freedom, (T,)."""
    nis: np.ndarray
    """The same of its innovation, where feet stood, (U,)."""
    seconds: np.ndarray
    """Processor time of each update, (T,)."""
    product: np.ndarray
    """Processor time of a product of two 12 x 12 matrices meanwhile, (T,), s."""

    @property
    def nis_share(self) -> float:
        return float(np.mean(3.0 * self.nis < CHI2_95))


def compare(samples: Walk, velocities: list[np.ndarray], positions: list[np.ndarray]) -> Track:
    truth = [t for _, t in samples[SETTLE:]]
    error = np.array(velocities[SETTLE:]) - np.array([t.lin_vel for t in truth])
    places = np.array([t.position[:2] for t in truth])
    moved = np.array(positions[SETTLE:])[:, :2]
    way = np.linalg.norm(np.diff(places, axis=0), axis=1).sum()
    off = np.linalg.norm((moved[-1] - moved[0]) - (places[-1] - places[0]))
    return Track(error, float(100.0 * off / way))


def ours(robot: RobotDescription, samples: Walk, params: EstimatorParams | None = None) -> OurTrack:
    estimator, some = Estimator(robot, params), np.random.default_rng(0).random((12, 12))
    estimates, seconds, products, nis = [], [], [], []
    for state, _ in samples:
        begin = time.thread_time()
        estimates.append(estimator.update(state))
        between = time.thread_time()
        for _ in range(20):
            some.dot(some)
        seconds.append(between - begin)
        products.append((time.thread_time() - between) / 20)
        nis.append(np.mean(estimator.innovation[3:]) if estimator.innovation.size == 6 else np.nan)
    track = compare(samples, [e.lin_vel for e in estimates], [e.position for e in estimates])
    spread = np.array([e.lin_vel_cov for e in estimates[SETTLE:]])
    nees = np.einsum("ti,ti->t", track.error, np.linalg.solve(spread, track.error[..., None])[..., 0]) / 3
    felt, times = np.array(nis[SETTLE:]), (np.array(seconds[SETTLE:]), np.array(products[SETTLE:]))
    return OurTrack(track.error, track.drift, nees, felt[~np.isnan(felt)], *times)


def theirs(rival: LegOdometry | PlainFilter, samples: Walk) -> Track:
    answers = [rival.update(state, rotation_matrix(state.quat)) for state, _ in samples]
    return compare(samples, [v for v, _ in answers], [p for _, p in answers])


def measure(seconds: float, seed: int) -> dict[str, float]:
    """Walk under all conditions; prints a row for each."""
    robot = load_robot("go2")
    figures: dict[str, float] = {}
    flat: dict[str, list[Track]] = {"ours": [], "raw": [], "plain": []}
    print_head()
    for i, condition in enumerate(CONDITIONS):
        tracks = all_of(robot, walk(robot, condition, seconds, seed + i))
        print_row(condition.name, tracks)
        figures |= flatten(f"{condition.name}/", tracks)
        if condition.flat:
            for name, track in tracks.items():
                flat[name].append(track)
    print_row("flat, all", {name: joined(tracks) for name, tracks in flat.items()})
    return figures | overall(flat)


def measure_record(path: Path) -> dict[str, float]:
    """The same for a recorded run, with the parameters that its estimator had.

    Raises:
        Ros2RlError: it is no record, or not one of a simulator, which alone knows the truth.
    """
    robot, samples, params = recorded(path)
    print_head()
    tracks = all_of(robot, samples, params)
    print_row(path.name[:16], tracks)
    return overall({name: [track] for name, track in tracks.items()})


def all_of(robot: RobotDescription, samples: Walk, params: EstimatorParams | None = None) -> dict[str, Track]:
    return {
        "ours": ours(robot, samples, params),
        "raw": theirs(LegOdometry(robot), samples),
        "plain": theirs(PlainFilter(robot), samples),
    }


def joined(tracks: list[Track]) -> Track:
    error = np.concatenate([track.error for track in tracks])
    drift = float(np.mean([track.drift for track in tracks]))
    first = tracks[0]
    if not isinstance(first, OurTrack):
        return Track(error, drift)
    parts = [[getattr(t, name) for t in tracks] for name in ("nees", "nis", "seconds", "product")]
    return OurTrack(error, drift, *map(np.concatenate, parts))


def overall(flat: dict[str, list[Track]]) -> dict[str, float]:
    """The figures that are promised: those of all walks on flat ground together."""
    tracks = {name: joined(parts) for name, parts in flat.items()}
    result = flatten("", tracks)
    for axis, raw, mine in zip(AXES, tracks["raw"].rmse, tracks["ours"].rmse, strict=True):
        result[f"{axis}_gain"] = float(raw / mine)
    mine = tracks["ours"]
    assert isinstance(mine, OurTrack)
    update, product = float(np.median(mine.seconds)), float(np.median(mine.product))
    undisturbed = float(np.percentile(mine.seconds, 10))
    return result | {
        "update_us": 1e6 * update,
        "update_us_p10": 1e6 * undisturbed,
        "update_in_products": update / product,
    }


def flatten(prefix: str, tracks: dict[str, Track]) -> dict[str, float]:
    result: dict[str, float] = {}
    for name, track in tracks.items():
        who = prefix if name == "ours" else f"{prefix}{name}_"
        result |= {f"{who}{axis}_rmse": float(v) for axis, v in zip(AXES, track.rmse, strict=True)}
        result[f"{who}drift"] = track.drift
        if isinstance(track, OurTrack):
            result |= {f"{who}nees": float(track.nees.mean()), f"{who}nis": float(track.nis.mean())}
            result[f"{who}nis_share"] = track.nis_share
    return result


def print_head() -> None:
    columns = "".join(f"{title:^29s}" for title in ("ours", "raw leg odometry", "plain 18 states"))
    units = "     vx     vy     vz  drift " * 3
    print(f"{'RMSE, m/s; m/100 m':17s}{columns}\n{'':17s}{units}  NEES   NIS  <95%")


def print_row(name: str, tracks: dict[str, Track]) -> None:
    cells = "".join(
        " ".join(f"{value:6.3f}" for value in track.rmse) + f" {track.drift:6.2f}  "
        for track in tracks.values()
    )
    mine = tracks["ours"]
    assert isinstance(mine, OurTrack)
    print(f"{name:17s}{cells}{mine.nees.mean():6.2f}{mine.nis.mean():6.2f}{mine.nis_share:6.2f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="6 s a condition instead of 30")
    parser.add_argument("--run", type=Path, help="a recorded run of the simulator instead")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    args = parser.parse_args()
    try:
        result = measure_record(args.run) if args.run else measure(6.0 if args.quick else 30.0, SEED)
    except Ros2RlError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"update: 10 % within {result['update_us_p10']:.1f} us; {result['update_in_products']:.0f} products"
    )
    write_result(args.out, result)
    return int(not all([kept(name, result[name]) for name in MUST]))


def kept(name: str, value: float) -> bool:
    """Whether a must is kept; prints it."""
    low, high = MUST[name]
    good = low <= value <= high
    print(f"{name:12s} {value:9.4f}  (must be {low:g} to {high:g}{'' if good else ', MISSED'})")
    return good


if __name__ == "__main__":
    sys.exit(main())
