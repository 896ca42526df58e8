"""The ament_python package: a launch file, parameters, the executable `node`; the code is in the package hydranet."""

from setuptools import setup

NAME = "hydranet_ros"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", ["launch/hydranet.launch.py"]),
        (f"share/{NAME}/config", ["config/hydranet.yaml"]),
    ],
    install_requires=["setuptools"],  # hydranet itself comes from pip: pip install "hydranet[onnx]"
    zip_safe=True,
    maintainer="HydraNet maintainers",
    description="Runs HydraNet's perception node",
    license="Apache-2.0",
    entry_points={"console_scripts": [f"node = {NAME}.node:main"]},
)
