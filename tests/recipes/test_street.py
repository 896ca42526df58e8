"""What the recipe of `street` says about its data, where the data are at hand."""

from pathlib import Path

import pytest

from hydranet.datasets.camvid import CamVid
from hydranet.datasets.subset import Subset

pytest.importorskip("timm")
from hydranet.recipes.street import KITTI_WHOLE
from hydranet.recipes.street_taught import AS_SCORED, DUSK, street_taught


def test_the_frames_at_dusk_are_one_drive(data_root: Path) -> None:
    camvid = CamVid(str(data_root / "camvid"))
    dusk = {sample.key for sample in Subset(camvid, DUSK)}
    assert len(dusk) == 62
    assert dusk == {sample.key for sample in camvid if Path(sample.key).name.startswith("0001TP_")}


def test_what_is_scored_in_whole_frames_is_trained_so() -> None:
    sizes = {source.name: source.size for source in street_taught().data}
    assert {name: sizes[name] for name in AS_SCORED} == dict.fromkeys(AS_SCORED, KITTI_WHOLE)
