"""Folders and recipes have any name: the Python that `init` and `recipe convert` write can be read all the same."""

from dataclasses import replace

import pytest

from blocks import Blocks, blocks
from hydranet.config.python_text import to_python


@pytest.mark.parametrize(
    ("name", "function", "variable"),
    [
        ("drive-1", "drive_1", "drive_1"),
        ("range", "range_recipe", "range_data"),
        ("class", "class_recipe", "class_data"),
    ],
)
def test_names_are_words_of_python(name: str, function: str, variable: str) -> None:
    made = blocks("semantic")
    source = replace(made.data[0], name=name, dataset=Blocks(labels=("semantic",)))
    text = to_python(replace(made, name=name, data=(source,), validation=(source,)))
    compile(text, "recipe.py", "exec")
    assert f"def {function}() -> Recipe:\n    {variable} = Blocks(" in text
