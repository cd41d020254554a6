"""The table in the documentation is that of the tests."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "defects.md"
#: The defects of the sections that are tested here.
NUMBERS = range(1, 28)


def _tested() -> set[tuple[str, str]]:
    """Number and name of every defect that has a test."""
    found = set()
    for module in HERE.glob("test_*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                number = (ast.get_docstring(node) or "").partition(":")[0]
                found.add((number, node.name))
    return found


def test_every_defect_has_its_line() -> None:
    """Each number has an exchange at least, and each exchange a line with its number."""
    lines = set(re.findall(r"^\| (\d+) \| .* \| `(\w+)` \|$", TABLE.read_text(), re.MULTILINE))
    assert lines == _tested()
    assert {int(number) for number, _ in lines} == set(NUMBERS)
