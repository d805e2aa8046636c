"""`docs/servers.md`: which server did what in a run of the matrix.

Takes what pytest reported of `test_matrix.py`, gives the page. It must only tell of what was run.
"""

from __future__ import annotations

import collections
import pathlib

from matrix import expect
from matrix.differences import DIFFERENCES

# What stands above the tables.
HEAD = pathlib.Path(__file__).with_name("page.md")


class Results:
    """Outcomes by server and situation, as pytest plugin."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.systems: dict[str, str] = {}
        self.outcomes: dict[tuple[str, str], str] = {}

    def pytest_runtest_logreport(self, report) -> None:
        told = dict(report.user_properties)
        if report.when != "call" or "situation" not in told:
            return
        self.systems[told["server"]] = told["system"]
        self.outcomes[told["server"], told["situation"]] = report.outcome

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(self.page())

    def page(self) -> str:
        parts = [HEAD.read_text()]
        engines = collections.defaultdict(list)
        for server, system in self.systems.items():
            engines["PostgreSQL" if system.startswith("postgresql") else "MariaDB and MySQL"].append(server)
        for title, its in engines.items():
            parts += [f"## {title}\n", self.table(its)]
        parts += ["## Differences\n", self.differences()]
        return "\n".join(parts)

    def table(self, its: list[str]) -> str:
        names = list(dict.fromkeys(situation for server, situation in self.outcomes if server in its))
        versions = [" ".join(self.systems[server].split()[:2]).replace("postgresql", "PostgreSQL") for server in its]
        lines = ["| situation | " + " | ".join(versions) + " |", "| --- |" + " --- |" * len(its)]
        for name in names:
            cells = [self.cell(server, name) for server in its]
            lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def cell(self, server: str, situation: str) -> str:
        outcome = self.outcomes.get((server, situation))
        if outcome == "passed":
            engine, version = self.systems[server].split()[:2]
            return "~" if expect.differences(engine, expect.numbers(version), situation) else "="
        return {"skipped": "-", "failed": "FAILED", None: ""}[outcome]

    def differences(self) -> str:
        lines = ["| servers | situation | row | is | because |", "| --- | --- | --- | --- | --- |"]
        for d in DIFFERENCES:
            since = f" from {'.'.join(map(str, d.since))}" if d.since else ""
            before = f" before {'.'.join(map(str, d.before))}" if d.before else ""
            columns = ", ".join(f"`{name}` {'absent' if value is None else value}" for name, value in d.columns.items())
            lines.append(f"| {d.engine}{since}{before} | {d.situation} | {d.row} | {columns} | {d.reason} |")
        return "\n".join(lines) + "\n"
