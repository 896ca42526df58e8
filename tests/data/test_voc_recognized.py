"""Which classes the XML files of Pascal VOC in somebody's folder have."""

from pathlib import Path

import numpy as np

from foreign_layouts import scene, write
from hydranet.annotations import Boxes
from hydranet.data.recognize import Answers, recognize
from hydranet.datasets.voc import Voc

XML = """<annotation>
<owner><flickrid>Fried Camels</flickrid><name>Jinky {i}</name></owner><source><name>flickr</name></source>
<object><name>{name}</name><part><name>head</name></part>
<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>40</xmax><ymax>30</ymax></bndbox></object></annotation>"""


def test_classes_are_the_names_of_objects_alone(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    for i, name in enumerate(("van", "black &amp; white cat", "van")):
        write(tmp_path / f"JPEGImages/{i}.jpg", scene(i)[0])
        (tmp_path / f"Annotations/{i}.xml").write_text(XML.format(i=i, name=name))
    (found,) = recognize(tmp_path, Answers())
    assert isinstance(found.dataset, Voc)
    assert found.dataset.names == ("black & white cat", "van")
    boxes = found.dataset[1].labels["detection"]
    assert isinstance(boxes, Boxes)
    assert np.asarray(boxes.label).tolist() == [0]
    (named,) = recognize(tmp_path, Answers(classes={"": ("van", "bus", "black & white cat")}))
    boxes = named.dataset[1].labels["detection"]
    assert isinstance(boxes, Boxes)
    assert named.dataset.classes == {"detection": ("van", "bus", "black & white cat")}
    assert np.asarray(boxes.label).tolist() == [2]
