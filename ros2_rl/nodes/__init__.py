"""The ROS nodes: parameters, topics and timers around the plain Python beside them."""
