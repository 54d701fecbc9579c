"""The computer: cores, memory, disk, and what its kernel permits."""

import os
import resource
import shutil
from pathlib import Path

from ros2_rl.doctor.finding import Finding, Level, judged
from ros2_rl.launch_values import FREE_BYTES
from ros2_rl.realtime import HIGHEST_PRIORITY, Kernel

_MEMORY_GIB = 3.0
_GOVERNORS = "sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


def check_machine(root: Path = Path("/"), folder: Path = Path(), on_robot: bool = False) -> list[Finding]:
    """Findings about this computer.

    Args:
        root: where ``proc`` and ``sys`` are.
        folder: where runs are kept.
        on_robot: whether a robot hangs on its punctuality, not only a simulation.
    """
    findings = [_cores(), _load(), _memory(root), _disk(folder)]
    return findings + ([_governor(root), _kernel(root), *_limits()] if on_robot else [])


def _cores() -> Finding:
    count = len(Kernel().cores())
    return judged("cores", str(count), count < 2, "the learner delays the robot: use two or more")


def _load() -> Finding:
    load, cores = os.getloadavg()[0], len(Kernel().cores())
    return judged("load", f"{load:.1f} on {cores} cores", load > cores, "end other programs before a run")


def _memory(root: Path) -> Finding:
    lines = (root / "proc/meminfo").read_text().splitlines()
    values = {line.split(":")[0]: line.split()[1] for line in lines}
    gib = int(values["MemAvailable"]) / 2**20
    remedy = f"{_MEMORY_GIB:g} GiB are needed: free some"
    return judged("memory", f"{gib:.1f} GiB available", gib < _MEMORY_GIB, remedy)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    remedy = f"{FREE_BYTES / 2**20:.0f} MiB are needed: free some"
    return judged("disk", f"{free / 2**30:.1f} GiB free", free < FREE_BYTES, remedy, Level.FAIL)


def _governor(root: Path) -> Finding:
    found = sorted({path.read_text().strip() for path in root.glob(_GOVERNORS)})
    slow = found not in ([], ["performance"])
    return judged("CPU governor", ", ".join(found) or "fixed", slow, "cpupower frequency-set -g performance")


def _kernel(root: Path) -> Finding:
    path = root / "sys/kernel/realtime"
    real_time = path.is_file() and path.read_text().strip() == "1"
    remedy = "ticks may be some ms late under load: use a kernel with PREEMPT_RT where that matters"
    return judged("kernel", "PREEMPT_RT" if real_time else "not real-time", not real_time, remedy)


def _limits() -> list[Finding]:
    _, priority = resource.getrlimit(resource.RLIMIT_RTPRIO)
    may_raise = os.geteuid() == 0 or priority != 0  # -1: no limit
    return [
        _permitted("real-time priority", may_raise, f"rtprio {HIGHEST_PRIORITY}", "realtime_priority"),
        _permitted("memory lock", Kernel().may_lock(), "memlock unlimited", "lock_memory"),
    ]


def _permitted(what: str, granted: bool, limit: str, parameter: str) -> Finding:
    remedy = f"for {parameter}: '{limit}' for this user in /etc/security/limits.conf, then log in anew"
    return judged(what, "permitted" if granted else "not permitted", not granted, remedy)
