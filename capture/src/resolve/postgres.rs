//! Where PostgreSQL (12 and later) keeps what an audit needs, read out of its exported functions.
//!
//! Takes an image, gives the layout for the probes and how each part of it was found.
//! It must never use a version number in place of what the code says, except to check it.

use capture_common::target::{ABSENT, PostgresLayout};

use super::finding::{Fields, Finding, Found, agreed, exported, first, follow, found, variable};
use super::trace::Trace;
use super::value::{Atom, Value};
use crate::elf::Image;

/// `FATAL` up to PostgreSQL 13, and since 14; `ERROR` is one less.
const FATAL_LEVELS: [i64; 2] = [21, 22];

pub(super) fn layout(image: &Image, major: Option<u32>, fields: &mut Fields) -> PostgresLayout {
    let mut layout = PostgresLayout {
        my_proc_port: fields.address("my_proc_port", variable(image, "MyProcPort")),
        my_start_timestamp: fields
            .address("my_start_timestamp", variable(image, "MyStartTimestamp")),
        application_name: fields.address("application_name", variable(image, "application_name")),
        debug_query_string: fields
            .address("debug_query_string", variable(image, "debug_query_string")),
        statement_start: fields.address("statement_start", statement_start(image)),
        errordata: 0,
        errordata_depth: 0,
        errordata_size: ABSENT,
        error_sqlstate: ABSENT,
        error_message: ABSENT,
        error_level: ABSENT,
        port_user: fields.offset("port_user", port_user(image)),
        port_database: fields.offset("port_database", port_database(image)),
        port_remote: fields.offset("port_remote", port_remote(image)),
        postmaster_pid: fields.address("postmaster_pid", variable(image, "PostmasterPid")),
        my_database: fields.address("my_database", variable(image, "MyDatabaseId")),
        portal_parameters: fields.offset("portal_parameters", portal_parameters(image)),
        portal_query: fields.offset("portal_query", portal_query(image)),
        query_state: fields.offset("query_state", query_state(image)),
        parameter_count: fields.offset("parameter_count", parameter_count(image)),
        scan_relation: fields.offset("scan_relation", scan_relation(image)),
        node_plan: fields.offset("node_plan", node_plan(image)),
        scan_place: fields.offset("scan_place", scan_place(image)),
        state_relations: fields.offset("state_relations", state_relations(image)),
        reserved: 0,
        relation_oid: fields.offset("relation_oid", relation_oid(image)),
        relation_class: fields.offset("relation_class", relation_class(image, Part::Holder)),
        class_name: fields.offset("class_name", class_name(image)),
        portal_text: fields.offset("portal_text", portal_member(image, 2, "sourceText")),
        portal_statements: fields.offset("portal_statements", portal_member(image, 4, "stmts")),
        list_elements: fields.offset("list_elements", list_elements(image)),
        statement_location: fields.offset("statement_location", statement_location(image)),
        end_command_completion: u32::from(image.symbol("GetCommandTagName").is_some()),
    };
    errors(image, major, fields, &mut layout);
    layout
}

/// The static behind `GetCurrentStatementStartTimestamp`, which its setter also writes.
fn statement_start(image: &Image) -> Finding {
    let read = follow(image, "GetCurrentStatementStartTimestamp").and_then(|trace| {
        let values = trace
            .returns()
            .filter_map(|(at, [value, _])| match value.as_memory()? {
                (address, 8) => Some((at, address.as_constant()?)),
                _ => None,
            });
        first(&trace, "returns it", values)
    });
    let written = follow(image, "SetCurrentStatementStartTimestamp").and_then(|trace| {
        let values = trace.stores().filter_map(|(at, address, size, value)| {
            let from_call = matches!(value.as_pointer(), Some((Atom::Result { .. }, 0)));
            (size == 8 && from_call).then_some((at, address.as_constant()?))
        });
        first(&trace, "stores it", values)
    });
    agreed(read, written)
}

/// `&errordata[errordata_stack_depth]` plus an offset, taken apart.
struct Element {
    /// Address of the array, plus the offset within its element.
    constant: i64,
    size: i64,
    depth: i64,
}

