"""What the servers are asked.

Each workload runs one kind of statement for some seconds and gives how many there were.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Callable

from sides import output, servers

CLIENTS = 2
TABLE_ROWS = 10_000
# Rows that a statement of the heavier workloads reads.
RANGE_ROWS = 1_000

SUM_OF_A_RANGE = f"""\\set low random(1, {100_000 - RANGE_ROWS})
select sum(abalance) from pgbench_accounts where aid between :low and :low + {RANGE_ROWS};
"""


@dataclasses.dataclass
class Workload:
    """`run(server, seconds)` gives statements a second, and how many there were; `which` finds them."""

    name: str
    which: str
    run: Callable[[servers.Server, int], tuple[float, int]]


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"no {pattern} in: {text}")
    return float(found[1])


def pgbench(name: str, *arguments: str | pathlib.Path) -> Workload:
    def run(pg: servers.Postgres, seconds: int) -> tuple[float, int]:
        where = ["-h", pg.socket_dir, "-p", str(pg.port), "-U", "postgres"]
        clients = ["-c", str(CLIENTS), "-j", "1", "-T", str(seconds)]
        told = output(pg.bin / "pgbench", *where, "-n", *arguments, *clients, "postgres")
        count = number(r"number of transactions actually processed: (\d+)", told)
        return number(r"tps = ([\d.]+)", told), int(count)

    which = "db_system_name = 'postgresql' and application_name = 'pgbench' and db_operation_name = 'SELECT'"
    return Workload(f"PostgreSQL, {name}", which, run)


def sysbench(name: str, prepared: str, *arguments: str) -> Workload:
    def run(my: servers.MariaDB, seconds: int) -> tuple[float, int]:
        script, *more = arguments
        told = output(
            servers.find_program("sysbench", "sysbench"), script, f"--mysql-socket={my.socket}", "--mysql-user=root",
            "--mysql-db=bench", "--tables=1", f"--table-size={TABLE_ROWS}", f"--threads={CLIENTS}",
            f"--db-ps-mode={prepared}", f"--time={seconds}", *more, "run",
        )  # fmt: skip
        rate = number(r"transactions:\s+\d+\s+\(([\d.]+) per sec", told)
        return rate, int(number(r"transactions:\s+(\d+)", told))

    which = "db_system_name = 'mariadb' and db_namespace = 'bench' and db_operation_name = 'SELECT'"
    return Workload(f"MariaDB, {name}", which, run)


def on_postgres(folder: pathlib.Path) -> list[Workload]:
    script = folder / "range.sql"
    script.write_text(SUM_OF_A_RANGE)
    modes = ("simple", "extended", "prepared")
    points = [pgbench(f"`pgbench -S -M {mode}`", "-S", "-M", mode) for mode in modes]
    ranged = pgbench(f"sum over {RANGE_ROWS:,} rows, prepared", "-M", "prepared", "-f", script)
    return [*points, ranged]


def on_mariadb() -> list[Workload]:
    only_ranges = [
        "oltp_read_only", "--skip-trx=on", "--point-selects=0", "--simple-ranges=0", "--order-ranges=0",
        "--distinct-ranges=0", "--sum-ranges=1", f"--range-size={RANGE_ROWS}",
    ]  # fmt: skip
    return [
        sysbench("`sysbench oltp_point_select`, text", "disable", "oltp_point_select"),
        sysbench("`sysbench oltp_point_select`, prepared", "auto", "oltp_point_select"),
        sysbench(f"sum over {RANGE_ROWS:,} rows, prepared", "auto", *only_ranges),
    ]
