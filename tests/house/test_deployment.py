"""The files for deployment by hand, as far as text shows it: no container engine runs here."""

import ast
import configparser
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_container_builds_without_torch_and_runs_as_nobody() -> None:
    text = (ROOT / "deployment" / "Dockerfile").read_text()
    (extras,) = re.findall(r'"\.\[([a-z,]+)\]"', text)
    assert set(extras.split(",")) == {"onnx", "openvino", "serve"}
    assert '! /opt/hydranet/bin/python -c "import torch"' in text
    copied = [word for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for word in line.split()]
    assert all((ROOT / word).exists() for word in copied)
    assert re.search(r"^USER hydranet$", text, re.MULTILINE)
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = ", pyproject, re.MULTILINE) for extra in extras.split(","))


def test_the_service_starts_the_command_for_this_machine_alone() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((ROOT / "deployment" / "hydranet.service").read_text())
    command = unit["Service"]["ExecStart"].split()
    assert command[1] == "serve"
    assert "--host" not in command
    assert unit["Service"]["DynamicUser"] == "yes"


def test_the_package_of_ros_names_one_thing_everywhere() -> None:
    place = ROOT / "ros2" / "hydranet_ros"
    tree = ElementTree.parse(place / "package.xml").getroot()
    assert (tree.findtext("name"), tree.findtext("license")) == ("hydranet_ros", "Apache-2.0")
    assert tree.findtext("export/build_type") == "ament_python"
    for path in (place / "setup.py", place / "hydranet_ros" / "node.py", place / "launch" / "hydranet.launch.py"):
        ast.parse(path.read_text())
    named = re.findall(r'"((?:resource|launch|config)/[^"]+)"', (place / "setup.py").read_text())
    assert [name for name in named if not (place / name.replace("{NAME}", "hydranet_ros")).exists()] == []