fn element(address: &Value) -> Option<Element> {
    let [
        (
            Atom::Memory {
                address: depth,
                size: 4,
                ..
            },
            size,
        ),
    ] = address.terms.as_slice()
    else {
        return None;
    };
    Some(Element {
        constant: address.constant,
        size: *size,
        depth: depth.as_constant()?,
    })
}

/// The stack of errors and the members of its elements.
fn errors(image: &Image, major: Option<u32>, fields: &mut Fields, layout: &mut PostgresLayout) {
    let code = follow(image, "geterrcode").and_then(|trace| {
        let shown = trace
            .returns()
            .find_map(|(at, [value, _])| match value.as_memory()? {
                (address, 4) => Some((at, element(address)?)),
                _ => None,
            });
        shown
            .map(|shown| (trace, shown))
            .ok_or_else(|| "geterrcode does not index an array".into())
    });
    let part = |what: &str, pick: fn(&Element) -> i64| match &code {
        Ok((trace, (at, element))) => found(trace, *at, what, pick(element)),
        Err(why) => Err(why.clone()),
    };
    let level = fatal_level(image);
    let base = match &level {
        Ok((trace, at, element, _)) => agreed(
            found(
                trace,
                *at,
                "stores FATAL in the first member",
                element.constant,
            ),
            passed_element(image, element.constant),
        ),
        Err(why) => Err(why.clone()),
    };
    let within = |finding: Finding| -> Finding {
        let (finding, base) = (finding?, base.clone()?);
        match finding.value.checked_sub(base.value) {
            Some(value) => Ok(Found {
                value,
                how: finding.how,
            }),
            None => Err(format!("{} lies before the array", finding.how)),
        }
    };
    let sqlstate = within(agreed(
        part("returns the member", |e| e.constant),
        code_store(image),
    ));
    let message = within(message_store(image)).and_then(|message| freed(image, message));

    layout.errordata = fields.address("errordata", base.clone());
    layout.errordata_depth =
        fields.address("errordata_depth", part("index of the array", |e| e.depth));
    layout.errordata_size = fields.offset("errordata_size", part("size of an element", |e| e.size));
    layout.error_sqlstate = fields.offset("error_sqlstate", sqlstate);
    layout.error_message = fields.offset("error_message", message);
    let level = level.and_then(|(trace, at, _, fatal)| {
        let error = found(&trace, at, "FATAL less one", fatal - 1)?;
        let expected = major.map_or(error.value, |major| if major < 14 { 20 } else { 21 });
        if error.value == expected {
            Ok(error)
        } else {
            Err(format!(
                "{} is {}, version says {expected}",
                error.how, error.value
            ))
        }
    });
    layout.error_level = fields.offset("error_level", level);
}

/// `pg_re_throw` sets the level of the current error, its first member, to `FATAL`.
fn fatal_level(image: &Image) -> Result<(Trace, u64, Element, i64), String> {
    let trace = follow(image, "pg_re_throw")?;
    let shown = trace.stores().find_map(|(at, address, size, value)| {
        let level = value
            .as_constant()
            .filter(|level| FATAL_LEVELS.contains(level))?;
        Some((at, element(address).filter(|_| size == 4)?, level))
    });
    match shown {
        Some((at, element, level)) => Ok((trace, at, element, level)),
        None => Err("pg_re_throw does not store FATAL".into()),
    }
}

/// `EmitErrorReport` hands the current error itself to other functions.
fn passed_element(image: &Image, base: i64) -> Finding {
    let trace = follow(image, "EmitErrorReport")?;
    let mut elements = trace.calls().flat_map(|(at, call)| {
        call.arguments
            .iter()
            .filter_map(move |value| Some((at, element(value)?.constant)))
    });
    match elements.find(|(_, constant)| *constant == base) {
        Some((at, constant)) => found(&trace, at, "argument of a call", constant),
        None => Err("EmitErrorReport passes no element on".into()),
    }
}

fn code_store(image: &Image) -> Finding {
    let trace = follow(image, "errcode")?;
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let whole = size == 4 && value.argument_offset(0) == Some(0);
        Some((at, element(address).filter(|_| whole)?.constant))
    });
    first(&trace, "stores its argument", values)
}

