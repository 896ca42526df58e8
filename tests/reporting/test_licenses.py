"""The license of every package that comes along is listed; one under AGPL is noticed."""

from hydranet.reporting.licenses import License, binding, installed


def test_the_stack_is_free_of_agpl() -> None:
    rows = {row.package: row for row in installed()}
    assert {"hydranet", "numpy", "opencv-python-headless", "typer"} <= set(rows)
    assert rows["hydranet"].license == "Apache-2.0"
    assert "BSD" in rows["numpy"].license
    assert binding(rows.values()) == []
    if "av" in rows:
        assert "x264" in rows["av"].remark


def test_agpl_is_noticed_by_any_of_its_names() -> None:
    rows = [
        License("a", "1", "AGPL-3.0-only"),
        License("b", "1", "GNU Affero General Public License v3"),
        License("c", "1", "LGPL-2.1"),
        License("d", "1", "MIT"),
    ]
    assert [row.package for row in binding(rows)] == ["a", "b"]
