"""Every saved question gives the same rows on SQLite and on DuckDB over the same trail.

The trail is made by the example `fill_store`; neither root nor a server is needed. Questions are read
from `queries/` as a person would read them, and run by the engines' own Python modules.
"""

import json
import pathlib
import sqlite3
import subprocess
from datetime import datetime, timezone

import duckdb
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
QUERIES = ROOT / "queries"
EVENTS = 4000

# A moment inside the made-up trail, before and after which there are events of every kind.
MIDDLE = "2026-11-21T23:59:58.000000Z"


def questions(folder):
    return {path.stem: path.read_text() for path in sorted((QUERIES / folder).glob("*.sql"))}


SHARED = questions("shared")
BY_ENGINE = {name: (sql, questions("duckdb")[name]) for name, sql in questions("sqlite").items()}
TEXTS = {name: (sql, sql) for name, sql in SHARED.items()} | BY_ENGINE

# What each question is asked with, besides its defaults.
PARAMETERS = {
    "activity_of_user": [{"user": "alice"}, {"user": "zoë", "since": MIDDLE}, {"user": "nobody"}],
    "archive_files": [{}],
    "ddl_and_role_changes": [{}, {"until": MIDDLE}],
    "failed_statements": [{}, {"user": "bob"}, {"since": MIDDLE}],
    "losses_and_gaps": [{}, {"since": MIDDLE}],
    "new_fingerprints_since": [{"since": MIDDLE}, {"since": "1970-01-01T00:00:00Z"}],
    "sessions_by_client": [{}, {"since": MIDDLE}],
    "slowest_statements": [{}, {"limit": "7", "since": MIDDLE}, {"limit": "0"}],
    "top_fingerprints": [{}, {"by": "count"}, {"by": "errors"}, {"by": "rows", "limit": "3", "until": MIDDLE}],
    "who_touched_table": [
        {"table": "users"}, {"table": "Public.USERS"}, {"table": "users_old"}, {"table": "orders"},
        {"table": "shop.orders"}, {"table": "übung"}, {"table": "late", "since": MIDDLE}, {"table": "user"},
    ],
}  # fmt: skip
# Asked with what gives no row.
EMPTY = [("activity_of_user", 2), ("slowest_statements", 2), ("who_touched_table", 7)]

CASES = [(name, place) for name in TEXTS for place in range(len(PARAMETERS.get(name, [{}])))]


def declared(sql):
    """Parameters of a question's header: name to (type, default)."""
    found = {}
    for line in sql.splitlines():
        if line.startswith("-- param:"):
            name, kind, _unit, default, _meaning = (part.strip() for part in line[9:].split("|", 4))
            found[name] = (kind, default)
    return found


def values(sql, given):
    """Typed values of a question's parameters; times as aware datetimes."""
    result = {}
    for name, (kind, default) in declared(sql).items():
        word = given.get(name, None if default == "none" else default)
        assert word != "required", name
        if word is not None and kind == "time":
            word = datetime.fromisoformat(word.replace("Z", "+00:00"))
        elif word is not None and kind == "integer":
            word = int(word)
        result[name] = word
    return result


def microseconds(value):
    """What SQLite has for a time; anything else as it is."""
    if not isinstance(value, datetime):
        return value
    since = value - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def built(*what):
    """Path of a program of this workspace, built if need be."""
    command = ["cargo", "build", "--quiet", "-p", "sqltrail", *what, "--message-format", "json"]
    messages = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    (program,) = {
        message["executable"] for message in map(json.loads, messages.splitlines()) if message.get("executable")
    }
    return program


@pytest.fixture(scope="session")
def sqltrail():
    return built("--bin", "sqltrail")


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """The directory of a trail whose rows are all in SQLite and all in Parquet."""
    directory = tmp_path_factory.mktemp("filled") / "trail"
    subprocess.run([built("--example", "fill_store"), directory, str(EVENTS)], check=True)
    return directory


@pytest.fixture(scope="session")
def sqlite(filled):
    connection = sqlite3.connect(f"file:{filled}/audit.db?mode=ro", uri=True)
    yield connection
    connection.close()


def duckdb_over(directory, time_zone):
    """DuckDB in a session time zone, which no answer may depend on."""
    connection = duckdb.connect()
    connection.execute(f"set file_search_path = '{directory}'")
    connection.execute(f"set TimeZone = '{time_zone}'")
    connection.execute((QUERIES / "duckdb" / "prelude.sql").read_text())
    return connection