/// `errmsg` stores a copy of the finished text.
fn message_store(image: &Image) -> Finding {
    let trace = follow(image, "errmsg")?;
    let copy = exported(image, "pstrdup")?.address;
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let is_copy = size == 8 && value.is_result_of(copy);
        Some((at, element(address).filter(|_| is_copy)?.constant))
    });
    first(&trace, "stores what pstrdup returned", values)
}

/// `FreeErrorData` frees the members that own memory, the message among them.
fn freed(image: &Image, message: Found) -> Finding {
    let frees = follow(image, "FreeErrorData").and_then(|trace| {
        let free = exported(image, "pfree")?.address;
        let members = trace
            .calls_of(free)
            .filter_map(|(at, arguments)| Some((at, arguments[0].loaded_from_argument(0, 8)?)))
            .collect::<Vec<_>>();
        Ok((trace, members))
    });
    let Ok((trace, members)) = frees else {
        return Ok(message);
    };
    match members
        .iter()
        .find(|(_, member)| u64::try_from(*member) == Ok(message.value))
    {
        Some((at, member)) => agreed(Ok(message), found(&trace, *at, "frees it", *member)),
        None if members.is_empty() => Ok(message),
        None => Err(format!(
            "{:#x} ({}) is not freed by FreeErrorData",
            message.value, message.how
        )),
    }
}

/// `hba_getauthmethod` begins with a look-up of the role `port->user_name`. It also looks up the role
/// that has the database's name, so `user_name` is the one with another name read before it.
fn port_user(image: &Image) -> Finding {
    let trace = follow(image, "hba_getauthmethod")?;
    let lookup = exported(image, "get_role_oid")?.address;
    let values = trace.calls_of(lookup).filter_map(|(at, arguments)| {
        let offset = arguments[0].loaded_from_argument(0, 8)?;
        names_read(&trace)
            .any(|(_, other)| Some(other) == offset.checked_sub(8))
            .then_some((at, offset))
    });
    first(&trace, "argument of get_role_oid", values)
}

/// `database_name` is the member before `user_name`, and `hba_getauthmethod` reads both.
fn port_database(image: &Image) -> Finding {
    let trace = follow(image, "hba_getauthmethod")?;
    let user = i64::try_from(port_user(image)?.value).unwrap_or_default();
    let values = names_read(&trace).filter(|(_, offset)| offset.checked_add(8) == Some(user));
    first(&trace, "read too, the member before user_name", values)
}

/// Pointers that a function reads from its first argument.
fn names_read(trace: &Trace) -> impl Iterator<Item = (u64, i64)> {
    trace.loads().filter_map(|(at, address, size)| {
        Some((at, address.argument_offset(0).filter(|_| size == 8)?))
    })
}

/// `inet_client_addr` and `inet_client_port` give `&MyProcPort->raddr.addr` to `pg_getnameinfo_all`.
fn port_remote(image: &Image) -> Finding {
    let port = exported(image, "MyProcPort")?.address.cast_signed();
    let names = exported(image, "pg_getnameinfo_all")?.address;
    let source = |symbol| {
        let trace = follow(image, symbol)?;
        let values = trace.calls_of(names).filter_map(|(at, arguments)| {
            let (address, offset) = arguments[0].as_pointee()?;
            (address.as_constant() == Some(port)).then_some((at, offset))
        });
        first(&trace, "argument of pg_getnameinfo_all", values)
    };
    agreed(source("inet_client_addr"), source("inet_client_port"))
}

/// `PortalDefineQuery` stores its arguments in the portal, its first argument.
fn portal_member(image: &Image, argument: u8, what: &str) -> Finding {
    let trace = follow(image, "PortalDefineQuery")?;
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let whole = size == 8 && value.argument_offset(argument) == Some(0);
        Some((at, address.argument_offset(0).filter(|_| whole)?))
    });
    first(&trace, &format!("stores its argument {what}"), values)
}

/// `PortalStart` keeps its argument `params` in the portal.
fn portal_parameters(image: &Image) -> Finding {
    let trace = follow(image, "PortalStart")?;
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let whole = size == 8 && value.argument_offset(1) == Some(0);
        Some((at, address.argument_offset(0).filter(|_| whole)?))
    });
    first(&trace, "stores its argument params", values)
}

