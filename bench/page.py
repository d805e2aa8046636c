"""The page of figures, out of what was measured.

Takes results, gives text. It must not know how they came to be.
"""

from __future__ import annotations

import os
import pathlib
import platform
import re
import statistics

from sides import NOTHING
from workloads import CLIENTS


def machine() -> str:
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{cpu[1] if cpu else 'CPU not named'}, {os.cpu_count()} CPUs, Linux {platform.release().split('-')[0]}"


def table(results) -> list[str]:
    (nothing,) = [result for result in results if result.side == NOTHING]
    lines = [
        "| recorded by | statements/s | ratio | server, CPU us each | added | recorder, CPU us each | lost |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in results:
        own = f"{statistics.median(r.recorder_us):.1f}" if r.recorder_us else ""
        lost = f"{r.lost} of {r.ran:,}" if r.recorder_us else ""
        same = r is nothing
        ratio = "" if same else f"**{r.rate / nothing.rate:.2f}**"
        added = "" if same else f"{r.server - nothing.server:.1f}"
        lines.append(f"| {r.side} | {r.rate:,.0f} | {ratio} | {r.server:.1f} | {added} | {own} | {lost} |")
    return lines


def page(measured, versions: list[str], memory: dict[str, float] | None, rounds: int, seconds: int) -> str:
    lines = [
        "# Benchmarks",
        "",
        f"Made by `bench/run --rounds {rounds} --seconds {seconds}` in one run on one machine: "
        f"{machine()}; {', '.join(versions)}.",
        "Read the ratios; the rates are this machine's.",
        "",
        "## What recording costs a server",
        "",
        f"{CLIENTS} clients over a unix socket; server, clients and recorder share the CPUs.",
        f"Every side ran {rounds} times for {seconds} s, all of them in each round, in turns; medians.",
        "*Server, CPU us each* is the time of the server's processes per statement, probes included; *recorder* is that"
        " of sqltrail's process.",
        "pgaudit runs in a server of its own, since it has to be loaded at the start.",
        "What is lost is what the ring could not hold while a commit waited for the disk; the trail says so in `loss`"
        " rows.",
        "The servers' own logs record the text; of what sqltrail records besides (outcome, rows, duration, tables,"
        " client), they have none or a part.",
        "",
    ]
    for name, results in measured:
        lines += [f"### {name}", "", *table(results), ""]
    lines += ["## The pipeline alone", ""]
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
