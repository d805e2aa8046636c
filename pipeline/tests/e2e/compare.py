"""Rules by which a message in the trail is held against a log's: what is otherwise by design, and nothing else.

Takes rows of one message and what a log or a client has of it; gives what differs. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logs
    import trail


def same_text(recorded: bytes, sent: bytes) -> bool:
    """Whether both are one text, but for what is masked in the trail."""
    if recorded == sent:
        return True
    parts = recorded.split(b"***")
    return len(parts) > 1 and re.fullmatch(b".*?".join(map(re.escape, parts)), sent, re.DOTALL) is not None


def failed(checks: dict[str, bool]) -> str | None:
    """Names of the checks that do not hold."""
    return ", ".join(name for name, holds in checks.items() if not holds) or None


def outcome(group: list[trail.Row], code: str | None) -> dict[str, bool]:
    """The piece that failed is the last one that ran, and each before it went well."""
    *before, last = group
    return {
        "code": last.status_code == code,
        "status": [row.status for row in group] == ["ok"] * len(before) + ["error" if code else "ok"],
        "codes before": not any(row.status_code or row.sqlstate or row.error_message for row in before),
    }


def postgres(group: list[trail.Row], message: logs.Message) -> str | None:
    """What failed before it ran has no protocol in the trail; SQLSTATE is its code."""
    commands = {message.command, "message"} if message.code else {message.command}
    text = b"".join(row.text or b"" for row in group)
    checks = outcome(group, message.code) | {
        "text": same_text(text, message.text),
        "command": {row.command for row in group} <= commands,
        "sqlstate": group[-1].sqlstate == message.code,
        "rows": message.code is None or (group[-1].rows_returned, group[-1].rows_affected) == (None, None),
    }
    return failed(checks)
