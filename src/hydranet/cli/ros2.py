"""hydranet ros2"""

from typing import Annotated

import typer

from hydranet.cli.arguments import Allow, Best, Device, Trust, best_of
from hydranet.cli.predict import (
    Every,
    Heads,
    Iou,
    Model,
    Options,
    Precision,
    Runtime,
    Size,
    Threads,
    Threshold,
    parse_every,
)
from hydranet.core.checks.names import listed_names
from hydranet.core.extras import needing

Image = Annotated[str, typer.Option(help="Topic with sensor_msgs/Image")]
Compressed = Annotated[bool, typer.Option("--compressed", help="The topic has sensor_msgs/CompressedImage")]
CameraInfo = Annotated[str, typer.Option(help="Topic with sensor_msgs/CameraInfo: 3D boxes, points, canonical depth")]
Name = Annotated[str, typer.Option(help="The node's name; outputs lie below it")]
Millimeters = Annotated[bool, typer.Option("--millimeters", help="Depth as 16UC1 in mm, 0 = unknown")]
Overlay = Annotated[bool, typer.Option(help="Also the image with the predictions drawn on it")]
Cloud = Annotated[bool, typer.Option("--cloud", help="Also the depth as PointCloud2")]
RosArgs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- --ros-args ...]", help="For ROS itself: remappings, parameters"),
]


def ros2(
    model: Model,
    ros_args: RosArgs = None,
    image: Image = "image",
    compressed: Compressed = False,
    camera_info: CameraInfo = "",
    name: Name = "hydranet",
    millimeters: Millimeters = False,
    overlay: Overlay = True,
    cloud: Cloud = False,
    heads: Heads = "",
    threshold: Threshold = None,
    iou: Iou = None,
    every: Every = None,
    option: Options = None,
    size: Size = "",
    runtime: Runtime = "",
    device: Device = "cpu",
    threads: Threads = None,
    precision: Precision = "",
    allow: Allow = None,
    trust: Trust = False,
    best: Best = False,
) -> None:
    """Run a ROS 2 node: one image topic in, one message per head out, with the image's stamp and frame.

    The newest image wins. Thresholds are parameters that may be changed while it runs; /diagnostics says how it does.
    """
    with needing("hydranet ros2"):
        from hydranet.serving.ros2.live_messages import has_vision
        from hydranet.serving.ros2.node import Topics, spin
    from hydranet.deploy.options import parse_options
    from hydranet.deploy.session import Runtime
    from hydranet.inference.predictor import Predictor, parse_size
    from hydranet.serving.ros2.pipeline import Outputs, Perception

    chosen = listed_names(heads, "--heads") or None
    rates, shape = parse_every(every or ()), parse_size(size)
    predictor = Predictor(
        best_of(model, best), chosen, size=shape, runtime=Runtime(runtime, device, threads, precision)
    ).with_options(parse_options(option or ()))
    predictor.check_useful({"--threshold": threshold, "--iou": iou})
    outputs = Outputs(has_vision(), millimeters, overlay, cloud)
    perception = Perception(predictor.stream(rates), outputs, threshold, iou)
    spin(perception, Topics(image, compressed, camera_info), ros_args or (), name)
