"""A body's file as steps; the files' own heads say how they are written.

Takes text, gives [`Step`]s. Pure. A line that cannot be read is an error.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re

HOWS = "exec|many|cursor|copy in|copy out|simple|command|send|got|pipeline|sync"

SESSION = re.compile(r"== (\w+)(?: as (\w+)| (is gone))?")
STEP = re.compile(rf"(?:\[(?!(?:{HOWS})\b)(\w{{2,5}})\] ?)?(?:\[({HOWS})(?: ([^\n]*?))?\](?: |$))?(.*)", re.DOTALL)
ODD = re.compile(r"«(?:id (\w+)|([0-9a-f]{2}(?: [0-9a-f]{2})*)?)»")


@dataclasses.dataclass(frozen=True)
class Step:
    """One message of a session. `how` is `query`, `login`, `gone` or one of the words in brackets."""

    line: int
    session: str
    how: str
    # Pieces of the text: bytes as they stand, and names of sessions whose connection id is meant.
    text: tuple[bytes | str, ...] = ()
    # Error number or SQLSTATE that the client gets.
    code: str | None = None
    # Values as written, or the user of a login.
    argument: str | None = None


def read(path: pathlib.Path) -> list[Step]:
    steps: list[Step] = []
    session, block = "", None
    known = set()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if block is not None:
            if line == ">>>":
                steps.append(step(number, session, "\n".join(block)))
                block = None
            else:
                block.append(line)
        elif line == "<<<":
            block = []
        elif named := SESSION.fullmatch(line):
            session = named[1]
            if named[3]:
                steps.append(Step(number, session, "gone"))
                known.discard(session)
            elif session not in known:
                steps.append(Step(number, session, "login", argument=named[2]))
                known.add(session)
        elif line and line != "#" and not line.startswith("# "):
            steps.append(step(number, session, line))
    assert block is None, f"{path}: <<< without >>>"
    return steps


def step(number: int, session: str, line: str) -> Step:
    code, how, argument, text = STEP.fullmatch(line).groups()
    return Step(number, session, how or "query", pieces(text), code, argument)


def pieces(text: str) -> tuple[bytes | str, ...]:
    found: list[bytes | str] = []
    end = 0
    for odd in ODD.finditer(text):
        found.append(text[end : odd.start()].encode())
        found.append(odd[1] or bytes.fromhex(odd[2] or ""))
        end = odd.end()
    return (*found, text[end:].encode())
