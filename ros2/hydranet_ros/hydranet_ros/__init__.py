"""The perception node as a package of ROS 2."""
