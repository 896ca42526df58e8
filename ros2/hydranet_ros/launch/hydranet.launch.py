"""Starts the node: ros2 launch hydranet_ros hydranet.launch.py model:=model.onnx image:=/camera/image_raw"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """The arguments of the launch file, and the node."""
    parameters = PathJoinSubstitution([FindPackageShare("hydranet_ros"), "config", "hydranet.yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("model", description="A file that `hydranet export` wrote, or a run folder"),
            DeclareLaunchArgument("image", default_value="image", description="Topic with sensor_msgs/Image"),
            DeclareLaunchArgument("camera_info", default_value="", description="Topic with sensor_msgs/CameraInfo"),
            DeclareLaunchArgument("name", default_value="hydranet", description="The node's name"),
            DeclareLaunchArgument("parameters", default_value=parameters, description="A file of parameters"),
            Node(
                package="hydranet_ros",
                executable="node",
                name=LaunchConfiguration("name"),
                arguments=[
                    LaunchConfiguration("model"),
                    "--image",
                    LaunchConfiguration("image"),
                    "--camera-info",
                    LaunchConfiguration("camera_info"),
                ],
                parameters=[LaunchConfiguration("parameters")],
                output="screen",
                respawn=True,
                respawn_delay=2.0,
            ),
        ]
    )
