"""Starts the node: ros2 launch hydranet_ros hydranet.launch.py model:=model.onnx image:=/camera/image_raw"""

from hydranet_ros.launch_arguments import ARGUMENTS, parameters, words
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """The arguments of the launch file, and the node."""
    usual = PathJoinSubstitution([FindPackageShare("hydranet_ros"), "config", "hydranet.yaml"])
    defaults = {one.name: one.default for one in ARGUMENTS} | {"parameters": usual}
    declared = [
        DeclareLaunchArgument(one.name, default_value=defaults[one.name], description=one.description)
        for one in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_started)])


def _started(context: LaunchContext) -> list[Node]:
    """The node with the values that were given."""
    given = {one.name: context.perform_substitution(LaunchConfiguration(one.name)) for one in ARGUMENTS}
    node = Node(
        package="hydranet_ros",
        executable="node",
        name=given["name"],
        arguments=words(given),
        parameters=[given["parameters"], *filter(None, [parameters(given)])],
        output="screen",
        respawn=True,
        respawn_delay=2.0,
    )
    return [node]
