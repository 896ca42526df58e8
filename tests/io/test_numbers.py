"""Numbers of label files that would be none in 32-bit arrays are refused where they enter."""

import pytest

from hydranet.core.sample import DataError
from hydranet.io.box_rows import is_number, json_numbers, numbers


@pytest.mark.parametrize("value", [3.5e38, -1e300, 10**400, float("nan"), float("inf"), True, "1", None])
def test_no_number(value: object) -> None:
    assert not is_number(value)
    with pytest.raises(DataError, match=r"b\.json 1, .* expected 2 finite numbers; correct it"):
        json_numbers([1, value], 2, "b.json 1,")


def test_numbers_of_text_and_json() -> None:
    assert is_number(3.4e38)
    assert json_numbers([1, -2.5], 2, "b.json") == [1.0, -2.5]
    assert numbers(["1", "-2.5e3"], "a.txt") == [1.0, -2500.0]
    for word in ("1_000", "\u0662", "1\u0665", "\uff11", "1,5", ""):
        with pytest.raises(DataError, match=r"a\.txt: got '.*'; expected a number; correct it"):
            numbers([word], "a.txt")
    with pytest.raises(DataError, match=r"a\.txt: got '1e39'; expected a number that fits into 32 bits; correct it"):
        numbers(["0", "1e39"], "a.txt")
