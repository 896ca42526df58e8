"""The node over the toy network, which takes a while for each image; a process of its own, ended by a signal."""

import sys

from hydranet.deploy.predictor import SessionPredictor
from hydranet.serving.ros2.node import Topics, spin
from hydranet.serving.ros2.pipeline import Outputs, Perception
from web_client import Toy

if __name__ == "__main__":
    predictor = SessionPredictor(Toy(pause_s=float(sys.argv[1])), ["far", "area", "bright"]).stream({"area": 2})
    spin(Perception(predictor, Outputs(overlay=False)), Topics("/image"), sys.argv[2:])
