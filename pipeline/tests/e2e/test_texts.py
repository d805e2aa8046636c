"""Texts that are long, empty, broken or no text at all are kept byte for byte, and cut only as said."""

import pytest

import trail
from conftest import MySession, PgSession

LONG = "select length('" + "0123456789abcdef" * (300 * 64) + "')"
DEFAULT_MAX = 64 * 1024

ODD = {
    "newline": "select 'a\nb\r\nc\t\\'",
    "quotes": """select 'it''s', '"', "`" """,
    "emoji": "select '😀👩‍👩‍👧', '日本語'",
    "comment": "/* lead */ select 1 -- tail",
    "percent": "select '%s %% ?', 100 % 7",
    "question_mark": "select '?', '''', '$1'",
    "blanks": " \n\t select  1  ",
}


@pytest.fixture(scope="module")
def generous(scratch, pg, my):
    """A recorder that keeps texts of up to 1 MiB whole."""
    with trail.Recorder(scratch / "generous", "--max-query-bytes", "1MiB", str(pg.pid), str(my.pid)) as running:
        yield running.trail


@pytest.mark.parametrize("name", ODD)
def test_postgres_exact(name, pg_session):
    # Double quotes are identifiers here.
    text = ODD[name].replace('"`"', "'`'")
    assert pg_session.run(text) is None
    (row,) = pg_session.rows()
    assert row.text == text.encode()
    assert row.db_query_raw is None


@pytest.mark.parametrize("name", ODD)
def test_mariadb_exact(name, my_session):
    text = ODD[name].replace("\\'", "\\\\'")
    assert my_session.run(text) is None
    (row,) = my_session.rows()
    assert row.text == text.encode()
    assert row.db_query_raw is None


@pytest.mark.parametrize("database, encoding", [("latin", "latin1"), ("raw", "sql_ascii")])
def test_postgres_bytes_that_are_no_utf8(database, encoding, recorder, pg):
    text = b"select '\xe9t\xe9 \xff'"
    with pg.connect(dbname=database, client_encoding=encoding) as connection:
        session = PgSession(recorder.trail, connection)
        assert session.run(text) is None
        (row,) = session.rows()
    assert row.db_query_raw == text
    assert row.db_query_text == "select '�t� �'"
    assert row.query_bytes == len(text)


def test_postgres_text_arrives_in_the_database_encoding(recorder, pg):
    with pg.connect(client_encoding="latin1") as connection:
        session = PgSession(recorder.trail, connection)
        assert session.run(b"select '\xe9'") is None
        (row,) = session.rows()
    assert row.db_query_text == "select 'é'"


@pytest.mark.parametrize("text", [b"select hex('x\0y')", b"select hex('\xe9t\xe9 \xff')", b"select hex('a\0\xff\0b')"])
def test_mariadb_bytes_that_are_no_text(text, recorder, my):
    with my.connect(charset="latin1") as connection:
        session = MySession(recorder.trail, my, connection)
        assert session.run(text) is None
        (row,) = session.rows()
    assert row.db_query_raw == text
    assert row.db_query_text == text.decode(errors="replace").replace("\0", "�")
    assert row.query_bytes == len(text)


@pytest.mark.parametrize("text", ["", " ", ";", " ; ;", "-- only a comment", "/* and another */"])
def test_empty_statements(text, pg_session, my_session):
    # PostgreSQL takes them all; MariaDB calls most an error, 1065.
    assert pg_session.run(text) is None
    (row,) = pg_session.rows()
    assert (row.text, row.status) == (text.encode(), "ok")
    error = my_session.run(text)
    (row,) = my_session.rows()
    assert row.text == text.encode()
    assert (row.status, row.status_code) == (("error", str(error.args[0])) if error else ("ok", None))


@pytest.mark.parametrize("text", ["selec 1", "select 'open", "select 1 from where", "insert into", ")"])
def test_syntax_errors(text, pg_session, my_session):
    codes = {}
    for session in (pg_session, my_session):
        assert session.run(text) is not None
        (row,) = session.rows()
        assert row.text == text.encode()
        codes[row.db_system_name] = (row.status, row.status_code)
    assert codes == {"postgresql": ("error", "42601"), "mariadb": ("error", "1064")}


def test_long_text_is_cut_by_default(pg_session, my_session):
    for session in (pg_session, my_session):
        assert session.run(LONG) is None
        (row,) = session.rows()
        assert row.truncated == 1
        assert row.query_bytes == len(LONG)
        assert row.text == LONG.encode()[:DEFAULT_MAX]
        assert row.status == "ok"


def test_long_text_is_whole_when_asked_for(generous, pg, my):
    with pg.connect() as one, my.connect() as other:
        for session in (PgSession(generous, one), MySession(generous, my, other)):
            assert session.run(LONG) is None
            (row,) = session.rows()
            assert row.text == LONG.encode()
            assert (row.truncated, row.query_bytes) == (0, len(LONG))


@pytest.mark.parametrize("length", [1, 150, 255, 256, 257, 2_048, 8_191, 8_192, 8_193, 65_000, 65_535, 65_536])
def test_every_length_up_to_the_limit_is_whole(length, pg_session, my_session):
    text = "select '" + "x" * (length - 9) + "'" if length > 9 else ";" * length
    for session in (pg_session, my_session):
        session.run(text)
        (row,) = session.rows()
        assert row.text == text.encode()
        assert (row.truncated, row.query_bytes) == (0, length)


def test_one_byte_beyond_the_limit_is_cut(pg_session, my_session):
    text = "select '" + "x" * (DEFAULT_MAX - 8) + "'"
    for session in (pg_session, my_session):
        assert session.run(text) is None
        (row,) = session.rows()
        assert row.text == text.encode()[:DEFAULT_MAX]
        assert (row.truncated, row.query_bytes) == (1, DEFAULT_MAX + 1)
