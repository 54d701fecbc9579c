"""Unitree's own protocol: messages, CRC, joint order, remote, ticks, services and the driver's states."""
