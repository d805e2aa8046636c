//! Files and flags into settings, and what is said of wrong ones.

use std::path::Path;

use super::{Config, file::Literals, load, parse};
use crate::config::{Source, error::ConfigError, file::File};

fn read(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.toml");
    std::fs::write(&path, text).unwrap();
    load(&Source { path: Some(path) }, |_| {})
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(read("").unwrap().to_toml(), Config::default().to_toml());
    let options = Config::default().capture();
    let expected = capture::attach::Options::default();
    assert_eq!(options.ring_bytes, expected.ring_bytes);
    assert_eq!(options.text_max, expected.text_max);
}

#[test]
fn the_shipped_file_has_every_key_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/sqltrail.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(parse(&path, &text).unwrap(), File::default());
    let keys: toml::Table = text.parse().unwrap();
    let all: toml::Table = Config::default().to_toml().parse().unwrap();
    assert_eq!(keys, all);
    for rule_key in [
        "action",
        "db_system_name",
        "db_user",
        "db_namespace",
        "client_address",
        "application_name",
        "class",
        "operation",
        "object",
        "command",
        "status",
        "text",
        "server_pid",
    ] {
        assert!(text.contains(&format!("# {rule_key} = ")), "{rule_key}");
    }
}

#[test]
fn every_key_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let all: toml::Table = Config::default().to_toml().parse().unwrap();
    for (section, keys) in &all {
        for key in keys.as_table().unwrap().keys() {
            assert!(text.contains(&format!("| `{key}` |")), "{section}.{key}");
        }
    }
}

#[test]
fn what_is_printed_can_be_read() {
    let text = r#"
        [record]
        servers = ["postgres", "1234"]
        max_query_bytes = "1MiB"
        ring_bytes = 1048576
        literals = "mask"
        [kernel]
        exclude_uids = [33]
        [[filter]]
        action = "exclude"
        db_user = "monitor"
        client_address = ["10.0.0.0/8", "local", "::1"]
        class = ["read", "MISC"]
        text = '^select \d'
        object = "public.*"
        server_pid = [5, 6]
        [[filter]]
        action = "include"
        status = "error"
        db_system_name = "mariadb"
    "#;
    let config = read(text).unwrap();
    assert_eq!(config.servers(), ["postgres", "1234"]);
    assert_eq!(config.capture().text_max, 1 << 20);
    assert_eq!(config.capture().ring_bytes, 1 << 20);
    assert_eq!(config.literals(), Literals::Mask);
    assert!(!config.capture().parameters);
    let again = read(&config.to_toml()).unwrap();
    assert_eq!(again.to_toml(), config.to_toml());
    assert_eq!(again.sha256(), config.sha256());
    assert_ne!(config.sha256(), Config::default().sha256());
}

