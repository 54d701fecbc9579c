"""The simulated robot: physics, drives, sensors and what is wrong with it."""
