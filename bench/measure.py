"""What recording costs: both sides in one run, alternating, as ratios.

Takes private servers and the release build; gives docs/benchmarks.md. Every number in that page comes from
one run of this program on one machine; it must never mix runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "pipeline/tests/e2e"))

import servers  # noqa: E402
import trail  # noqa: E402

PAGE = ROOT / "docs/benchmarks.md"
PIPELINE = ROOT / "target/release/examples/pipeline_bench"
CLIENTS = 2
TABLE_ROWS = 10_000


@dataclasses.dataclass
class Workload:
    """`run(seconds)` gives statements a second, and how many there were."""

    name: str
    which: str
    run: Callable[[int], tuple[float, int]]


@dataclasses.dataclass
class Result:
    name: str
    without: list[float]
    with_: list[float]
    ran: int = 0
    recorded: int = 0
    lost: int = 0
    cpu_s: float = 0.0


def output(*argv: str | pathlib.Path) -> str:
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed: {done.stderr or done.stdout}")
    return done.stdout


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"no {pattern} in: {text}")
    return float(found[1])


def pgbench(pg: servers.Postgres, mode: str) -> Workload:
    argv = [pg.bin / "pgbench", "-h", pg.socket_dir, "-p", str(pg.port), "-U", "postgres"]

    def run(seconds: int) -> tuple[float, int]:
        clients = ["-c", str(CLIENTS), "-j", "1", "-T", str(seconds)]
        told = output(*argv, "-n", "-S", "-M", mode, *clients, "postgres")
        count = number(r"number of transactions actually processed: (\d+)", told)
        return number(r"tps = ([\d.]+)", told), int(count)

    return Workload(
        f"PostgreSQL, `pgbench -S -M {mode}`",
        "db_system_name = 'postgresql' and application_name = 'pgbench'",
        run,
    )


def sysbench(my: servers.MariaDB, prepared: str) -> Workload:
    argv = [
        servers.find_program("sysbench", "sysbench"), "oltp_point_select", f"--mysql-socket={my.socket}",
        "--mysql-user=root", "--mysql-db=bench", "--tables=1", f"--table-size={TABLE_ROWS}",
        f"--threads={CLIENTS}", f"--db-ps-mode={prepared}",
    ]  # fmt: skip

    def run(seconds: int) -> tuple[float, int]:
        told = output(*argv, f"--time={seconds}", "run")
        return number(r"transactions:\s+\d+\s+\(([\d.]+) per sec", told), int(number(r"transactions:\s+(\d+)", told))

    kind = "text" if prepared == "disable" else "prepared"
    return Workload(
        f"MariaDB, `sysbench oltp_point_select`, {kind}",
        "db_system_name = 'mariadb' and db_namespace = 'bench' and db_query_text like 'SELECT c FROM sbtest1%'",
        run,
    )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(workload: Workload, folder: pathlib.Path, rounds: int, seconds: int) -> Result:
    result = Result(workload.name, [], [])
    workload.run(1)
    for turn in range(rounds):
        result.without.append(workload.run(seconds)[0])
        with trail.Recorder(folder / str(len(list(folder.iterdir())))) as recorder:
            rate, count = workload.run(seconds)
            assert recorder.process is not None
            pid = recorder.process.pid
            # What is left to do is part of the cost: it is counted once the last statement is stored.
            servers.wait_until("the trail is still", 60, settled(recorder.trail))
            result.cpu_s += cpu_seconds(pid)
        with recorder.trail.connect() as reader:
            recorded, lost = reader.execute(
                f"select count(*) filter (where kind = 'query' and {workload.which}),"
                " coalesce(sum(repeat_count) filter (where kind = 'loss'), 0) from events"
            ).fetchone()
        result.with_.append(rate)
        result.ran += count
        result.recorded += recorded
        result.lost += lost
        print(f"{workload.name}: {turn + 1} of {rounds}: {result.without[-1]:.0f} -> {rate:.0f} a second",
              file=sys.stderr)  # fmt: skip
    return result


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


def pipeline() -> dict[str, float] | None:
    """The pipeline fed from memory, beside a bare prepared insert of the same rows."""
    return json.loads(output(PIPELINE)) if PIPELINE.exists() else None


def machine() -> str:
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{cpu[1] if cpu else 'CPU not named'}, {os.cpu_count()} CPUs, Linux {platform.release().split('-')[0]}"


def page(results: list[Result], versions: list[str], memory: dict[str, float] | None, arguments) -> str:
    lines = [
        "# Benchmarks",
        "",
        f"Made by `bench/run --rounds {arguments.rounds} --seconds {arguments.seconds}` in one run on one machine: "
        f"{machine()}; {', '.join(versions)}.",
        "Read the ratios; the rates are this machine's.",
        "",
        "## What recording costs a server",
        "",
        f"Point selects over a unix socket, {CLIENTS} clients: the worst case, a statement that does next to nothing. "
        "Server, clients and recorder share the CPUs.",
        f"{arguments.rounds} times {arguments.seconds} s without and with recording in turn; medians.",
        "What is lost is what the ring could not hold while a commit waited for the disk; the trail says so in `loss`"
        " rows.",
        "",
        "| workload | without, 1/s | with, 1/s | ratio of medians | of the best | lost | recorder, CPU us each |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in results:
        without, with_ = statistics.median(r.without), statistics.median(r.with_)
        lines.append(
            f"| {r.name} | {without:,.0f} | {with_:,.0f} "
            f"| **{with_ / without:.2f}** | {max(r.with_) / max(r.without):.2f} "
            f"| {r.lost} of {r.ran:,} | {r.cpu_s * 1e6 / max(r.recorded, 1):.1f} |"
        )
    lines += ["", "## The pipeline alone", ""]
    if memory is None:
        lines.append("Not run: no `pipeline_bench`.")
    else:
        lines += [
            "Fed from memory, from decode to commit, beside a bare prepared insert of the same rows.",
            "",
            "| pipeline, events per CPU second | bare insert, rows per CPU second | ratio |",
            "| ---: | ---: | ---: |",
            f"| {memory['events_per_cpu_s']:,.0f} | {memory['bare_insert_per_cpu_s']:,.0f} "
            f"| **{memory['ratio']:.2f}** |",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    arguments = parser.parse_args()
    with servers.scratch() as root, servers.Postgres(root / "pg") as pg, servers.MariaDB(root / "my") as my:
        output(pg.bin / "pgbench", "-h", pg.socket_dir, "-p", str(pg.port), "-U", "postgres", "-i", "-q", "postgres")
        client = [servers.find_program("mariadb", "mariadb-client"), "--no-defaults", f"--socket={my.socket}", "-uroot"]
        output(*client, "-e", "create database bench")
        output("sysbench", "oltp_point_select", f"--mysql-socket={my.socket}", "--mysql-user=root", "--mysql-db=bench",
               "--tables=1", f"--table-size={TABLE_ROWS}", "prepare")  # fmt: skip
        versions = [
            "PostgreSQL " + output(pg.bin / "postgres", "--version").split()[2],
            "MariaDB " + output(*client, "-sNe", "select version()").split("-")[0],
        ]
        workloads = [pgbench(pg, "simple"), pgbench(pg, "prepared"), sysbench(my, "disable"), sysbench(my, "auto")]
        (root / "trails").mkdir()
        results = [measure(w, root / "trails", arguments.rounds, arguments.seconds) for w in workloads]
        PAGE.write_text(page(results, versions, pipeline(), arguments))
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main()
