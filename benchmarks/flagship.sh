#!/usr/bin/env bash
# The whole training of the network that comes with the package: `benchmarks/flagship.sh DATA [DEVICE] [TEACHERS]`.
# On a CPU it takes hours at 4 images per second and core; stop it at any time, the same command goes on.
# With the folder of the teacher networks, it goes on with their boxes where nobody labeled any (`street_taught`).
set -euo pipefail
cd "$(dirname "$0")/.."
export HYDRANET_DATA="${1:?give the folder that holds camvid, idd_lite, kitti_object ...}"
device="${2:-cpu}"
teachers="${3:-}"
run="${RUN:-runs/street}"
learn() { # NAME FOLDER SETTING...
    local name="$1" folder="$2" resume=()
    shift 2
    if [ -f "$folder/state.safetensors" ]; then resume=(--resume); fi
    hydranet train "$name" "$@" --out "$folder" --device "$device" "${resume[@]}"
}
hydranet weights get efficientnet_lite0
learn street "$run"
name=street
if [ -n "$teachers" ]; then
    benchmarks/street_labels.sh "$HYDRANET_DATA" "$teachers"
    learn street_taught "$run-taught" "start=$run" fixed_norm_after=0 optim.lr=1e-3 steps=2500
    name=street_taught
    run="$run-taught"
fi
hydranet evaluate "$run" --gallery "$run/gallery.html" --device "$device"
python benchmarks/release.py "$run" street --card benchmarks/cards/street.md --recipe "$name"