@pytest.fixture(scope="session", params=["UTC", "Asia/Kolkata"])
def duck(filled, request):
    connection = duckdb_over(filled, request.param)
    yield connection
    connection.close()


def ask_sqlite(connection, name, given):
    sql = TEXTS[name][0]
    bound = {key: microseconds(value) for key, value in values(sql, given).items()}
    cursor = connection.execute(sql, bound)
    return [column[0] for column in cursor.description], cursor.fetchall()


def ask_duckdb(connection, name, given):
    sql = TEXTS[name][1]
    cursor = connection.execute(sql, values(sql, given))
    return [column[0] for column in cursor.description], cursor.fetchall()


def test_every_question_is_asked():
    assert set(PARAMETERS) == set(TEXTS)


@pytest.mark.parametrize(("name", "place"), CASES)
def test_rows_are_the_same_on_both_engines(sqlite, duck, name, place):
    given = PARAMETERS[name][place]
    columns, rows = ask_sqlite(sqlite, name, given)
    assert ask_duckdb(duck, name, given) == (columns, rows)
    assert bool(rows) == ((name, place) not in EMPTY)
    assert {type(value) for row in rows for value in row} <= {int, str, type(None)}


def test_both_engines_have_the_same_events(sqlite, duck):
    """The relation itself: every column of every row, so that a person's own question agrees too."""
    columns = [row[1] for row in sqlite.execute("pragma table_info(events)")]
    ours = sqlite.execute("select * from events order by seq").fetchall()
    chosen = ", ".join("epoch_us(time)" if name == "time" else f'"{name}"' for name in columns)
    theirs = duck.execute(f"select {chosen} from events order by seq").fetchall()
    assert len(ours) == EVENTS
    for our, their in zip(ours, theirs, strict=True):
        assert dict(zip(columns, our, strict=True)) == dict(zip(columns, their, strict=True))


def test_a_text_serves_as_a_time_on_duckdb(duck):
    """As the README shows it."""
    given = {"table": "users", "since": MIDDLE, "until": "9999-12-31T23:59:59Z"}
    rows = duck.execute(SHARED["who_touched_table"], given).fetchall()
    assert rows == ask_duckdb(duck, "who_touched_table", {"table": "users", "since": MIDDLE})[1]


def test_who_touched_table_finds_the_statements_that_name_it(sqlite):
    """Against the texts themselves, by another rule than the question's."""
    _, rows = ask_sqlite(sqlite, "who_touched_table", {"table": "users"})
    names = ["from users ", "update users ", "public.users", "`users`", "FROM USERS", "on users "]
    # In double quotes is a name for PostgreSQL, but a string for MariaDB.
    names = {"mariadb": names, "postgresql": [*names, '"public"."users"']}
    texts = sqlite.execute("select seq, db_system_name, db_query_text from events where kind = 'query'")
    assert {row[1] for row in rows} == {
        seq for seq, system, text in texts if any(name in text for name in names[system])
    }


@pytest.mark.parametrize(("name", "place"), CASES)
def test_the_command_gives_what_plain_sqlite_gives(sqltrail, filled, sqlite, name, place):
    """`sqltrail query` binds the same values from a person's words."""
    given = PARAMETERS[name][place]
    words = [word for key, value in given.items() for word in ("--param", f"{key}={value}")]
    command = [sqltrail, "--dir", filled, "query", name, "--format", "json", *words]
    shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    columns, rows = ask_sqlite(sqlite, name, given)
    assert [json.loads(line) for line in shown.splitlines()] == [dict(zip(columns, row, strict=True)) for row in rows]


def test_a_gap_is_found_on_both_engines(filled, sqlite):
    """A trail with rows taken away from its middle."""
    copy = sqlite3.connect(":memory:")
    sqlite.backup(copy)
    (last,) = copy.execute("select last_seq from segments where segment_id = 1").fetchone()
    copy.execute("delete from events_2 where seq between ? and ?", (last + 3, last + 6))
    columns, rows = ask_sqlite(copy, "losses_and_gaps", {})
    copy.close()
    assert [row[2:] for row in rows if row[2] == "gap"] == [("gap", "missing_rows", 4, f"seq {last + 3} to {last + 6}")]

    duck = duckdb_over(filled, "UTC")
    duck.execute("alter view events rename to whole")
    duck.execute(f"create view events as select * from whole where seq not between {last + 3} and {last + 6}")
    assert ask_duckdb(duck, "losses_and_gaps", {}) == (columns, rows)
    duck.close()