/// `PortalCleanup` shuts down the query of its portal.
fn portal_query(image: &Image) -> Finding {
    let trace = follow(image, "PortalCleanup")?;
    let source = |ends: &'static str| {
        let end = exported(image, ends)?.address;
        let values = trace
            .calls_of(end)
            .filter_map(|(at, arguments)| Some((at, arguments[0].loaded_from_argument(0, 8)?)));
        first(&trace, &format!("argument of {ends}"), values)
    };
    agreed(source("ExecutorFinish"), source("ExecutorEnd"))
}

/// `standard_ExecutorStart` keeps the state that it makes in the query.
fn query_state(image: &Image) -> Finding {
    let trace = follow(image, "standard_ExecutorStart")?;
    let made = exported(image, "CreateExecutorState")?.address;
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let result = size == 8 && value.is_result_of(made);
        Some((at, address.argument_offset(0).filter(|_| result)?))
    });
    first(&trace, "stores what CreateExecutorState returned", values)
}

/// Functions that walk a list of parameters first look at its length, the only `int` before the list.
fn parameter_count(image: &Image) -> Finding {
    let source = |symbol| {
        let trace = follow(image, symbol)?;
        let values = trace.loads().filter_map(|(at, address, size)| {
            Some((at, address.argument_offset(0).filter(|_| size == 4)?))
        });
        first(&trace, "reads the length of the list", values)
    };
    agreed(source("copyParamList"), source("EstimateParamListSpace"))
}

/// Plan nodes keep the relation that `ExecOpenScanRelation` opened for them.
fn scan_relation(image: &Image) -> Finding {
    let opened = exported(image, "ExecOpenScanRelation")?.address;
    let source = |symbol| {
        let trace = follow(image, symbol)?;
        let values = trace.stores().filter_map(|(at, address, size, value)| {
            let kept = size == 8 && value.is_result_of(opened);
            let (node, offset) = address.as_pointer()?;
            (kept && matches!(node, Atom::Result { .. })).then_some((at, offset))
        });
        first(&trace, "stores what ExecOpenScanRelation returned", values)
    };
    agreed(source("ExecInitSeqScan"), source("ExecInitIndexScan"))
}

/// A plan node keeps its plan, the first argument of what makes it.
fn node_plan(image: &Image) -> Finding {
    let source = |symbol| {
        let trace = follow(image, symbol)?;
        let values = trace.stores().filter_map(|(at, address, size, value)| {
            let kept = size == 8 && value.argument_offset(0) == Some(0);
            let (node, offset) = address.as_pointer()?;
            (kept && matches!(node, Atom::Result { .. })).then_some((at, offset))
        });
        first(&trace, "stores its plan", values)
    };
    agreed(source("ExecInitSeqScan"), source("ExecInitIndexScan"))
}

/// The place of the relation that a scan's plan names is handed to `ExecOpenScanRelation`.
fn scan_place(image: &Image) -> Finding {
    let opened = exported(image, "ExecOpenScanRelation")?.address;
    let source = |symbol| {
        let trace = follow(image, symbol)?;
        let values = trace
            .calls_of(opened)
            .filter_map(|(at, arguments)| Some((at, arguments[1].loaded_from_argument(0, 4)?)));
        first(&trace, "argument of ExecOpenScanRelation", values)
    };
    agreed(source("ExecInitSeqScan"), source("ExecInitBitmapHeapScan"))
}

/// `ExecGetRangeTableRelation` keeps what it opened in an array of the execution's state.
fn state_relations(image: &Image) -> Finding {
    let trace = follow(image, "ExecGetRangeTableRelation")?;
    let open = exported(image, "table_open")?.address;
    let values = trace.stores().filter_map(|(at, address, size, value)| {
        let opened = size == 8 && value.is_result_of(open);
        let mut terms = address.terms.iter().filter(|_| opened);
        terms.find_map(|(atom, times)| match atom {
            Atom::Memory {
                address, size: 8, ..
            } if *times == 1 => Some((at, address.argument_offset(0)?)),
            _ => None,
        })
    });
    first(&trace, "stores what table_open returned", values)
}

/// `IsCatalogRelation` compares the relation's OID.
fn relation_oid(image: &Image) -> Finding {
    let trace = follow(image, "IsCatalogRelation")?;
    let values = trace.loads().filter_map(|(at, address, size)| {
        Some((at, address.argument_offset(0).filter(|_| size == 4)?))
    });
    first(&trace, "reads the OID", values)
}

