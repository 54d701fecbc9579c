"""The operator's page in a browser: the robot, the curves, the modes, and the buttons."""
