"""Pascal VOC's XML files, recognized."""

from collections.abc import Iterator
from xml.etree import ElementTree

from hydranet.data.recognition.folder import Answers, Folder, Recognized, beginning_of, on_error_of, pairing_of, text_of
from hydranet.datasets.voc import Voc


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """XML files of Pascal VOC beside images of their names."""
    files = [path for path in folder.of(".xml") if "<annotation" in beginning_of(path)]
    rule = pairing_of(folder, files)
    if rule is None or rule.rename or rule.ending:
        return
    stated = {name for path in files for name in _classes(text_of(path))}
    names = answers.names(folder.name) or tuple(sorted(stated))
    dataset = Voc(str(folder.root), names, rule.images, rule.labels, on_error=on_error_of(rule, folder))
    yield Recognized(folder.name, dataset, f"{len(files)} XML files of Pascal VOC beside images of their names")


def _classes(text: str) -> set[str]:
    """Names of the objects of an XML file, and of nothing else: owners, parts and sources have names, too. None where
    it is broken: that is said when it is read."""
    try:
        tree = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError):
        return set()
    return {item.findtext("name", "").strip() for item in tree.iterfind("object")} - {""}