/// Which part of `relation[holder][member]` is asked for.
#[derive(Clone, Copy)]
enum Part {
    Holder,
    Member,
}

/// `IsToastRelation` reads the schema's OID out of the relation's row of pg_class.
fn relation_class(image: &Image, part: Part) -> Finding {
    let trace = follow(image, "IsToastRelation")?;
    let values = trace.loads().filter_map(|(at, address, size)| {
        let (holder, member) = address.as_pointee().filter(|_| size == 4)?;
        let holder = holder.argument_offset(0)?;
        Some((
            at,
            match part {
                Part::Holder => holder,
                Part::Member => member,
            },
        ))
    });
    first(&trace, "reads the schema's OID", values)
}

/// `relname` is the column before `relnamespace` (pg_class.h), and 64 bytes long.
fn class_name(image: &Image) -> Finding {
    const NAME_LEN: u64 = 64;
    let schema = relation_class(image, Part::Member)?;
    match schema.value.checked_sub(NAME_LEN) {
        Some(value) => Ok(Found {
            value,
            how: format!("{}; the name is the column before it", schema.how),
        }),
        None => Err(format!("{} leaves no room for a name", schema.how)),
    }
}

/// Since 13 a list is an array behind `elements`, before it was a chain behind `head`; either way
/// functions that search one read the first cell's datum through that pointer.
fn list_elements(image: &Image) -> Finding {
    let source = |symbol| {
        let trace = follow(image, symbol)?;
        let values = trace.loads().filter_map(|(at, address, _)| {
            let mut bases = address.terms.iter().filter(|(_, times)| *times == 1);
            bases.find_map(|(atom, _)| match atom {
                Atom::Memory {
                    address, size: 8, ..
                } => Some((at, address.argument_offset(0)?)),
                _ => None,
            })
        });
        first(&trace, "reads a cell through it", values)
    };
    agreed(source("list_member_ptr"), source("list_member_int"))
}

/// `pg_plan_queries` makes a `PlannedStmt` for a utility statement and copies the location and
/// length from the `Query`: two `int`s side by side in both, which end the `PlannedStmt`.
fn statement_location(image: &Image) -> Finding {
    let trace = follow(image, "pg_plan_queries")?;
    let start = exported(image, "pg_plan_queries")?.address;
    let copies: Vec<_> = trace
        .stores()
        .filter_map(|(at, address, size, value)| {
            let (Atom::Result { at: made, .. }, to) = address.as_pointer()? else {
                return None;
            };
            let (from, own) = value.as_memory()?;
            (own == size).then_some((
                at,
                Copy {
                    made: *made,
                    to,
                    from,
                    size,
                },
            ))
        })
        .collect();
    let pair = copies.iter().find(|(_, copy)| {
        let end = copy.to.wrapping_add(8);
        let whole = match copy.size {
            8 => true,
            4 => copies.iter().any(|(_, other)| copy.is_followed_by(other)),
            _ => false,
        };
        whole && made_sizes(&trace, start, copy.made).any(|size| size == end)
    });
    match pair {
        Some((at, copy)) => found(&trace, *at, "last eight bytes that it copies", copy.to),
        None => Err("pg_plan_queries copies no two members that end the struct it makes".into()),
    }
}

/// A store into a struct that the call at `made` returned, of bytes loaded from elsewhere.
struct Copy<'a> {
    made: u64,
    to: i64,
    from: &'a Value,
    size: u8,
}

impl Copy<'_> {
    fn is_followed_by(&self, other: &Self) -> bool {
        let behind = self.from.plus(&Value::constant(i64::from(self.size)));
        (
            self.made,
            self.size,
            self.to.wrapping_add(i64::from(self.size)),
        ) == (other.made, other.size, other.to)
            && behind.as_ref() == Some(other.from)
    }
}

/// Constants among the first two arguments of the call at `made`: the size of what it allocates.
fn made_sizes(trace: &Trace, start: u64, made: u64) -> impl Iterator<Item = i64> {
    trace
        .calls()
        .filter(move |(at, _)| start.wrapping_add(*at) == made)
        .flat_map(|(_, call)| call.arguments.iter().take(2).filter_map(Value::as_constant))
}
