"""Under load the trail has every statement once, in each session's order, text for text as the server logged it."""

import concurrent.futures
import subprocess

import pytest

import logs
import servers
import trail

LOG_DEADLINE_S = 60
PGBENCH_DEADLINE_S = 300
SESSIONS = 4
STATEMENTS = 2_000


@pytest.fixture(scope="module")
def pgbench(pg):
    """pgbench on the database `shop`, its tables made."""

    def run(*arguments: str) -> None:
        where = ["-h", str(pg.socket_dir), "-p", str(pg.port), "-U", "alice"]
        argv = [str(pg.bin / "pgbench"), *where, *arguments, "shop"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PGBENCH_DEADLINE_S, check=False)
        assert done.returncode == 0, done.stderr

    run("-i", "-q")
    return run


def in_log(path, text: str) -> None:
    servers.wait_until(f"{text} in {path}", LOG_DEADLINE_S, lambda: text.encode() in path.read_bytes())


def as_logged(rows: list[trail.Row]) -> list[logs.Message]:
    """A session's rows as its server logs them: a message with several statements is one entry."""
    return [logs.Message(group[0].command, trail.joined(group)) for group in trail.messages(rows)]


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench_equals_csvlog(mode, pg, pgbench, pg_session):
    before = set(logs.postgres_sessions(pg.csvlogs))
    pgbench("-c", str(SESSIONS), "-j", "2", "-t", str(STATEMENTS), "-M", mode)
    pg_session.rows()
    in_log(pg.csvlogs / "log.csv", f"statement: {last_fence(pg_session)}")

    logged = {k: v for k, v in logs.postgres_sessions(pg.csvlogs).items() if k not in before}
    logged = {k: v for k, v in logged.items() if not any(b"fence" in message.text for message in v)}
    # Seven statements make a transaction; one more session prepares the run.
    assert sum(map(len, logged.values())) >= SESSIONS * STATEMENTS * 7
    placeholders = ",".join("?" * len(logged))
    rows = pg_session.trail.rows(f"kind = 'query' and session_id in ({placeholders})", *logged)
    recorded = {session: as_logged([row for row in rows if row.session_id == session]) for session in logged}
    assert_same(recorded, logged)
    assert {row.status for row in rows} == {"ok"}


def last_fence(session) -> str:
    """Text of the fence that `session` ran last."""
    (row,) = session.trail.rows("seq = ?", session.after)
    return row.db_query_text


def assert_same(recorded: dict[str, list], logged: dict[str, list]) -> None:
    """As `==`, but says where a session differs rather than printing all of it."""
    for session, expected in logged.items():
        got = recorded[session]
        for place, (one, other) in enumerate(zip(got, expected, strict=False)):
            assert one == other, f"session {session}, statement {place} of {len(expected)}"
        assert len(got) == len(expected), f"session {session}"


def statements_of(session: int) -> list[str]:
    """Distinct texts of several shapes."""
    shapes = [
        "select {i}, 'session {s} statement {i}'",
        "insert into load_{s} values ({i}, 'it''s {i}')",
        "update load_{s} set note = concat(note, ' -- {i}') where id = {i} - 1",
        "select /* {i} */ note from load_{s} where id in ({i}, {i} + 1, {s})",
        'select "{s}\\n{i}" -- {i}',
    ]
    return [shapes[i % len(shapes)].format(i=i, s=session) for i in range(STATEMENTS)]


def test_concurrent_mariadb_sessions_equal_general_log(my, my_session):
    texts = {s: statements_of(s) for s in range(SESSIONS)}
    for s in texts:
        assert my_session.run(f"create table load_{s} (id int, note text)") is None

    def client(s: int) -> str:
        with my.connect() as connection, connection.cursor() as cursor:
            for text in texts[s]:
                cursor.execute(text)
            return str(connection.thread_id())

    with concurrent.futures.ThreadPoolExecutor(SESSIONS) as pool:
        ids = list(pool.map(client, texts))
    my_session.rows()
    in_log(my.general_log, last_fence(my_session))

    general = logs.mariadb_sessions(my.general_log)
    for s, connection_id in enumerate(ids):
        rows = my_session.trail.rows("kind = 'query' and server_pid = ? and session_id = ?", my.pid, connection_id)
        recorded = [row.text for row in rows if row.command == "COM_QUERY"]
        own = [message.text for message in general[connection_id] if message.command == "Query"]
        assert_same({connection_id: [logs.mariadb_logged(text) for text in recorded]}, {connection_id: own})
        # What the driver sends of its own accord comes first.
        sent = [text.encode() for text in texts[s]]
        assert_same({connection_id: recorded[-len(sent) :]}, {connection_id: sent})
        assert {row.status for row in rows} == {"ok"}
