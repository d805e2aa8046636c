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

# The general log has no escapes: a line that looks like this begins an entry.
GENERAL_ENTRY = re.compile(
    rb"^(?:\d{6} [ \d]\d:\d\d:\d\d)?\t\s*(\d+) "
    rb"(Connect|Quit|Query|Init DB|Prepare|Execute|Close stmt|Reset stmt|Fetch|Change user|Ping|Statistics|"
    rb"Set option|Field List|Long Data|Refresh|Shutdown|Debug)\t",
    re.MULTILINE,
)

# Columns of a csvlog line, at least: those of PostgreSQL 12.
CSVLOG_COLUMNS = 23

# Packet ends that MariaDB drops from a text before it logs it (white space, NUL and `;`).
MARIADB_LEADING = b" \t\n\v\f\r\0"
MARIADB_TRAILING = MARIADB_LEADING + b";"


@dataclasses.dataclass(frozen=True)
class Message:
    """One text that a client had executed, once. `command` is `simple`, `execute`, `Query`, `Execute` ..."""

    command: str
    text: bytes
    # SQLSTATE of its failure, as far as the log says it.
    code: str | None = dataclasses.field(default=None, compare=False)


def postgres_sessions(folder: pathlib.Path) -> dict[str, list[Message]]:
    """Client messages of each session (`%c`), in order, from the csvlog in `folder`.

    A simple text that fails before it is planned has no `statement:` line, only the error's own. Of
    calls without a text only those that fail are here.
    """
    sessions: dict[str, list[Message]] = {}
    # The text that the session's next error would repeat.
    logged: dict[str, bytes | None] = {}
    # A logged text is one field.
    csv.field_size_limit(1 << 30)
    text = (folder / "log.csv").read_bytes().decode("latin-1")
    for row in csv.reader(io.StringIO(text, newline="")):
        if len(row) < CSVLOG_COLUMNS:
            continue  # The last line, still being written.
        session, severity, code, message, query = row[5], row[11], row[12], row[13], row[19]
        if not row[1]:
            continue  # The server's own processes have no user.
        entries = sessions.setdefault(session, [])
        if severity == "LOG" and message.startswith("statement: "):
            entries.append(Message("simple", message.removeprefix("statement: ").encode("latin-1")))
            logged[session] = entries[-1].text
        elif severity == "LOG" and message.startswith("execute "):
            _, _, executed = message.partition(": ")
            entries.append(Message("execute", executed.encode("latin-1")))
            logged[session] = entries[-1].text
        elif severity == "LOG" and message.startswith("fastpath function call: "):
            # A call without a text, such as libpq's for large objects.
            logged[session] = b""
        elif severity == "ERROR" and not query and logged.get(session) == b"":
            entries.append(Message("simple", b"", code))
            logged[session] = None
        elif severity in ("ERROR", "FATAL") and query:
            failed = query.encode("latin-1")
            if logged.get(session) == failed:
                entries[-1] = dataclasses.replace(entries[-1], code=code)
            else:
                entries.append(Message("simple", failed, code))
            logged[session] = None
    return sessions


def mariadb_sessions(log: pathlib.Path) -> dict[str, list[Message]]:
    """Entries of each connection, in order, from a general log."""
    text = log.read_bytes()
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