#[track_caller]
fn wrong(text: &str, place: &str, said: &str, hint: Option<&str>) {
    let error = read(text).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(&format!("f.toml{place}: ")), "{message}");
    assert!(message.contains(said), "{message}");
    assert!(!message.contains('\n'), "{message}");
    assert_eq!(error.hint(), hint, "{message}");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let keys = "`sqltrail config check` without a file prints all keys with their defaults";
    wrong(
        "[record]\n\nmax_query_byte = 1\n",
        ":3: record.max_query_byte",
        "unknown field",
        Some("`max_query_bytes` is meant, perhaps"),
    );
    wrong(
        "[record]\nfrobnicate = 1\n",
        ":2: record.frobnicate",
        "unknown field",
        Some(keys),
    );
    wrong(
        "[recrod]\n",
        ":1: recrod",
        "unknown field",
        Some("`record` is meant, perhaps"),
    );
    wrong(
        "[record]\nobjects = \"yes\"\n",
        ":2: record.objects",
        "invalid type",
        None,
    );
    wrong(
        "[record]\nmax_query_bytes = \"64KB\"\n",
        ":2: record.max_query_bytes",
        "unknown unit \"KB\"",
        None,
    );
    wrong(
        "[record]\nmax_query_bytes = -1\n",
        ":2: record.max_query_bytes",
        "unknown unit",
        None,
    );
    wrong(
        "[record]\nobjects = true\nmax_query_bytes = 5\n",
        ":3: record.max_query_bytes",
        "must be from 256 to 16MiB",
        None,
    );
    wrong(
        "[record]\nring_bytes = \"3MiB\"\n",
        ":2: record.ring_bytes",
        "power of two",
        None,
    );
    wrong(
        "[record]\nmax_parameter_bytes = \"1MiB\"\n",
        ":2: record.max_parameter_bytes",
        "must be from 0 to 32KiB",
        None,
    );
    wrong(
        "[record]\nliterals = \"masks\"\n",
        ":2: record.literals",
        "unknown variant",
        Some("`mask` is meant, perhaps"),
    );
    wrong(
        "[kernel]\npids = [\"a\"]\n",
        ":2: kernel.pids",
        "invalid type",
        None,
    );
    wrong(
        "[[filter]]\ndb_user = \"a\"\n",
        ":1: filter",
        "missing field `action`",
        None,
    );
    wrong(
        "[[filter]]\naction = \"drop\"\n",
        ":2: filter.action",
        "unknown variant",
        Some(keys),
    );
    wrong(
        "[[filter]]\naction = \"exclude\"\ntext = [\n  \"a\",\n  \"(\",\n]\n",
        ":5: filter.text",
        "unclosed group",
        None,
    );
    wrong(
        "[[filter]]\naction = \"exclude\"\nobject = \"a[\"\n",
        ":3: filter.object",
        "unclosed character class",
        None,
    );
    wrong(
        "[[filter]]\naction = \"exclude\"\nclass = \"dml\"\n",
        ":3: filter.class",
        "none of READ, WRITE",
        None,
    );
    wrong(
        "[[filter]]\naction = \"exclude\"\nstatus = \"bad\"\n",
        ":3: filter.status",
        "none of ok, error",
        None,
    );
    wrong(
        "[[filter]]\naction = \"exclude\"\nclient_address = \"10.0.0.0/99\"\n",
        ":3: filter.client_address",
        "no address",
        None,
    );
    wrong(
        "[[filter]]\naction = \"exclude\"\ndb_system_name = \"oracle\"\n",
        ":3: filter.db_system_name",
        "none of postgresql",
        None,
    );
    wrong(
        "[[filter]]\naction = \"exclude\"\nserver_pid = \"x\"\n",
        ":3: filter.server_pid",
        "invalid digit",
        None,
    );
    wrong(
        "[[filter]]\naction = \"exclude\"\ndb_user = []\n",
        ":3: filter.db_user",
        "holds for nothing",
        None,
    );
    wrong("[record\n", ":1", "", None);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let source = Source {
        path: Some("/nonexistent/s.toml".into()),
    };
    let error = load(&source, |_| {}).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/s.toml"));
    assert!(error.hint().is_some());
}

#[test]
fn flags_override_the_file() {
    let source = Source { path: None };
    let config = load(&source, |file| file.record.objects = false).unwrap();
    assert!(!config.capture().objects);
    let error = load(&source, |file| file.record.ring_bytes.0 = 3).unwrap_err();
    assert!(
        error.to_string().starts_with("record.ring_bytes: must be"),
        "{error}"
    );
}

#[test]
fn changes_are_named() {
    let old = Config::default();
    let new = read(
        "[record]\nobjects = false\nring_bytes = \"1MiB\"\n[[filter]]\naction = \"exclude\"\n",
    )
    .unwrap();
    assert_eq!(
        old.changes(&new),
        [
            "record.objects true -> false",
            "record.ring_bytes \"64MiB\" -> \"1MiB\"",
            "filter (0 rules -> 1)",
        ]
    );
    assert_eq!(old.needs_restart(&new), Some("record.ring_bytes"));
    assert_eq!(old.changes(&old.clone()), [""; 0]);
}
