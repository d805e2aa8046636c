"""What recording costs: all sides in one run, in turns, as ratios.

Takes private servers and the release build; gives docs/benchmarks.md. Every number in that page comes from
one run of this program on one machine; it must never mix runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import statistics
import sys
import time
from collections.abc import Callable

import page
import sides
import workloads
from sides import Side, servers, trail
from workloads import Workload

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/benchmarks.md"
PIPELINE = ROOT / "target/release/examples/pipeline_bench"


@dataclasses.dataclass
class Result:
    """One workload on one side, over all rounds."""

    side: str
    rates: list[float] = dataclasses.field(default_factory=list)
    server_us: list[float] = dataclasses.field(default_factory=list)
    recorder_us: list[float] = dataclasses.field(default_factory=list)
    ran: int = 0
    recorded: int = 0
    lost: int = 0

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def server(self) -> float:
        return statistics.median(self.server_us)


def run(workload: Workload, side: Side, server: servers.Server, seconds: int, result: Result) -> None:
    with side.on(server) as recorder:
        before = sides.cpu_seconds(server.pid)
        rate, count = workload.run(server, seconds)
        # A PostgreSQL backend's time counts once the backend has ended.
        time.sleep(0.2)
        result.server_us.append((sides.cpu_seconds(server.pid) - before) * 1e6 / count)
        if recorder is not None:
            # What is left to do is part of the cost: it is counted once the last statement is stored.
            servers.wait_until("the trail is still", 60, settled(recorder.trail))
            cpu_s = sides.cpu_seconds(recorder.process.pid)
    result.rates.append(rate)
    result.ran += count
    if recorder is not None:
        with recorder.trail.connect() as reader:
            recorded, lost = reader.execute(
                f"select count(*) filter (where kind = 'query' and {workload.which}),"
                " coalesce(sum(repeat_count) filter (where kind = 'loss'), 0) from events"
            ).fetchone()
        result.recorder_us.append(cpu_s * 1e6 / max(recorded, 1))
        result.recorded += recorded
        result.lost += lost


def settled(reader: trail.Trail) -> Callable[[], bool]:
    """Whether two looks a second apart, the batch age twice over, saw the same number of rows."""
    seen = {"count": -1, "at": 0.0}

    def look() -> bool:
        if time.monotonic() - seen["at"] < 1:
            return False
        with reader.connect() as connection:
            count = connection.execute("select max(seq) from events").fetchone()[0]
        same = count == seen["count"]
        seen.update(count=count, at=time.monotonic())
        return same

    return look


def measure(
    workload: Workload, on: list[tuple[Side, servers.Server]], rounds: int, seconds: int
) -> tuple[str, list[Result]]:
    results = [Result(side.name) for side, _ in on]
    for server in {id(server): server for _, server in on}.values():
        workload.run(server, 1)
    for turn in range(rounds):
        # Another one begins each round, so that no side always runs on a machine that the former has warmed.
        order = [(turn + place) % len(on) for place in range(len(on))]
        for place in order:
            run(workload, *on[place], seconds, results[place])
        told = ", ".join(f"{r.side.strip('*')} {r.rates[-1]:,.0f}" for r in results)
        print(f"{workload.name}: {turn + 1} of {rounds}: {told} a second", file=sys.stderr)
    return workload.name, results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    arguments = parser.parse_args()
    with (
        servers.scratch() as root,
        sides.LoggingPostgres(root / "pg", audit=False) as pg,
        sides.LoggingPostgres(root / "audited", audit=True) as audited,
        servers.MariaDB(root / "my") as my,
    ):
        for server in (pg, audited):
            where = ["-h", server.socket_dir, "-p", str(server.port), "-U", "postgres"]
            sides.output(server.bin / "pgbench", *where, "-i", "-q", "postgres")
        sides.mariadb(my, "create database bench; install soname 'server_audit'")
        sides.mariadb(my, f"set global server_audit_file_path = '{root / 'my' / 'server_audit.log'}'")
        sides.mariadb(my, f"set global general_log_file = '{my.general_log}'")
        sides.output(
            "sysbench", "oltp_point_select", f"--mysql-socket={my.socket}", "--mysql-user=root", "--mysql-db=bench",
            "--tables=1", f"--table-size={workloads.TABLE_ROWS}", "prepare",
        )  # fmt: skip
        trails = root / "trails"
        trails.mkdir()
        ours = [
            sides.nothing(),
            sides.recorder(trails, sides.DEFAULT),
            sides.recorder(trails, "sqltrail, no tables and bind values", "--no-objects", "--no-parameters"),
        ]
        csvlog = sides.postgres_setting("`log_statement = all`, csvlog", "log_statement = 'all'")
        pgaudit = dataclasses.replace(sides.nothing(), name="pgaudit, all classes")
        on_postgres = [*((side, pg) for side in [*ours, csvlog]), (pgaudit, audited)]
        general = sides.mariadb_setting("general log", "general_log")
        server_audit = sides.mariadb_setting("server_audit", "server_audit_logging")
        on_mariadb = [(side, my) for side in [*ours, general, server_audit]]
        measured = [
            measure(workload, on, arguments.rounds, arguments.seconds)
            for list_, on in ((workloads.on_postgres(root), on_postgres), (workloads.on_mariadb(), on_mariadb))
            for workload in list_
        ]
        versions = [
            "PostgreSQL " + sides.output(pg.bin / "postgres", "--version").split()[2],
            "MariaDB " + sides.mariadb(my, "select version()").split("-")[0],
        ]
        memory = json.loads(sides.output(PIPELINE)) if PIPELINE.exists() else None
        PAGE.write_text(page.page(measured, versions, memory, arguments.rounds, arguments.seconds))
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main()
