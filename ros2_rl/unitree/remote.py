"""The Go2's remote control: 40 bytes in each LowState."""

import struct
from dataclasses import dataclass

BUTTONS = ("R1", "L1", "start", "select", "R2", "L2", "F1", "F2",
           "A", "B", "X", "Y", "up", "right", "down", "left")  # fmt: skip
"""By bit of the two button bytes, lowest first."""
EMERGENCY = ("L2", "B")
"""Pressed together: damp the joints, as in Unitree's own modes."""
_BYTES = struct.Struct("<2xH3f4xf16x")  # lx, rx, ry, (L2's travel,) ly


@dataclass(frozen=True, slots=True)
class Remote:
    """Sticks from -1 to 1, right and up positive, and the buttons that are held."""

    lx: float = 0.0
    ly: float = 0.0
    rx: float = 0.0
    ry: float = 0.0
    held: frozenset[str] = frozenset()

    @classmethod
    def unpack(cls, data: bytes) -> "Remote":
        """From ``wireless_remote``; all zeros, as without a remote, is a remote at rest."""
        keys, lx, rx, ry, ly = _BYTES.unpack(data)
        held = frozenset(name for bit, name in enumerate(BUTTONS) if keys >> bit & 1)
        return cls(lx, ly, rx, ry, held)

    def pack(self) -> bytes:
        """Inverse of :meth:`unpack`.

        Raises:
            ValueError: there is no such button.
        """
        keys = sum(1 << BUTTONS.index(name) for name in self.held)
        return _BYTES.pack(keys, self.lx, self.rx, self.ry, self.ly)

    @property
    def emergency(self) -> bool:
        return self.held.issuperset(EMERGENCY)
