"""Server binaries of any version, on the machine's own root or on one of their own.

Takes `NAME=[ROOT:]BINARY`, gives a private server of it with the accounts of the other tests. ROOT is a folder
that has the binary and its libraries, such as unpacked packages; without it the binary is run where it is.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

import psycopg

import servers
from conftest import PASSWORD, MariaDBUnderTest, PostgresUnderTest

INSTALLED = ["postgresql=/usr/lib/postgresql/15/bin/postgres", "mariadb=/usr/sbin/mariadbd"]

# Where initialisation files of MariaDB may be.
SHARES = ("usr/share/mariadb", "usr/share/mysql")


@dataclasses.dataclass(frozen=True)
class Installation:
    name: str
    binary: str
    root: pathlib.Path | None = None

    @classmethod
    def parse(cls, text: str) -> Installation:
        name, _, where = text.partition("=")
        root, _, binary = where.rpartition(":")
        if not name or not binary.startswith("/"):
            raise ValueError(f"{text!r} is not NAME=[ROOT:]BINARY")
        return cls(name, binary, pathlib.Path(root).resolve() if root else None)

    @property
    def engine(self) -> str:
        """As `db_system_name` names it."""
        program = pathlib.Path(self.binary).name
        return {"postgres": "postgresql", "mariadbd": "mariadb", "mysqld": "mysql"}[program]

    def server(self, scratch: pathlib.Path) -> servers.Server:
        """A new server, not yet started; its files are in `scratch` or below its own root."""
        folder = (self.root / "run" if self.root else scratch) / scratch.name
        made = {"postgresql": AnyPostgres, "mariadb": AnyMariaDB, "mysql": AnyMySQL}[self.engine]
        if not self.root:
            folder = scratch / self.name
        return made(folder, self)


def chosen(engine: str | None = None) -> list[Installation]:
    """Those that `$SQLTRAIL_SERVERS` names, one a line, else those that Debian installs; all, or of one engine."""
    named = [text for text in os.environ.get("SQLTRAIL_SERVERS", "").split("\n") if text]
    installations = map(Installation.parse, named or INSTALLED)
    return [installation for installation in installations if engine in (None, installation.engine)]


class AnyPostgres(PostgresUnderTest):
    locale = "C"

    def __init__(self, root: pathlib.Path, installation: Installation) -> None:
        self.installation, self.chroot = installation, installation.root
        if self.chroot:
            self.user = "nobody"
        super().__init__(root)

    def find(self) -> pathlib.Path:
        return pathlib.Path(self.installation.binary).parent

    def make_accounts(self) -> None:
        with self.connect(user="postgres", dbname="postgres") as admin:
            admin.execute(f"create role alice login password '{PASSWORD}'")
            admin.execute("create database shop owner alice")

    def version(self) -> str:
        with psycopg.connect(host=str(self.socket_dir), port=self.port, user="postgres", dbname="postgres") as admin:
            return admin.execute("show server_version").fetchone()[0].split()[0]


class AnyMariaDB(MariaDBUnderTest):
    def __init__(self, root: pathlib.Path, installation: Installation) -> None:
        self.installation, self.chroot = installation, installation.root
        if self.chroot:
            self.user = "nobody"
        super().__init__(root)

    def find(self) -> str:
        return self.installation.binary

    def share(self) -> pathlib.Path:
        found = [self.chroot / share for share in SHARES if (self.chroot / share / "english/errmsg.sys").exists()]
        if not found:
            raise servers.NotRun(f"no errmsg.sys below {self.chroot}")
        return found[0]

    def initialise(self) -> None:
        if not self.chroot:
            super().initialise()
            return
        # mariadb-install-db wants a shell and its tools; this is what it would feed to the server.
        share = self.share()
        names = ["system_tables", "performance_tables", "system_tables_data"]
        texts = ["create database if not exists mysql;", "use mysql;", "set @auth_root_socket = null;"]
        for name in names:
            (found,) = [path for path in share.glob(f"*_{name}.sql") if path.name.startswith(("mariadb_", "mysql_"))]
            texts += [line for line in found.read_text().splitlines() if "@current_hostname" not in line]
        self.data.mkdir()
        self.data.chmod(0o777)
        self.run(
            self.server, "--no-defaults", f"--datadir={self.seen(self.data)}", "--bootstrap",
            f"--lc-messages-dir={self.seen(share)}", "--max-allowed-packet=16M",
            stdin="\n".join(texts).encode() + b"\n",
        )  # fmt: skip

    @property
    def extra(self) -> tuple[str, ...]:
        return (f"--lc-messages-dir={self.seen(self.share())}",) if self.chroot else ()

    def version(self) -> str:
        with self.connect(user="root", password="", database=None) as admin, admin.cursor() as cursor:
            cursor.execute("select version()")
            return cursor.fetchone()[0]


class AnyMySQL(AnyMariaDB):
    def initialise(self) -> None:
        self.run(
            self.server, "--no-defaults", f"--datadir={self.seen(self.data)}", "--initialize-insecure",
            *super().extra,
        )  # fmt: skip

    @property
    def extra(self) -> tuple[str, ...]:
        return (*super().extra, "--mysqlx=OFF", "--secure-file-priv=")

    def connect(self, *, tcp: bool = False, **options):
        # Without TLS its way of logging in wants a library of the client.
        tls = {"ssl": {"check_hostname": False, "verify_mode": "none"}} if tcp else {}
        return super().connect(tcp=tcp, **(tls | options))
