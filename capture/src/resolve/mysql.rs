//! Where MariaDB and MySQL keep what an audit needs, read out of their exported functions.
//!
//! Takes an image and which of the two it is, gives the layout and how each part of it was found.
//! It must never fill in an offset that no function of this very binary shows.

mod tables;

use capture_common::ids::hook;
use capture_common::target::MysqlLayout;

use super::NO_MYSQL;
use super::finding::{Fields, Finding, Found, agreed, exported, first, follow};
use super::hooks::Hook;
use super::trace::{Call, Trace};
use super::value::Value;
use crate::elf::Image;

/// `DA_OK` of `enum_diagnostics_status`, in every version of both.
const STATUS_OK: u32 = 1;
/// `DA_EOF` of `enum_diagnostics_status`, in every version of both.
const STATUS_EOF: u32 = 2;

const SET_OK: &str = "_ZN16Diagnostics_area13set_ok_statusEyyPKc";
const SET_SENT_ROWS: &str = "_ZN3THD18set_sent_row_countEy";

pub(super) fn mariadb(image: &Image, hooks: &[Hook], fields: &mut Fields) -> MysqlLayout {
    const SET_ERROR: &str = "_ZN16Diagnostics_area16set_error_statusEjPKcS1_RK27Sql_user_condition_identityPK13Sql_condition";
    const STATEMENT: &str = "_ZN9StatementC2EP3LEXP11st_mem_rootN11Query_arena10enum_stateEm";
    const SET_PEER: &str = "_Z17thd_set_peer_addrP3THDP16sockaddr_storagePKcjbPj";
    let status = |part| diagnostics_status(image, "thd_current_status", part);
    let (errno, diagnostics) = (
        pointee(image, "thd_get_error_number", 4),
        agreed(
            through(image, "thd_get_error_number"),
            through(image, "thd_get_error_message"),
        ),
    );
    MysqlLayout {
        commands: [u64::MAX; 4],
        thd_query: fields.offset("thd_query", returned_address(image, "thd_query_string")),
        thd_thread_id: fields.offset("thd_thread_id", member(image, "thd_get_thread_id")),
        thd_thread_id_size: fields.offset(
            "thd_thread_id_size",
            member_size(image, "thd_get_thread_id"),
        ),
        thd_security: fields.offset(
            "thd_security",
            agreed(
                through(image, "thd_user_name"),
                through(image, "thd_client_ip"),
            ),
        ),
        security_user: fields.offset("security_user", pointee(image, "thd_user_name", 8)),
        security_host: fields.offset("security_host", pointee(image, "thd_client_host", 8)),
        security_ip: fields.offset("security_ip", pointee(image, "thd_client_ip", 8)),
        thd_database: fields.offset("thd_database", returned_address(image, "thd_current_db")),
        thd_diagnostics: fields.offset(
            "thd_diagnostics",
            agreed(diagnostics, status(Status::Holder)),
        ),
        diagnostics_status: fields.offset("diagnostics_status", status(Status::Member)),
        status_error: fields.offset("status_error", status(Status::Error)),
        status_ok: STATUS_OK,
        status_eof: STATUS_EOF,
        diagnostics_errno: fields.offset(
            "diagnostics_errno",
            agreed(errno, stored(image, SET_ERROR, 1, 4)),
        ),
        diagnostics_sqlstate: fields
            .offset("diagnostics_sqlstate", copied_sqlstate(image, SET_ERROR)),
        diagnostics_message: fields.offset(
            "diagnostics_message",
            agreed(
                pointee_address(image, "thd_get_error_message"),
                copied_message(image, SET_ERROR),
            ),
        ),
        diagnostics_affected: fields.offset("diagnostics_affected", stored(image, SET_OK, 1, 8)),
        thd_sent_rows: fields.offset("thd_sent_rows", stored(image, SET_SENT_ROWS, 1, 8)),
        thd_peer_port: fields.offset("thd_peer_port", stored(image, SET_PEER, 3, 2)),
        dispatch_size: fields.offset("dispatch_size", dispatch_size(hooks)),
        statement_id: fields.offset("statement_id", stored(image, STATEMENT, 4, 8)),
        ..tables(image, fields)
    }
}

