//! The registry against the folders, and every question against the columns that it may ask for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rusqlite::Connection;
use schema::columns::COLUMNS;

use super::*;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../queries")
        .join(name)
}

/// Names of the `.sql` files in a folder of `queries/`.
fn files(name: &str) -> BTreeSet<String> {
    std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|file| {
            file.strip_suffix(".sql")
                .unwrap_or_else(|| panic!("{name}/{file} is no .sql file"))
                .to_owned()
        })
        .collect()
}

/// Tables with the columns of the store's view and dictionary, as far as questions may use them.
fn store() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let columns: Vec<&str> = COLUMNS
        .iter()
        .flat_map(|column| {
            if column.name == "time" {
                vec!["time", "time_text"]
            } else {
                vec![column.name]
            }
        })
        .collect();
    connection
        .execute_batch(&format!(
            "create table events({});
             create table statements(fingerprint, db_query_template, class, db_operation_name, first_seen, last_seen, count);
             create table archive_files(path, segment_id, date, rows, bytes, first_seq, last_seq, first_time, last_time, sha256);",
            columns.join(", ")
        ))
        .unwrap();
    connection
}

#[test]
fn every_file_is_registered_and_no_other() {
    let registered: BTreeSet<String> = REGISTRY
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(
        registered.len(),
        REGISTRY.len(),
        "a name is registered twice"
    );
    let on_disk: BTreeSet<String> = files("shared").union(&files("sqlite")).cloned().collect();
    assert_eq!(registered, on_disk);
}

#[test]
fn a_name_stands_once_in_shared_or_once_for_each_engine() {
    let mut duckdb = files("duckdb");
    assert!(duckdb.remove("prelude"));
    assert_eq!(files("sqlite"), duckdb);
    assert!(files("shared").is_disjoint(&duckdb));
}

#[test]
fn every_question_prepares_with_the_parameters_and_columns_of_its_header() {
    let connection = store();
    for question in questions().unwrap() {
        let statement = connection
            .prepare(question.sql)
            .unwrap_or_else(|error| panic!("{}: {error}", question.name));
        let names: Vec<&str> = question
            .header
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(
            statement.column_names().collect::<Vec<_>>(),
            names,
            "{}",
            question.name
        );
        let declared: BTreeSet<String> = question
            .header
            .parameters
            .iter()
            .map(|parameter| format!("${}", parameter.name))
            .collect();
        let used: BTreeSet<String> = (1..=statement.parameter_count())
            .map(|index| statement.parameter_name(index).unwrap().to_owned())
            .collect();
        assert_eq!(declared, used, "{}", question.name);
        assert!(statement.readonly(), "{}", question.name);
    }
}

#[test]
fn engines_questions_of_one_name_have_one_header() {
    for name in files("sqlite") {
        let headers: Vec<Header> = ["sqlite", "duckdb"]
            .iter()
            .map(|engine| {
                std::fs::read_to_string(folder(engine).join(format!("{name}.sql"))).unwrap()
            })
            .map(|sql| header::parse(&sql).unwrap_or_else(|error| panic!("{name}: {error}")))
            .collect();
        assert_eq!(headers[0].question, headers[1].question, "{name}");
        assert_eq!(headers[0].parameters, headers[1].parameters, "{name}");
        assert_eq!(headers[0].columns, headers[1].columns, "{name}");
    }
}

#[test]
fn defaults_fit_their_type() {
    for question in questions().unwrap() {
        for parameter in &question.header.parameters {
            if let DefaultValue::Word(word) = &parameter.default {
                parameter
                    .kind
                    .value(word, 0)
                    .unwrap_or_else(|error| panic!("{}: {error}", question.name));
            }
        }
    }
}

/// The index in `queries/README.md` between its two marks; written anew with `SQLTRAIL_REWRITE=1`.
#[test]
fn the_index_is_current() {
    const BEGIN: &str = "<!-- index begins -->\n";
    const END: &str = "<!-- index ends -->\n";
    let mut index = String::from("| question | parameters | in |\n|---|---|---|\n");
    for question in questions().unwrap() {
        let parameters: Vec<String> = question
            .header
            .parameters
            .iter()
            .map(|parameter| match &parameter.default {
                DefaultValue::Required => format!("**{}**", parameter.name),
                DefaultValue::Null | DefaultValue::Word(_) => parameter.name.clone(),
            })
            .collect();
        let place = if files("shared").contains(question.name) {
            "shared"
        } else {
            "sqlite, duckdb"
        };
        index.push_str(&format!(
            "| `{}`: {} | {} | {place} |\n",
            question.name,
            question.header.question,
            parameters.join(", ")
        ));
    }
    let path = folder("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (current, after) = rest.split_once(END).unwrap();
    if std::env::var_os("SQLTRAIL_REWRITE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{index}{END}{after}")).unwrap();
    } else {
        assert_eq!(
            current, index,
            "run again with SQLTRAIL_REWRITE=1 to write it"
        );
    }
}

#[test]
fn an_unknown_name_is_answered_with_near_ones() {
    let check = |name: &str, expected: &str| {
        let error = find(name).unwrap_err().to_string();
        assert_eq!(error, expected);
    };
    check(
        "who_touched_tabel",
        "no saved question `who_touched_tabel` (near it: `who_touched_table`)",
    );
    check(
        "fingerprints",
        "no saved question `fingerprints` (near it: `new_fingerprints_since`, `top_fingerprints`)",
    );
    check("xyz", "no saved question `xyz`");
}

fn bind(question: &str, given: &[(&str, &str)]) -> Result<Vec<(String, Value)>, String> {
    let given: Vec<(String, String)> = given
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    find(question)
        .unwrap()
        .bind(&given, 0)
        .map_err(|error| error.to_string())
}

#[test]
fn parameters_are_bound_by_name_with_defaults() {
    assert_eq!(
        bind("failed_statements", &[("since", "1970-01-02")]).unwrap(),
        vec![
            ("$user".to_owned(), Value::Null),
            ("$since".to_owned(), Value::Integer(86_400_000_000)),
            ("$until".to_owned(), Value::Integer(253_402_300_799_000_000)),
        ]
    );
}

#[test]
fn bad_parameters_are_named() {
    let check = |given: &[(&str, &str)], expected: &str| {
        assert_eq!(bind("activity_of_user", given).unwrap_err(), expected);
    };
    check(
        &[],
        "question `activity_of_user` needs parameter `user` (the user's name, as logged in with)",
    );
    check(
        &[("usr", "a")],
        "question `activity_of_user` has no parameter `usr` (near it: `user`)",
    );
    check(
        &[("q", "a")],
        "question `activity_of_user` has no parameter `q` (near it: `user`, `since`, `until`)",
    );
    check(
        &[("user", "a"), ("user", "b")],
        "parameter `user` of question `activity_of_user` is given twice",
    );
    check(
        &[("user", "a"), ("since", "soon")],
        "bad value for parameter `since` of question `activity_of_user`",
    );
}
