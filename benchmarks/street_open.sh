#!/usr/bin/env bash
# The whole training of the network that anybody may use: `benchmarks/street_open.sh DATA TEACHERS [DEVICE]`.
# DATA holds carla_det and video, TEACHERS the two networks of Open Model Zoo (examples/road_teachers.py).
# Stop it at any time: the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
export HYDRANET_DATA="${1:?give the folder that holds carla_det and video}"
export TEACHERS="${2:?give the folder of the teacher networks}"
device="${3:-cpu}"
run="${RUN:-runs/street-open}"
hydranet weights get efficientnet_lite0
python benchmarks/frames_of.py "$HYDRANET_DATA/video" runs/open-frames --every 3
hydranet label examples/road_teachers.py:street runs/open-frames --out runs/open-labels/videos --confidence surface=0.7,detection=0.5
hydranet label examples/road_teachers.py:road carla --recipe street --out runs/open-labels/carla --confidence surface=0.7
resume=()
if [ -f "$run/state.safetensors" ]; then resume=(--resume); fi
hydranet train street_open --out "$run" --device "$device" "${resume[@]}"
hydranet evaluate "$run" --gallery "$run/gallery.html" --device "$device"
python benchmarks/release.py "$run" street-open --card benchmarks/cards/street-open.md
