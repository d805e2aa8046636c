//! The tables that a statement touched, as the column `objects` has them.
//!
//! Takes `OBJECT` records, adds up those of the same table, gives one JSON list in order of the names.

use std::{borrow::Cow, collections::BTreeMap};

use capture_common::{ids::access, record::Object};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Tables of one statement that are named; a query over thousands of partitions names no more.
const TABLES_MAX: usize = 1000;

/// What was done to one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Use {
    access: u32,
    inserted: u64,
    updated: u64,
    deleted: u64,
}

/// The tables touched so far, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Objects {
    tables: BTreeMap<String, Use>,
    /// How many records were of tables beyond [`TABLES_MAX`].
    more: u64,
}

impl Objects {
    /// Adds a table, or what was done to it this time.
    pub(super) fn add(&mut self, object: &Object, [schema, name]: &[&[u8]; 2]) {
        let name = qualified(object.schema, schema, name);
        if !self.tables.contains_key(&name) && self.tables.len() >= TABLES_MAX {
            self.more += 1;
            return;
        }
        let known = self.tables.entry(name).or_default();
        known.access |= object.access;
        known.inserted = known.inserted.saturating_add(object.inserted);
        known.updated = known.updated.saturating_add(object.updated);
        known.deleted = known.deleted.saturating_add(object.deleted);
    }

    /// The list, taken; `None` when no table was touched.
    pub(super) fn take_json(&mut self) -> Option<String> {
        let Self { tables, more } = std::mem::take(self);
        if tables.is_empty() {
            return None;
        }
        let mut list: Vec<Value> = tables
            .into_iter()
            .map(|(name, known)| table(name, known))
            .collect();
        if more > 0 {
            list.push(Map::from_iter([("more".to_owned(), more.into())]).into());
        }
        Some(Value::from(list).to_string())
    }
}

/// `schema.table`; an OID stands for a schema whose name is not known.
fn qualified(oid: u32, schema: &[u8], name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let schema: Cow<'_, str> = if schema.is_empty() && oid != 0 {
        oid.to_string().into()
    } else {
        String::from_utf8_lossy(schema)
    };
    if schema.is_empty() {
        name.into_owned()
    } else {
        format!("{schema}.{name}")
    }
}

fn table(name: String, known: Use) -> Value {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), name.into());
    if known.access & access::READ != 0 {
        fields.insert("read".to_owned(), true.into());
    }
    if known.access & access::WRITE != 0 {
        fields.insert("written".to_owned(), true.into());
    }
    if known.access & access::COUNTED != 0 {
        fields.insert("inserted".to_owned(), known.inserted.into());
        fields.insert("updated".to_owned(), known.updated.into());
        fields.insert("deleted".to_owned(), known.deleted.into());
    }
    fields.into()
}

#[cfg(test)]
mod tests {
    use capture_common::record::Header;

    use super::*;

    fn object(access: u32, [inserted, updated, deleted]: [u64; 3]) -> Object {
        Object {
            header: Header::ZERO,
            access,
            name_at: 0,
            schema: 0,
            reserved: 0,
            inserted,
            updated,
            deleted,
        }
    }

    #[test]
    fn tables_add_up_and_stand_in_order() {
        let mut objects = Objects::default();
        assert_eq!(objects.take_json(), None);
        let write = access::WRITE | access::COUNTED;
        objects.add(&object(write, [2, 0, 0]), &[b"s", b"z"]);
        objects.add(&object(access::READ, [0; 3]), &[b"s", b"a"]);
        objects.add(&object(write, [1, 3, 0]), &[b"s", b"z"]);
        assert_eq!(
            objects.take_json().as_deref(),
            Some(
                r#"[{"name":"s.a","read":true},{"name":"s.z","written":true,"inserted":3,"updated":3,"deleted":0}]"#
            )
        );
        assert_eq!(objects.take_json(), None);
    }

    #[test]
    fn a_schema_without_a_name_is_its_oid() {
        let mut objects = Objects::default();
        let unknown = Object {
            schema: 16_400,
            ..object(access::READ, [0; 3])
        };
        objects.add(&unknown, &[b"", b"t"]);
        objects.add(&object(access::READ, [0; 3]), &[b"", b"u"]);
        assert_eq!(
            objects.take_json().as_deref(),
            Some(r#"[{"name":"16400.t","read":true},{"name":"u","read":true}]"#)
        );
    }

    #[test]
    fn too_many_tables_are_counted() {
        let mut objects = Objects::default();
        for number in 0..TABLES_MAX + 7 {
            objects.add(
                &object(access::READ, [0; 3]),
                &[b"s", number.to_string().as_bytes()],
            );
        }
        let json = objects.take_json().unwrap();
        assert!(json.ends_with(r#",{"more":7}]"#), "{json}");
    }
}
