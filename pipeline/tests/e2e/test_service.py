"""The package and the service: what the unit allows is enough, and the service manager is told how it goes."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import urllib.request

import pytest

import conftest
import trail
from servers import free_port, wait_until

# Whom the service runs as here; the package makes a user of its own.
NOBODY = 65534
# The kernel's numbers of what the unit lists (linux/capability.h).
CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}


@pytest.fixture(scope="module")
def package(scratch) -> pathlib.Path:
    """The files of the package, unpacked."""
    argv = [trail.ROOT / "packaging/deb", trail.binary()]
    built = subprocess.run(argv, capture_output=True, check=False, text=True)
    assert built.returncode == 0, built.stderr
    root = scratch / "package"
    subprocess.run(["dpkg-deb", "-x", trail.ROOT / built.stdout.strip(), root], check=True)
    return root


def unit(package: pathlib.Path) -> dict[str, str]:
    """The keys of the service's unit."""
    lines = (package / "usr/lib/systemd/system/sqltrail.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_unit_is_understood(package):
    argv = ["systemd-analyze", "verify", "--man=no", f"--root={package}", "sqltrail.service"]
    said = subprocess.run(argv, capture_output=True, check=False, text=True)
    ours = [line for line in said.stderr.splitlines() if "sqltrail" in line]
    # Programs and mounts of the rest of the system are not in the package.
    other = ("is not executable: No such file", "Failed to prepare filename", "not found")
    assert [line for line in ours if not any(words in line for words in other)] == []
    argv = ["systemd-analyze", "security", "--offline=yes", "--threshold=50",
            package / "usr/lib/systemd/system/sqltrail.service"]  # fmt: skip
    said = subprocess.run(argv, capture_output=True, check=False, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


class Service(trail.Recorder):
    """The recorder as the unit starts it: another user, few capabilities, a manager that listens."""

    def __init__(self, folder: pathlib.Path, package: pathlib.Path, *arguments: str) -> None:
        super().__init__(folder, *arguments)
        self.capabilities = unit(package)["AmbientCapabilities"].split()
        self.program = package / "usr/bin/sqltrail"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder.with_name("notify")))
        self.manager.settimeout(trail.READY_DEADLINE_S)
        self.environment = {"NOTIFY_SOCKET": self.manager.getsockname(), "WATCHDOG_USEC": "400000"}
        self.pins = pathlib.Path(f"{self.pins}-service", "pins")

    def start(self) -> None:
        self.folder.mkdir(mode=0o700)
        os.chown(self.folder, NOBODY, NOBODY)
        os.chmod(self.manager.getsockname(), 0o777)
        # As systemd has done it when it starts a service.
        if not os.path.ismount(self.pins.parents[1]):
            subprocess.run(["mount", "-t", "bpf", "bpf", self.pins.parents[1]], check=True)
        self.pins.parent.mkdir()
        os.chown(self.pins.parent, NOBODY, NOBODY)
        kept = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in self.capabilities)
        argv = ["setpriv", "--pdeathsig=INT", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                f"--inh-caps=-all,{kept}", f"--ambient-caps=-all,{kept}", f"--bounding-set=-all,{kept}",
                "--no-new-privs", "--", self.program, "record",
                "--dir", self.folder, "--pin-path", self.pins, *self.arguments]  # fmt: skip
        with self.stderr_path.open("wb") as stderr:
            environment = os.environ | self.environment
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=stderr, env=environment)

    def detach(self) -> None:
        super().detach()
        self.manager.close()
        self.pins.parent.rmdir()

    def hear(self, wanted: str) -> list[str]:
        """What the manager is told, up to the first message with `wanted` in it."""
        for _ in range(1000):
            heard = self.manager.recv(4096).decode()
            if wanted in heard:
                return heard.splitlines()
        raise AssertionError(f"the manager is never told {wanted}")


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = page.read().decode().splitlines()
    values = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in values}


def status(folder: pathlib.Path) -> tuple[int, dict[str, object]]:
    """Exit code and facts of `sqltrail status`."""
    argv = [trail.binary(), "status", "--dir", folder, "--format", "json"]
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    facts = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {fact["name"]: fact["value"] for fact in facts}


def test_service(scratch, package, pg):
    port = free_port()
    folder = scratch / "service"
    with Service(folder, package, "--metrics", f"127.0.0.1:{port}", str(pg.pid)) as service:
        assert service.hear("READY=1") == ["READY=1", "STATUS=recording from 1 server binaries"]
        allowed = pathlib.Path(f"/proc/{service.process.pid}/status").read_text()
        mask = sum(1 << CAPABILITIES[name] for name in service.capabilities)
        assert f"CapEff:\t{mask:016x}\n" in allowed
        assert f"Uid:\t{NOBODY}\t{NOBODY}" in allowed

        with pg.connect() as connection:
            pid = connection.info.backend_pid
            session = conftest.PgSession(service.trail, connection)
            for number in range(10):
                assert session.run(f"select {number}") is None
            assert len(session.rows()) == 10
        # The session has ended, so nothing is on its way.
        service.trail.wait_for("kind = 'disconnect' and server_pid = ?", pid)
        stored = service.trail.rows()
        for kind in ("query", "connect", "disconnect", "lifecycle"):
            count = sum(row.kind == kind for row in stored)
            name = f'sqltrail_events_total{{kind="{kind}"}}'
            assert wait_until(name, 10, lambda name=name, count=count: metrics(port).get(name) == count)
        now = metrics(port)
        assert now['sqltrail_servers{db_system_name="postgresql"}'] == 1
        assert now["sqltrail_ring_size_bytes"] == 64 << 20
        assert 0 < now["sqltrail_ring_used_max_bytes"] < 1 << 20
        assert now["sqltrail_commit_duration_seconds_count"] >= 1
        assert now["sqltrail_batch_rows_sum"] == len(stored)
        assert now["sqltrail_held_up"] == 0
        assert not any(name.startswith("sqltrail_lost_events_total") for name in now)
        wait_until("the trail is measured", 10, lambda: metrics(port)["sqltrail_database_size_bytes"] > 0)
        assert metrics(port)['sqltrail_segments{state="open"}'] == 1

        # The recorder stores its numbers every ten seconds while there is nothing else to store.
        wait_until("the numbers are stored", 30, lambda: "server" in status(folder)[1])
        code, facts = status(folder)
        assert (code, facts["state"], facts["pid"]) == (0, "recording", service.process.pid)
        assert facts["server"].startswith("postgresql 15.")
        assert (facts["lost"], facts["database_rows"]) == (0, len(service.trail.rows()))
        assert facts["ring_size"] == 64 << 20

        assert service.hear("WATCHDOG=1") == ["WATCHDOG=1"]
        service.process.send_signal(signal.SIGHUP)
        reloading = service.hear("RELOADING=1")
        assert reloading[1].startswith("MONOTONIC_USEC=")
        service.hear("READY=1")
        assert service.stop(signal.SIGTERM) == 0, service.stderr()
        service.hear("STOPPING=1")
        code, facts = status(folder)
        assert (code, facts["state"]) == (1, "not recording")
        assert facts["events_query"] == len(service.trail.rows("kind = 'query'"))


def test_metrics_address_in_use(scratch, pg):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        recorder = trail.Recorder(scratch / "taken", "--metrics", address, str(pg.pid))
        recorder.start()
        assert recorder.process.wait(trail.READY_DEADLINE_S) == 1
    assert f"cannot serve metrics on {address}: Address already in use" in recorder.stderr()
    assert "hint: " in recorder.stderr()