/// The part of the layout that is about tables; the rest is absent.
fn tables(image: &Image, fields: &mut Fields) -> MysqlLayout {
    let (lock, reads) = tables::lock(image);
    MysqlLayout {
        table_share: fields.offset("table_share", tables::table_share(image)),
        handler_share: fields.offset("handler_share", tables::handler_share(image)),
        share_key: fields.offset("share_key", tables::key(image)),
        table_lock: fields.offset("table_lock", lock),
        lock_reads: fields.offset("lock_reads", reads),
        ..NO_MYSQL
    }
}

pub(super) fn mysql(image: &Image, hooks: &[Hook], fields: &mut Fields) -> MysqlLayout {
    const QUERY: &str = "_Z16thd_query_unsafeP3THD";
    const SECURITY: &str = "_ZN26mysql_security_context_imp3getEPvPP27Security_context_handle_imp";
    const IS_ERROR: &str = "_Z12thd_is_errorPK3THD";
    const SET_ERROR: &str = "_ZN16Diagnostics_area16set_error_statusEjPKcS1_";
    let status = |part| diagnostics_status(image, IS_ERROR, part);
    MysqlLayout {
        commands: [u64::MAX; 4],
        thd_query: fields.offset("thd_query", returned_text(image, QUERY)),
        thd_thread_id: fields.offset("thd_thread_id", member(image, "thd_get_thread_id")),
        thd_thread_id_size: fields.offset(
            "thd_thread_id_size",
            member_size(image, "thd_get_thread_id"),
        ),
        thd_security: fields.offset("thd_security", handed_out(image, SECURITY)),
        security_user: fields.offset(
            "security_user",
            returned_text(image, "_ZNK16Security_context4userEv"),
        ),
        security_host: fields.offset(
            "security_host",
            returned_text(image, "_ZNK16Security_context4hostEv"),
        ),
        security_ip: fields.offset(
            "security_ip",
            returned_text(image, "_ZNK16Security_context2ipEv"),
        ),
        thd_database: fields.offset("thd_database", duplicated_database(image)),
        thd_diagnostics: fields.offset("thd_diagnostics", status(Status::Holder)),
        diagnostics_status: fields.offset("diagnostics_status", status(Status::Member)),
        status_error: fields.offset("status_error", status(Status::Error)),
        status_ok: STATUS_OK,
        status_eof: STATUS_EOF,
        diagnostics_errno: fields.offset("diagnostics_errno", stored(image, SET_ERROR, 1, 4)),
        diagnostics_sqlstate: fields
            .offset("diagnostics_sqlstate", copied_sqlstate(image, SET_ERROR)),
        diagnostics_message: fields.offset("diagnostics_message", copied_message(image, SET_ERROR)),
        diagnostics_affected: fields.offset("diagnostics_affected", stored(image, SET_OK, 1, 8)),
        thd_sent_rows: fields.offset("thd_sent_rows", stored(image, SET_SENT_ROWS, 1, 8)),
        thd_peer_port: fields.offset("thd_peer_port", peer_port(image)),
        dispatch_size: fields.offset("dispatch_size", dispatch_size(hooks)),
        statement_id: fields.offset("statement_id", inserted_id(image)),
        ..tables(image, fields)
    }
}

/// The map of prepared statements takes a statement's number as its key.
fn inserted_id(image: &Image) -> Finding {
    let trace = follow(
        image,
        "_ZN22Prepared_statement_map6insertEP18Prepared_statement",
    )?;
    let values = trace.loads().filter_map(|(at, address, size)| {
        Some((at, address.argument_offset(1).filter(|_| size == 8)?))
    });
    first(&trace, "takes it for the key", values)
}

