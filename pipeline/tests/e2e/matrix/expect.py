"""What each situation must leave in the trail.

`expected/ENGINE.json` has the rows of one version of each engine; `differences` says what other versions do
otherwise. `SQLTRAIL_BLESS=1` writes the file of that version anew, for a person to read its diff.
"""

from __future__ import annotations

import copy
import json
import pathlib
import re

from matrix.differences import DIFFERENCES, Difference

BLESS = "SQLTRAIL_BLESS"
# The version that `expected` has of each engine.
BASE = {"postgresql": (15,), "mariadb": (10, 11), "mysql": (9,)}


def numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version, for comparison."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def is_base(engine: str, version: tuple[int, ...]) -> bool:
    return version[: len(BASE[engine])] == BASE[engine]


def file_of(engine: str) -> pathlib.Path:
    return pathlib.Path(__file__).parent / "expected" / f"{engine}.json"


def read(engine: str) -> dict[str, list[dict]]:
    return json.loads(file_of(engine).read_text())


def write(engine: str, rows: dict[str, list[dict]]) -> None:
    """One row a line."""
    situations = []
    for name, its in rows.items():
        lines = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in its)
        situations.append(f'  "{name}": [\n{lines}\n  ]')
    file_of(engine).write_text("{\n" + ",\n".join(situations) + "\n}\n")


def differences(engine: str, version: tuple[int, ...], situation: str) -> list[Difference]:
    return [d for d in DIFFERENCES if d.engine == engine and situation == d.situation and d.holds(version)]


def expected(engine: str, version: tuple[int, ...], situation: str) -> list[dict]:
    """The rows, with what is different in this version. A difference that is none is a failure."""
    rows = copy.deepcopy(read(engine)[situation])
    for difference in differences(engine, version, situation):
        row = rows[difference.row]
        for column, value in difference.columns.items():
            assert row.get(column) != value, f"no difference: {difference}"
            if value is None:
                del row[column]
            else:
                row[column] = value
    return rows


def unlike(found: list[dict], wanted: list[dict]) -> list[str]:
    """One line for each row or column that differs."""
    lines = []
    for number in range(max(len(found), len(wanted))):
        if number >= len(wanted):
            lines.append(f"row {number} is not expected: {found[number]}")
        elif number >= len(found):
            lines.append(f"row {number} is missing: {wanted[number]}")
        else:
            got, want = found[number], wanted[number]
            names = [
                name for name in {**want, **got} if got.get(name) != want.get(name) or (name in got) != (name in want)
            ]
            lines += [f"row {number}: {name} is {got.get(name)!r}, expected {want.get(name)!r}" for name in names]
    return lines
