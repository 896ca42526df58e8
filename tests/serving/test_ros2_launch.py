"""The launch file takes whatever the node takes: command, ROS parameters, launch file and documentation agree."""

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pytest
import typer

from hydranet.cli.main import app

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "ros2" / "hydranet_ros"


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem.replace(".", "_"), path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


ours = loaded(PLACE / "hydranet_ros" / "launch_arguments.py")
DEFAULTS = {one.name: one.default or "" for one in ours.ARGUMENTS} | {"model": "/m.onnx", "parameters": "/p.yaml"}


def options() -> dict[str, click.Option]:
    """Those of `hydranet ros2`, by name."""
    group = typer.main.get_command(app)
    command: Any = group.get_command(click.Context(group), "ros2")
    found = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
    assert len(found) > 10
    return {one.name: one for one in found}


def ros_parameters() -> tuple[str, ...]:
    """Names that the node declares; rclpy is not needed to read them."""
    text = (ROOT / "src" / "hydranet" / "serving" / "ros2" / "node.py").read_text()
    (declared,) = re.findall(r"for one, value in zip\((\w+), .*\n +self\.declare_parameter\(one, ", text)
    assert text.count("declare_parameter") == 1, "all of them are declared in one place, from one table"
    tables = {node.targets[0].id: node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)}
    return ast.literal_eval(tables[declared])


def test_every_option_and_every_ros_parameter_of_the_node_is_an_argument() -> None:
    arguments = {one.name: one for one in ours.ARGUMENTS}
    assert len(arguments) == len(ours.ARGUMENTS)
    assert set(arguments) == {"model", "parameters", *options(), *ros_parameters()}
    assert {one.name for one in ours.ARGUMENTS if one.how == "parameter"} == set(ros_parameters())
    for name, option in options().items():
        one = arguments[name]
        assert f"--{name.replace('_', '-')}" in option.opts
        if one.how in ("flag", "list"):
            assert (one.how == "flag", one.how == "list") == (option.is_flag, option.multiple), name
        if one.how == "flag":
            assert one.default == str(option.default).lower(), name
        elif one.default:
            assert one.default == option.default, name


def test_the_file_of_parameters_and_the_documentation_have_them_all() -> None:
    yaml = (PLACE / "config" / "hydranet.yaml").read_text()
    assert re.findall(r"^    (\w+): -1\.0", yaml, re.MULTILINE) == list(ros_parameters())
    text = (ROOT / "docs" / "serving.md").read_text()
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) ?\| (.*) \|$", text.partition("| argument | default | what |")[2], re.MULTILINE
    )
    wanted = [(a.name, "must be given" if a.default is None else a.default, a.description) for a in ours.ARGUMENTS]
    assert [tuple(map(str.strip, row)) for row in rows] == wanted


def test_nothing_given_is_the_command_with_its_own_defaults() -> None:
    assert ours.words(DEFAULTS) == ["/m.onnx", "--image", "image", "--overlay"]
    assert ours.parameters(DEFAULTS) == {}


def test_values_flags_and_lists_become_options_that_the_command_reads() -> None:
    given = {"every": "depth=2, lanes=3", "heads": "depth,lanes", "compressed": "True", "overlay": "false"}
    words = ours.words(DEFAULTS | given | {"camera_info": "/info", "threads": "2", "threshold": "0.5", "iou": "-1"})
    group = typer.main.get_command(app)
    command: Any = group.get_command(click.Context(group), "ros2")
    read = command.make_context("ros2", words).params
    assert (str(read["model"]), read["image"], read["camera_info"]) == ("/m.onnx", "image", "/info")
    assert (read["every"], read["heads"], read["threads"]) == (["depth=2", "lanes=3"], "depth,lanes", 2)
    assert (read["compressed"], read["overlay"], read["cloud"]) == (True, False, False)
    assert read["threshold"] is None, "a ROS parameter, which a file of parameters could not overwrite otherwise"
    assert ours.parameters(DEFAULTS | {"threshold": "0.5", "iou": "-1"}) == {"threshold": 0.5, "iou": -1.0}
    with pytest.raises(ValueError, match="got compressed:=maybe, expected true or false"):
        ours.words(DEFAULTS | {"compressed": "maybe"})
    with pytest.raises(ValueError, match="got threshold:=half, expected numbers from 0 to 1, or -1"):
        ours.parameters(DEFAULTS | {"threshold": "half"})


def test_the_launch_file_declares_them_and_starts_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins for ROS, which is not installed here: they note what they are made of."""

    def made(*words: Any, **named: Any) -> SimpleNamespace:
        return SimpleNamespace(words=words, **named)

    for name, parts in {
        "launch": ("LaunchContext", "LaunchDescription"),
        "launch.actions": ("DeclareLaunchArgument", "OpaqueFunction"),
        "launch.substitutions": ("LaunchConfiguration", "PathJoinSubstitution"),
        "launch_ros": (),
        "launch_ros.actions": ("Node",),
        "launch_ros.substitutions": ("FindPackageShare",),
    }.items():
        module = ModuleType(name)
        vars(module).update(dict.fromkeys(parts, made))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "hydranet_ros", ModuleType("hydranet_ros"))
    monkeypatch.setitem(sys.modules, "hydranet_ros.launch_arguments", ours)
    (actions,) = loaded(PLACE / "launch" / "hydranet.launch.py").generate_launch_description().words
    *declared, start = actions
    defaults = {one.words[0]: one.default_value for one in declared}
    assert list(defaults) == [one.name for one in ours.ARGUMENTS]
    assert (defaults["model"], defaults["every"], defaults["overlay"]) == (None, "", "true")
    assert defaults["parameters"].words[0][1:] == ["config", "hydranet.yaml"]

    def node(**given: str) -> Any:
        values = DEFAULTS | given
        (one,) = start.function(SimpleNamespace(perform_substitution=lambda asked: values[asked.words[0]]))
        return one

    assert node(name="front").name == "front"
    assert node(every="depth=2").arguments == ["/m.onnx", "--image", "image", "--every", "depth=2", "--overlay"]
    assert node().parameters == ["/p.yaml"]
    assert node(threshold="0.4").parameters == ["/p.yaml", {"threshold": 0.4}], "what is given goes before the file"
