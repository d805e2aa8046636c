"""What other versions do otherwise than the one whose rows are in `expected`, and why."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Difference:
    engine: str
    situation: str
    # Number of the row, from 0.
    row: int
    # Columns with their values; None: the row has no such value.
    columns: dict[str, object]
    reason: str
    # Versions from `since` on, less those from `before` on; empty is no limit.
    since: tuple[int, ...] = ()
    before: tuple[int, ...] = ()

    def holds(self, version: tuple[int, ...]) -> bool:
        return version >= self.since and (not self.before or version < self.before)


OTHER_WORDS = "the server words this message differently"
ENDS_AT_RETURN = "commands without SQL, too, end where dispatch_command returns: the row has a duration and a count"

DIFFERENCES = [
    Difference(
        "postgresql", "copy_out", 1, {"objects": None}, before=(14,),
        reason="the server exports no function through which COPY ... TO opens its table",
    ),
    Difference(
        "mariadb", "unknown_column", 2, {"error_message": "Unknown column 'nope' in 'field list'"}, before=(10, 6),
        reason=OTHER_WORDS,
    ),
    Difference(
        "mariadb", "prepare_fails", 2, {"error_message": "Unknown column 'nope' in 'field list'"}, before=(10, 6),
        reason=OTHER_WORDS,
    ),
    Difference(
        "mariadb", "other_database", 5, {"duration": None, "rows_affected": 0}, before=(10, 6), reason=ENDS_AT_RETURN
    ),
    Difference(
        "mariadb", "change_user", 4, {"duration": None, "rows_affected": 0}, before=(10, 6), reason=ENDS_AT_RETURN
    ),
]  # fmt: skip
