#!/usr/bin/env bash
# The whole training of the network that comes with the package: `benchmarks/flagship.sh DATA [DEVICE]`.
# On a CPU it takes hours at 4 images per second and core; stop it at any time, the same command goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
export HYDRANET_DATA="${1:?give the folder that holds camvid, idd_lite, kitti_object ...}"
device="${2:-cpu}"
run="${RUN:-runs/street}"
hydranet weights get efficientnet_lite0
resume=()
if [ -f "$run/state.safetensors" ]; then resume=(--resume); fi
hydranet train street --out "$run" --device "$device" "${resume[@]}"
hydranet evaluate "$run" --gallery "$run/gallery.html" --device "$device"
python benchmarks/release.py "$run" street --card benchmarks/cards/street.md
