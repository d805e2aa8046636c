"""A text with several statements gives a row for each; joined they are the text."""

import pytest

import logs
import trail

# Text; each piece's statement, without what surrounds it; the error that ends it.
POSTGRES = [
    ("select 1; select 2;  select 'x'  ; ", ["select 1", "select 2", "select 'x'"], None),
    ("select 1;;; select 2", ["select 1", "select 2"], None),
    ("select 1; select 'a;b' /* ; */; select 3 -- ; end",
     ["select 1", "select 'a;b' /* ; */", "select 3 -- ; end"], None),
    ("begin; create temp table x (a int); insert into x values (1), (2); commit",
     ["begin", "create temp table x (a int)", "insert into x values (1), (2)", "commit"], None),
    ("select 1; select 1/0; select 3", ["select 1", "select 1/0; select 3"], "22012"),
    ("select 1; select nope; select 3", ["select 1", "select nope; select 3"], "42703"),
    # The whole text is parsed first: nothing of it ran.
    ("select 1; selec 2; select 3", ["select 1; selec 2; select 3"], "42601"),
    ("select 'é'; select '😀'; select 3", ["select 'é'", "select '😀'", "select 3"], None),
]  # fmt: skip
MARIADB = [
    ("select 1; select 2;  select 'x'  ; ", ["select 1", "select 2", "select 'x'"], None),
    ("select 1; select 'a;b' /* ; */; select 3 -- ; end",
     ["select 1", "select 'a;b' /* ; */", "select 3 -- ; end"], None),
    ("create temporary table x (a int); insert into x values (1), (2); drop table x",
     ["create temporary table x (a int)", "insert into x values (1), (2)", "drop table x"], None),
    ("select 1; select nope; select 3", ["select 1", "select nope; select 3"], "1054"),
    # Each statement is parsed when its turn comes.
    ("select 1; selec 2; select 3", ["select 1", "selec 2; select 3"], "1064"),
    ("selec 1; select 2", ["selec 1; select 2"], "1064"),
    ("select 'é'; select '😀'; select 3", ["select 'é'", "select '😀'", "select 3"], None),
]  # fmt: skip


def check(session, text: str, pieces: list[str], code: str | None) -> None:
    error = session.run(text)
    assert (error is None) == (code is None), error
    rows = session.rows()
    assert trail.joined(rows) == text.encode()
    assert [row.text.decode().strip(" ;") for row in rows] == pieces
    assert {row.message_seq for row in rows} == {rows[0].seq}
    assert [row.status for row in rows] == ["ok"] * (len(rows) - 1) + ["error" if code else "ok"]
    assert rows[-1].status_code == code
    assert all(row.status_code is None for row in rows[:-1])
    assert sum(row.query_bytes for row in rows) == len(text.encode())
    assert not any(row.truncated for row in rows)


@pytest.mark.parametrize("text, pieces, code", POSTGRES)
def test_postgres(text, pieces, code, pg, pg_session):
    check(pg_session, text, pieces, code)


@pytest.mark.parametrize("text, pieces, code", MARIADB)
def test_mariadb(text, pieces, code, my, my_session):
    check(my_session, text, pieces, code)
    general = logs.mariadb_sessions(my.general_log)[my_session.values[1]]
    assert logs.mariadb_logged(text.encode()) in [message.text for message in general]


def test_each_piece_has_its_own_rows(pg_session, my_session):
    statements = ["insert into p values (1), (2), (3)", "select * from p", "delete from p where a > 1"]
    text = "; ".join(["create temporary table p (a int)", *statements])
    for session in (pg_session, my_session):
        assert session.run(text) is None
        _, insert, select, delete = session.rows()
        assert (insert.rows_affected, select.rows_returned, delete.rows_affected) == (3, 3, 2)


def test_each_piece_has_its_own_duration(pg_session, my_session):
    for session, sleep in ((pg_session, "select pg_sleep(0.2)"), (my_session, "select sleep(0.2)")):
        assert session.run(f"select 1; {sleep}; select 3") is None
        first, slow, last = session.rows()
        assert slow.duration_us >= 200_000
        assert first.duration_us < 200_000
        assert last.duration_us < 200_000
        assert first.time <= slow.time <= last.time