/// How far `dispatch_command` reaches, if its ends of statements are within.
fn dispatch_size(hooks: &[Hook]) -> Finding {
    let one = |id| {
        hooks
            .iter()
            .find(|hook| hook.id == id)
            .ok_or("hook is missing")
    };
    let (dispatch, end) = (one(hook::MY_DISPATCH)?, one(hook::MY_STATEMENT_END)?);
    let behind = dispatch.vaddr.saturating_add(dispatch.size);
    let inside = |site: &&u64| (dispatch.vaddr..behind).contains(*site);
    match end.call_sites.iter().filter(inside).count() {
        0 => Err(format!("{} has no call of {}", dispatch.symbol, end.symbol)),
        sites => Ok(Found {
            value: behind.saturating_sub(dispatch.attach_vaddr),
            how: format!(
                "size of {}, {sites} calls of {} within",
                dispatch.symbol, end.symbol
            ),
        }),
    }
}

/// The first return value that `pick` understands.
fn returned(
    image: &Image,
    symbol: &'static str,
    what: &str,
    pick: impl Fn(&[Value; 2]) -> Option<i64>,
) -> Finding {
    let trace = follow(image, symbol)?;
    let values = trace
        .returns()
        .filter_map(|(at, values)| Some((at, pick(values)?)));
    first(&trace, what, values)
}

/// `c` of a function that returns `&first_argument->member`.
fn returned_address(image: &Image, symbol: &'static str) -> Finding {
    returned(image, symbol, "returns its address", |[value, _]| {
        value.argument_offset(0)
    })
}

/// `c` of a function that returns a pointer and a length that stand side by side in its argument.
fn returned_text(image: &Image, symbol: &'static str) -> Finding {
    returned(
        image,
        symbol,
        "returns it and its length",
        |[text, length]| {
            let offset = text.loaded_from_argument(0, 8)?;
            (length.loaded_from_argument(0, 8)? == offset.checked_add(8)?).then_some(offset)
        },
    )
}

/// Offset and size of the member that a function returns.
fn loaded(value: &Value) -> Option<(i64, u8)> {
    let (address, size) = value.as_memory()?;
    Some((address.argument_offset(0)?, size))
}

fn member(image: &Image, symbol: &'static str) -> Finding {
    returned(image, symbol, "returns it", |[value, _]| {
        loaded(value).map(|(offset, _)| offset)
    })
}

fn member_size(image: &Image, symbol: &'static str) -> Finding {
    returned(image, symbol, "size of what it returns", |[value, _]| {
        loaded(value)
            .map(|(_, size)| i64::from(size))
            .filter(|size| [4, 8].contains(size))
    })
}

/// `a` of a function that uses `first_argument[a][..]`: where the inner struct's pointer stands.
fn through(image: &Image, symbol: &'static str) -> Finding {
    returned(image, symbol, "reads through it", |[value, _]| {
        let (holder, _) = match value.as_memory() {
            Some((address, _)) => address.as_pointee()?,
            None => value.as_pointee()?,
        };
        holder.argument_offset(0)
    })
}

/// `b` of a function that returns `first_argument[a][b]`, `size` bytes wide.
fn pointee(image: &Image, symbol: &'static str, size: u8) -> Finding {
    returned(image, symbol, "returns it", |[value, _]| {
        let (address, own) = value.as_memory()?;
        let (holder, offset) = address.as_pointee()?;
        (own == size && holder.argument_offset(0).is_some()).then_some(offset)
    })
}

/// `b` of a function that returns `first_argument[a] + b`.
fn pointee_address(image: &Image, symbol: &'static str) -> Finding {
    returned(image, symbol, "returns its address", |[value, _]| {
        let (holder, offset) = value.as_pointee()?;
        // An unchanged pointer is the inner struct itself, which is no text.
        holder.argument_offset(0).filter(|_| offset != 0)?;
        Some(offset)
    })
}

/// `c` of a function that stores its whole argument to `first_argument + c`.
fn stored(image: &Image, symbol: &'static str, argument: u8, size: u8) -> Finding {
    let trace = follow(image, symbol)?;
    let values = trace.stores().filter_map(|(at, address, own, value)| {
        let whole = own == size && value.argument_offset(argument) == Some(0);
        Some((at, address.argument_offset(0).filter(|_| whole)?))
    });
    first(&trace, &format!("stores its argument {argument}"), values)
}

