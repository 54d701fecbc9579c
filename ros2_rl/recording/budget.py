"""How much disk a record may take: refused in advance where it cannot end well, and never more."""

import shutil
from pathlib import Path

from ros2_rl.errors import RecordError

MIB = 1024**2
FREE_MIB = 200
"""What a record leaves free on its disk, MiB."""
MIB_PER_MINUTE = {100.0: 7.0, 200.0: 11.0}
"""What a minute of robot time takes at most, by the rate of the states in Hz; measured."""


def free_mib(folder: Path) -> float:
    """Free space on the disk of a folder, which need not be there yet, MiB."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free / MIB


def check_room(folder: Path, max_mib: float, minutes: float = 0.0, state_rate_hz: float = 100.0) -> None:
    """Refuse a record that cannot end well.

    Args:
        folder: where it is to be written.
        max_mib: most that it may take.
        minutes: robot time that is known to come; 0: as long as there is room.
        state_rate_hz: rate of the states.

    Raises:
        RecordError: a sentence with both numbers and what to do.
    """
    free = free_mib(folder) - FREE_MIB
    expected = minutes * MIB_PER_MINUTE[state_rate_hz]
    if expected > max_mib:
        raise RecordError(
            f"{minutes:.0f} robot minutes make a record of about {expected:.0f} MiB and record_mib allows "
            f"{max_mib:.0f}; raise record_mib, record events only (record:=events), or shorten the run."
        )
    wanted = expected or max_mib
    if wanted > free:
        raise RecordError(
            f"The disk of {folder} has room for {max(free, 0):.0f} MiB of records beside the {FREE_MIB} MiB "
            f"that stay free, and this one may take {wanted:.0f}; make room or lower record_mib."
        )


def spent(folder: Path, used_bytes: int, max_mib: float) -> str:
    """Why a record must end now; empty while it may go on."""
    if used_bytes > max_mib * MIB:
        return f"it has reached its {max_mib:.0f} MiB"
    if free_mib(folder) < FREE_MIB:
        return f"the disk has less than {FREE_MIB} MiB left"
    return ""
