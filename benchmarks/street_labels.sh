#!/usr/bin/env bash
# Boxes for the recipe `street_taught`: `benchmarks/street_labels.sh DATA TEACHERS`.
# Stop it at any time: the same command goes on. About two seconds an image and core.
set -euo pipefail
cd "$(dirname "$0")/.."
export HYDRANET_DATA="${1:?give the folder that holds camvid, idd_lite, culane}"
export TEACHERS="${2:?give the folder of person-vehicle-bike-detection-crossroad-0078}"
for source in camvid idd culane; do
    hydranet label examples/road_teachers.py:road_users "$source" --recipe street \
        --out "runs/street-labels/$source" --confidence detection=0.4
done
