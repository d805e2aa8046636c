//! Texts and their normalised forms.

use super::{Fingerprint, normalise};
use crate::flow::Dialect::{Mysql, Postgres};

#[test]
fn normalised() {
    for (dialect, text, expect) in [
        (Postgres, "  SELECT\t*\nFROM  T  ;; ", "select * from t"),
        (Postgres, "select/*c*/1 -- x", "select ?"),
        (Postgres, "a /* b */ /* c */ = 'x'", "a = ?"),
        (
            Postgres,
            "SELECT \"Mixed  Case\" FROM Größe",
            "select \"Mixed  Case\" from größe",
        ),
        (
            Postgres,
            "where a = $1 and b IN ($2, $3) and c in (1,2)",
            "where a = ? and b in ? and c in ?",
        ),
        (Postgres, "a ?| b = -5", "a ?| b = -?"),
        (Postgres, "values (1),(2), (now())", "values ?, (now())"),
        (Postgres, "'100%' % 5", "? % ?"),
        (Postgres, "values(1) array[1]", "values ? array ?"),
        (Postgres, ";", ""),
        (Mysql, "/*!40101 SET X = 1 */;", "/*!40101 set x = ? */"),
        (Mysql, "insert `T` values (?,?)", "insert `T` values ?"),
        (Mysql, "# c\nselect 'a' 'b'", "select ?"),
    ] {
        assert_eq!(normalise(text, dialect), expect, "{text:?}");
    }
}

#[test]
fn a_fingerprint_is_the_head_of_sha256() {
    let fingerprint = Fingerprint::of("abc");
    assert_eq!(fingerprint.to_string(), "ba7816bf8f01cfea414140de5dae2223");
    assert_eq!(fingerprint.bytes()[..2], [0xba, 0x78]);
    // Stored trails hold these: a change of the normalised form must show here.
    let stored = Fingerprint::of(&normalise(
        "SELECT * FROM t WHERE id IN (1,2) AND n = 'x'; ",
        Postgres,
    ));
    assert_eq!(stored.to_string(), "3d3e2815314cd6e6f48d0b66eb253fef");
}
