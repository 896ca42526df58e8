"""What the launch file takes, and the words of the command that it becomes. Imports neither ROS nor hydranet.

`ros2 launch` runs with the Python of ROS, which does not see the environment of the node, so that the options of
`hydranet ros2` cannot be read from there; a test of the project holds the two against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Argument:
    """One argument. default: None = it must be given; "" = what the command itself says.

    how: "option" = a value; "list" = values between commas, each an option of its own; "flag" = true or false;
         "parameter" = a ROS parameter of the node, which may be changed while it runs; "launch" = of the launch file.
    """

    name: str
    description: str
    how: str = "option"
    default: str | None = ""


ARGUMENTS = (
    Argument("model", "A file that `hydranet export` wrote, or a run folder", "launch", None),
    Argument("name", "The node's name; outputs lie below it", "launch", "hydranet"),
    Argument("parameters", "A file of ROS parameters; default: config/hydranet.yaml of this package", "launch"),
    Argument("image", "Topic with sensor_msgs/Image", default="image"),
    Argument("compressed", "The topic has sensor_msgs/CompressedImage", "flag", "false"),
    Argument("camera_info", "Topic with sensor_msgs/CameraInfo: 3D boxes, points, canonical depth"),
    Argument("heads", "Only these tasks, separated by commas; the others cost nothing"),
    Argument("every", "Heads for every Nth image only: depth=2,lanes=3", "list"),
    Argument("threshold", "Least score of boxes and lines, 0 to 1; -1 = each head's own", "parameter"),
    Argument("iou", "Largest overlap of two boxes of a class, 0 to 1; -1 = each head's own", "parameter"),
    Argument("option", "Of what follows a head's network: detection.max_detections=20,...", "list"),
    Argument("millimeters", "Depth as 16UC1 in mm, 0 = unknown", "flag", "false"),
    Argument("overlay", "Also the image with the predictions drawn on it", "flag", "true"),
    Argument("cloud", "Also the depth as PointCloud2; needs camera_info", "flag", "false"),
    Argument("size", "Input size HEIGHTxWIDTH; default: the training size nearest in shape"),
    Argument("runtime", "onnx, openvino, torchscript; default: by the file"),
    Argument("device", "cpu, cuda, cuda:1; default: cpu"),
    Argument("threads", "Threads of the runtime"),
    Argument("precision", "bf16 or fp16 for runs and OpenVINO; default: fp32"),
    Argument("best", "A run's best network instead of its last", "flag", "false"),
    Argument("trust", "Open .torchscript files, which are code, though somebody else exported them", "flag", "false"),
    Argument("allow", "Code of others that a run may use, if you trust it: FILE.py, NAME=FILE.py, ...", "list"),
)


def words(given: Mapping[str, str]) -> list[str]:
    """The words after `hydranet ros2` for the values of the arguments. Raises ValueError for a flag that is none."""
    command = [given["model"]]
    for one in ARGUMENTS:
        option, value = f"--{one.name.replace('_', '-')}", given[one.name].strip()
        if one.how == "flag":
            command += _flag(one, option, value)
        elif one.how == "option" and value:
            command += [option, value]
        elif one.how == "list":
            command += [word for part in value.split(",") if part.strip() for word in (option, part.strip())]
    return command


def _flag(one: Argument, option: str, value: str) -> list[str]:
    """The option where it is true; its opposite where it is false and would be true without a word."""
    if value.lower() not in ("true", "false"):
        raise ValueError(f"got {one.name}:={value}, expected true or false")
    if value.lower() == "true":
        return [option]
    return [option.replace("--", "--no-", 1)] if one.default == "true" else []


def parameters(given: Mapping[str, str]) -> dict[str, float]:
    """The ROS parameters that were given; those of a file hold for the others. Raises ValueError for no number."""
    named = [one.name for one in ARGUMENTS if one.how == "parameter" and given[one.name].strip()]
    try:
        return {name: float(given[name]) for name in named}
    except ValueError as error:
        values = ", ".join(f"{name}:={given[name]}" for name in named)
        raise ValueError(f"got {values}, expected numbers from 0 to 1, or -1") from error
