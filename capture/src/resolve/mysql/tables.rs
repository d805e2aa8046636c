//! Where MariaDB and MySQL keep a table's name and how it is locked.

use super::super::finding::{Finding, agreed, first, follow};
use super::stored;
use crate::elf::Image;

/// `mysql_lock_tables`: in MariaDB the inner one, which has the loop over the tables; in MySQL the only
/// one.
const LOCK_TABLES: [&str; 3] = [
    "_Z17mysql_lock_tablesP3THDP13st_mysql_lockj",
    "_Z17mysql_lock_tablesP3THDPP5TABLEmj",
    "_Z17mysql_lock_tablesP3THDPP5TABLEjj",
];

/// `open_table_from_share`, whose seventh argument is the table.
const OPEN_TABLE: [&str; 2] = [
    "_Z21open_table_from_shareP3THDP11TABLE_SHAREPK25st_mysql_const_lex_stringjjjP5TABLEbP4ListI6StringE",
    "_Z21open_table_from_shareP3THDP11TABLE_SHAREPKcjjjP5TABLEbPKN2dd5TableE",
];

/// Constructors of handlers, with the share as second argument.
const HANDLERS: [&str; 2] = [
    "_ZN8ha_mariaC2EP10handlertonP11TABLE_SHARE",
    "_ZN11ha_innobaseC2EP10handlertonP11TABLE_SHARE",
];

/// `init_tmp_table_share(THD *, TABLE_SHARE *, const char *key, length, ...)`
const INIT_SHARE: [&str; 3] = [
    "_Z20init_tmp_table_shareP3THDP11TABLE_SHAREPKcjS4_S4_",
    "_Z20init_tmp_table_shareP3THDP11TABLE_SHAREPKcjS4_S4_b",
    "_Z20init_tmp_table_shareP3THDP11TABLE_SHAREPKcmS4_S4_P8MEM_ROOT",
];

/// The first of `symbols` that the image exports.
fn one_of(image: &Image, symbols: &[&'static str]) -> Result<&'static str, String> {
    let found = symbols.iter().find(|symbol| image.symbol(symbol).is_some());
    found
        .copied()
        .ok_or_else(|| format!("none of {} is exported", symbols.join(", ")))
}

/// Of `TABLE`: its lock type, and how many of the types from 2 on are for reading, less one. The
/// servers ask `type - 2 <= reads`.
pub(super) fn lock(image: &Image) -> (Finding, Finding) {
    let trace = match one_of(image, &LOCK_TABLES).and_then(|symbol| follow(image, symbol)) {
        Ok(trace) => trace,
        Err(why) => return (Err(why.clone()), Err(why)),
    };
    let asked: Vec<_> = trace
        .compares()
        .filter_map(|(at, left, right)| {
            let reads = right.as_constant().filter(|reads| (1..8).contains(reads))?;
            let (address, reduced) = left.as_loaded(4)?;
            let (_, offset) = address.as_pointee().filter(|_| reduced == -2)?;
            Some((at, offset, reads))
        })
        .collect();
    let what = "asks whether the lock is for reading";
    let offsets = asked.iter().map(|(at, offset, _)| (*at, *offset));
    let reads = asked.iter().map(|(at, _, reads)| (*at, *reads));
    (first(&trace, what, offsets), first(&trace, what, reads))
}

/// Of `TABLE`: its share.
pub(super) fn table_share(image: &Image) -> Finding {
    /// Above the return address.
    const SEVENTH_ARGUMENT: i64 = 8;
    let trace = follow(image, one_of(image, &OPEN_TABLE)?)?;
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let (holder, offset) = address.as_pointee()?;
        let whole = size == 8 && value.argument_offset(1) == Some(0);
        let outer = holder.stack_offset() == Some(SEVENTH_ARGUMENT);
        Some((at, Some(offset).filter(|_| whole && outer)?))
    });
    first(&trace, "stores its argument share in the table", values)
}

/// Of `handler`: the share of its table.
pub(super) fn handler_share(image: &Image) -> Finding {
    stored(image, one_of(image, &HANDLERS)?, 2, 8)
}

/// Of `TABLE_SHARE`: its key, with the length behind it. The schema's name begins at the same byte,
/// but has another length.
pub(super) fn key(image: &Image) -> Finding {
    let trace = follow(image, one_of(image, &INIT_SHARE)?)?;
    let kept = |argument: u8, size: u8| {
        trace.stores().filter_map(move |(at, address, own, value)| {
            let whole = own == size && value.argument_offset(argument) == Some(0);
            Some((at, address.argument_offset(1).filter(|_| whole)?))
        })
    };
    let lengths: Vec<i64> = kept(3, 8).map(|(_, offset)| offset).collect();
    let values = kept(2, 8).filter(|(_, offset)| lengths.contains(&(offset + 8)));
    let by_init = first(&trace, "stores its argument key, and the length", values);
    agreed(by_init, searched(image))
}

/// MariaDB's statistics look a table up by its key: `table->s->table_cache_key`.
fn searched(image: &Image) -> Finding {
    let trace = follow(image, "_ZN7handler25update_global_table_statsEv")?;
    let values = trace.calls().filter_map(|(at, call)| {
        let part = |argument: usize| {
            let (address, 8) = call.arguments[argument].as_memory()? else {
                return None;
            };
            address.as_pointee()
        };
        let (key, length) = (part(1)?, part(2)?);
        let pair = key.0 == length.0 && length.1 == key.1 + 8;
        Some((at, Some(key.1).filter(|_| pair)?))
    });
    first(&trace, "searches for it", values)
}
