"""What the servers' own logs say was run: the yardstick that the trail is held against.

Takes a csvlog (`log_statement=all`) or a general log and gives, for each session, its client messages in
order. It must never read the trail.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
import re
from collections.abc import Iterator

# The general log has no escapes: a line that looks like this begins an entry.
GENERAL_ENTRY = re.compile(
    rb"^(?:\d{6} [ \d]\d:\d\d:\d\d)?\t\s*(\d+) "
    rb"(Connect|Quit|Query|Init DB|Prepare|Execute|Close stmt|Reset stmt|Fetch|Change user|Ping|Statistics|"
    rb"Set option|Field List|Long Data|Refresh|Shutdown|Debug)\t",
    re.MULTILINE,
)

# A bind value in a csvlog.
VALUE = re.compile(r"\$\d+ = (?:'((?:[^']|'')*)'|(NULL))")

# Columns of a csvlog line, at least: those of PostgreSQL 12.
CSVLOG_COLUMNS = 23

# What the server writes when it opens the log anew.
GENERAL_HEAD = re.compile(
    rb"\n?^\S+, Version: .*started with:\nTcp port: .*\nTime\t\t    Id Command\tArgument$", re.MULTILINE
)

# Packet ends that MariaDB drops from a text before it logs it (white space and `;`).
MARIADB_LEADING = b" \t\n\v\f\r"
MARIADB_TRAILING = MARIADB_LEADING + b";"


@dataclasses.dataclass(frozen=True)
class Message:
    """One text that a client had executed, once. `command` is `simple`, `execute`, `Query`, `Execute` ..."""

    command: str
    text: bytes
    # SQLSTATE of its failure, as far as the log says it.
    code: str | None = dataclasses.field(default=None, compare=False)
    # Its bind values as the server's own output functions have them, where the log says them.
    values: tuple[str | None, ...] | None = dataclasses.field(default=None, compare=False)


@dataclasses.dataclass(frozen=True)
class Audited:
    """One entry of pgaudit's session log."""

    statement: int
    substatement: int
    class_: str
    command: str
    object_type: str
    object_name: str


def csvlog(folder: pathlib.Path) -> Iterator[list[str]]:
    """Lines of client backends of the csvlog in `folder`."""
    # A logged text is one field.
    csv.field_size_limit(1 << 30)
    text = (folder / "log.csv").read_bytes().decode("latin-1")
    for row in csv.reader(io.StringIO(text, newline="")):
        # The last line may still be written, and the server's own processes have no user.
        if len(row) >= CSVLOG_COLUMNS and row[1]:
            yield row


def postgres_sessions(folder: pathlib.Path) -> dict[str, list[Message]]:
    """Client messages of each session (`%c`), in order, from the csvlog in `folder`.

    A simple text that fails before it is planned has no `statement:` line, only the error's own. Of
    calls without a text only those that fail are here.
    """
    return {session: [message for message, _ in read] for session, read in audited_sessions(folder).items()}


def pgaudit_sessions(folder: pathlib.Path) -> dict[str, list[list[Audited]]]:
    """What pgaudit logged of each message that `postgres_sessions` gives."""
    return {session: [entries for _, entries in read] for session, read in audited_sessions(folder).items()}


def audited_sessions(folder: pathlib.Path) -> dict[str, list[tuple[Message, list[Audited]]]]:
    sessions: dict[str, list[tuple[Message, list[Audited]]]] = {}
    # The text that the session's next error would repeat.
    logged: dict[str, bytes | None] = {}
    for row in csvlog(folder):
        session, severity, code, message, query = row[5], row[11], row[12], row[13], row[19]
        entries = sessions.setdefault(session, [])
        if severity == "LOG" and message.startswith("statement: "):
            text = message.removeprefix("statement: ").encode("latin-1")
            entries.append((Message("simple", text), []))
            logged[session] = text
        elif severity == "LOG" and message.startswith("execute "):
            text = message.partition(": ")[2].encode("latin-1")
            entries.append((Message("execute", text, values=bind_values(row[14])), []))
            logged[session] = text
        elif severity == "LOG" and message.startswith("AUDIT: SESSION,") and entries:
            fields = next(csv.reader(io.StringIO(message.removeprefix("AUDIT: SESSION,"), newline="")))
            entries[-1][1].append(Audited(int(fields[0]), int(fields[1]), *fields[2:6]))
        elif severity == "LOG" and message.startswith("fastpath function call: "):
            # A call without a text, such as libpq's for large objects.
            logged[session] = b""
        elif severity == "ERROR" and not query and logged.get(session) == b"":
            entries.append((Message("simple", b"", code), []))
            logged[session] = None
        elif severity in ("ERROR", "FATAL") and query:
            failed = query.encode("latin-1")
            if logged.get(session) == failed:
                last, audited = entries[-1]
                entries[-1] = (dataclasses.replace(last, code=code), audited)
            else:
                entries.append((Message("simple", failed, code), []))
            logged[session] = None
    return sessions


def bind_values(detail: str) -> tuple[str | None, ...] | None:
    """Of the log's `parameters: $1 = '...', $2 = NULL`."""
    if not detail.lower().startswith("parameters: "):
        return None
    found = VALUE.findall(detail.encode("latin-1").decode())
    return tuple(None if null else text.replace("''", "'") for text, null in found)


def mariadb_sessions(log: pathlib.Path) -> dict[str, list[Message]]:
    """Entries of each connection, in order, from a general log."""
    text = GENERAL_HEAD.sub(b"", log.read_bytes())
    entries = list(GENERAL_ENTRY.finditer(text))
    ends = [*(entry.start() for entry in entries[1:]), len(text)]
    sessions: dict[str, list[Message]] = {}
    for entry, end in zip(entries, ends, strict=False):
        argument = text[entry.end() : end].removesuffix(b"\n")
        sessions.setdefault(entry[1].decode(), []).append(Message(entry[2].decode(), argument))
    return sessions


def mariadb_logged(text: bytes) -> bytes:
    """`text` as the general log has it."""
    return text.lstrip(MARIADB_LEADING).rstrip(MARIADB_TRAILING)
