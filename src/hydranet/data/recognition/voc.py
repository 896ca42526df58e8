"""Pascal VOC's XML files, recognized."""

import re
from collections.abc import Iterator

from hydranet.data.recognition.folder import Answers, Folder, Recognized, beginning_of, on_error_of, pairing_of, text_of
from hydranet.datasets.voc import Voc


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """XML files of Pascal VOC beside images of their names."""
    files = [path for path in folder.of(".xml") if "<annotation" in beginning_of(path)]
    rule = pairing_of(folder, files)
    if rule is None or rule.rename or rule.ending:
        return
    names = sorted(
        {name.strip() for path in files for name in re.findall(r"<name>([^<]*)</name>", text_of(path))} - {""}
    )
    parts = {name.strip() for path in files for name in re.findall(r"<part>\s*<name>([^<]*)</name>", text_of(path))}
    names = [name for name in names if name not in parts]
    dataset = Voc(str(folder.root), tuple(names), rule.images, rule.labels, on_error=on_error_of(rule, folder))
    yield Recognized(folder.name, dataset, f"{len(files)} XML files of Pascal VOC beside images of their names")