/// Which part of `argument[holder][member] == error` is asked for.
#[derive(Clone, Copy)]
enum Status {
    Holder,
    Member,
    Error,
}

fn diagnostics_status(image: &Image, symbol: &'static str, part: Status) -> Finding {
    let trace = follow(image, symbol)?;
    let values = trace.compares().filter_map(|(at, left, right)| {
        let error = right.as_constant().filter(|error| *error > 0)?;
        let (address, 4) = left.as_memory()? else {
            return None;
        };
        let (holder, member) = address.as_pointee()?;
        let holder = holder.argument_offset(0)?;
        Some((
            at,
            match part {
                Status::Holder => holder,
                Status::Member => member,
                Status::Error => error,
            },
        ))
    });
    first(&trace, "compares the status", values)
}

/// Where the first four bytes of the argument `sqlstate`, the third behind `this`, are copied to.
fn copied_sqlstate(image: &Image, symbol: &'static str) -> Finding {
    let trace = follow(image, symbol)?;
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let begins = size == 4 && value.loaded_from_argument(3, 4) == Some(0);
        Some((at, address.argument_offset(0).filter(|_| begins)?))
    });
    first(&trace, "copies its argument sqlstate", values)
}

/// Where the argument `message`, the second behind `this`, is copied to.
fn copied_message(image: &Image, symbol: &'static str) -> Finding {
    let trace = follow(image, symbol)?;
    let values = trace.calls().filter_map(|(at, call)| {
        let from = call.arguments[1].argument_offset(2) == Some(0);
        Some((at, call.arguments[0].argument_offset(0).filter(|_| from)?))
    });
    first(&trace, "copies its argument message", values)
}

/// A component service that stores the security context through its second argument.
fn handed_out(image: &Image, symbol: &'static str) -> Finding {
    let trace = follow(image, symbol)?;
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let out = size == 8 && address.argument_offset(1) == Some(0);
        Some((at, value.loaded_from_argument(0, 8).filter(|_| out)?))
    });
    first(&trace, "hands it out", values)
}

/// `THD::set_db` keeps a copy of the name, and its length behind it.
fn duplicated_database(image: &Image) -> Finding {
    let trace = follow(image, "_ZN3THD6set_dbERK17MYSQL_LEX_CSTRING")?;
    let copy = exported(image, "_Z10my_strndupjPKcmi")?.address;
    let kept = |at, offset: i64| has_length(&trace, offset).then_some((at, offset));
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let copied = size == 8 && value.is_result_of(copy);
        kept(at, address.argument_offset(0).filter(|_| copied)?)
    });
    first(
        &trace,
        "keeps what my_strndup returned, and its length",
        values,
    )
}

/// Whether the length of the name, in the second argument, is stored behind `offset`.
fn has_length(trace: &Trace, offset: i64) -> bool {
    trace.stores().any(|(_, address, size, value)| {
        size == 8
            && address.argument_offset(0) == offset.checked_add(8)
            && value.loaded_from_argument(1, 8) == Some(8)
    })
}

/// The connection phase lets the network layer fill in `&thd->peer_port` and tells its value to the
/// performance schema.
fn peer_port(image: &Image) -> Finding {
    /// `NI_MAXHOST`, the size of the buffer that is filled in together with the port.
    const HOST_BYTES: i64 = 1025;
    let trace = follow(image, "_Z22thd_prepare_connectionP3THD")?;
    let filled = trace.calls().filter_map(|(at, Call { arguments, .. })| {
        let asks = arguments[3].as_constant() == Some(HOST_BYTES);
        Some((at, arguments[2].argument_offset(0).filter(|_| asks)?))
    });
    let told = exported(image, "_Z27pfs_set_thread_peer_port_vcP10PSI_threadj").and_then(|told| {
        let values = trace
            .calls_of(told.address)
            .filter_map(|(at, arguments)| Some((at, arguments[1].loaded_from_argument(0, 2)?)));
        first(&trace, "tells the performance schema", values)
    });
    agreed(
        first(&trace, "lets the network layer fill it in", filled),
        told,
    )
}
