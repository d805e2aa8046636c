//! Which functions of a server are probed, and at which byte.
//!
//! Takes an image and its engine, gives each hook's address behind any `endbr64`.
//! It must never place a probe where the kernel would have to guess: only at whole instructions.

use capture_common::ids::{feature, hook};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::trace::decode;
use super::{Engine, ResolveError};
use crate::elf::{Image, Symbol};

/// A function to probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its index in [`capture_common::target::Target::hook_address`].
    pub id: usize,
    /// What it is, in the words of the engine's source.
    pub name: &'static str,
    /// The symbol that this binary exports for it.
    pub symbol: String,
    /// `st_value` of the symbol.
    pub vaddr: u64,
    /// Where the probe goes: behind `endbr64`, if there is one.
    pub attach_vaddr: u64,
    /// The same place in the file.
    pub file_offset: u64,
    /// The instruction there, such as `push rbp`.
    pub first_instruction: String,
    /// Whether the kernel emulates that instruction; others are single-stepped, ten times slower.
    pub cheap: bool,
    /// Whether nothing can be recorded without it.
    pub required: bool,
    /// What it is probed for, a bit of [`capture_common::ids::feature`]; 0 when always.
    pub feature: u32,
    /// Size of the function in bytes, 0 when the symbol does not say.
    pub size: u64,
    /// Addresses of direct calls and jumps to it.
    pub call_sites: Vec<u64>,
    /// Pointers to it in tables, through which it is called as a virtual function.
    pub pointers: usize,
}

impl Hook {
    /// Whether nothing seems to call it: the compiler may have copied it into its callers, where no
    /// probe sees it.
    #[must_use]
    pub fn looks_inlined(&self) -> bool {
        self.call_sites.is_empty() && self.pointers == 0
    }
}

/// How a hook is found.
struct Wanted {
    id: usize,
    name: &'static str,
    /// A whole symbol, or with `*` at its end the beginning of one.
    symbols: &'static [&'static str],
    required: bool,
    /// What it is for; 0 when always probed.
    feature: u32,
}

const POSTGRES: [Wanted; 15] = [
    Wanted {
        id: hook::PG_PORTAL_RUN,
        name: "PortalRun",
        symbols: &["PortalRun"],
        required: true,
        feature: 0,
    },
    Wanted {
        id: hook::PG_END_COMMAND,
        name: "EndCommand",
        symbols: &["EndCommand"],
        required: true,
        feature: 0,
    },
    Wanted {
        id: hook::PG_EMIT_ERROR,
        name: "EmitErrorReport",
        symbols: &["EmitErrorReport"],
        required: true,
        feature: 0,
    },
    Wanted {
        id: hook::PG_NULL_COMMAND,
        name: "NullCommand",
        symbols: &["NullCommand"],
        required: false,
        feature: 0,
    },
    Wanted {
        id: hook::PG_CONNECT,
        name: "BeginReportingGUCOptions",
        symbols: &["BeginReportingGUCOptions"],
        required: false,
        feature: 0,
    },
    Wanted {
        id: hook::PG_APPLICATION,
        name: "pgstat_report_appname",
        symbols: &["pgstat_report_appname"],
        required: false,
        feature: 0,
    },
    Wanted {
        id: hook::PG_SCAN,
        name: "ExecInitScanTupleSlot",
        symbols: &["ExecInitScanTupleSlot"],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::PG_RESULT,
        name: "InitResultRelInfo",
        symbols: &["InitResultRelInfo"],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::PG_INSERT,
        name: "pgstat_count_heap_insert",
        symbols: &["pgstat_count_heap_insert"],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::PG_UPDATE,
        name: "pgstat_count_heap_update",
        symbols: &["pgstat_count_heap_update"],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::PG_DELETE,
        name: "pgstat_count_heap_delete",
        symbols: &["pgstat_count_heap_delete"],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::PG_COPY_TO,
        name: "BeginCopyTo",
        symbols: &["BeginCopyTo"],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::PG_SCHEMA,
        name: "get_namespace_oid",
        symbols: &["get_namespace_oid"],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::PG_SCHEMA_CREATE,
        name: "NamespaceCreate",
        symbols: &["NamespaceCreate"],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::PG_SCHEMA_RENAME,
        name: "RenameSchema",
        symbols: &["RenameSchema"],
        required: false,
        feature: feature::OBJECTS,
    },
];

/// `dispatch_command` of MariaDB: the arguments behind the packet's length differ by version.
pub(super) const MARIADB_DISPATCH: &str = "_Z16dispatch_command19enum_server_commandP3THDPcj*";
/// `dispatch_command` of MySQL 5.7 and later.
pub(super) const MYSQL_DISPATCH: &str = "_Z16dispatch_commandP3THDPK8COM_DATA19enum_server_command";

const MYSQL_BOTH: [Wanted; 10] = [
    Wanted {
        id: hook::MY_DISPATCH,
        name: "dispatch_command",
        symbols: &[MARIADB_DISPATCH, MYSQL_DISPATCH],
        required: true,
        feature: 0,
    },
    Wanted {
        id: hook::MY_STATEMENT_END,
        name: "log_slow_statement",
        symbols: &["_Z18log_slow_statementP3THD"],
        required: true,
        feature: 0,
    },
    Wanted {
        id: hook::MY_SEND_ERROR,
        name: "send error",
        symbols: &[
            "_ZN8Protocol21net_send_error_packetEP3THDjPKcS3_",
            "_ZN16Protocol_classic10send_errorEjPKcS1_",
        ],
        required: false,
        feature: 0,
    },
    Wanted {
        id: hook::MY_DISCONNECT,
        name: "end_connection",
        symbols: &["_Z14end_connectionP3THD"],
        required: false,
        feature: 0,
    },
    Wanted {
        id: hook::MY_PREPARED,
        name: "statement prepared",
        symbols: &[
            "_ZN13Statement_map6insertEP3THDP9Statement",
            "_ZN22Prepared_statement_map6insertEP18Prepared_statement",
        ],
        required: false,
        feature: 0,
    },
    Wanted {
        id: hook::MY_LOCK_TABLES,
        name: "mysql_lock_tables",
        symbols: &[
            "_Z17mysql_lock_tablesP3THDPP5TABLEjj",
            "_Z17mysql_lock_tablesP3THDPP5TABLEmj",
        ],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::MY_WRITE_ROW,
        name: "ha_write_row",
        symbols: &[
            "_ZN7handler12ha_write_rowEPKh",
            "_ZN7handler12ha_write_rowEPh",
        ],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::MY_UPDATE_ROW,
        name: "ha_update_row",
        symbols: &[
            "_ZN7handler13ha_update_rowEPKhS1_",
            "_ZN7handler13ha_update_rowEPKhPh",
        ],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::MY_DELETE_ROW,
        name: "ha_delete_row",
        symbols: &["_ZN7handler13ha_delete_rowEPKh"],
        required: false,
        feature: feature::OBJECTS,
    },
    Wanted {
        id: hook::MY_SUB,
        name: "mysql_execute_command",
        symbols: &[
            "_Z21mysql_execute_commandP3THDb",
            "_Z21mysql_execute_commandP3THD",
        ],
        required: false,
        feature: feature::SUB_STATEMENTS,
    },
];

/// Hooks of MariaDB alone.
const MARIADB: [Wanted; 1] = [Wanted {
    id: hook::MY_CONNECT,
    name: "connect",
    symbols: &["_Z28prepare_new_connection_stateP3THD"],
    required: false,
    feature: 0,
}];

/// `acl_authenticate` of MySQL 8 and later, and of 5.7.
const MYSQL_LOGIN: [&str; 2] = [
    "_Z16acl_authenticateP3THD19enum_server_command",
    "_Z16acl_authenticateP3THDj",
];

/// Hooks of MySQL alone.
const MYSQL: [Wanted; 1] = [Wanted {
    id: hook::MY_LOGIN,
    name: "acl_authenticate",
    symbols: &MYSQL_LOGIN,
    required: false,
    feature: 0,
}];

/// The exported function that `pattern` names; `*` at its end stands for anything.
pub(super) fn find<'a>(image: &'a Image, pattern: &'a str) -> Option<(&'a str, Symbol)> {
    match pattern.strip_suffix('*') {
        Some(prefix) => image.functions_with_prefix(prefix).into_iter().next(),
        None => image
            .symbol(pattern)
            .filter(|s| s.function)
            .map(|symbol| (pattern, symbol)),
    }
}

/// Finds every hook of `engine` that the image exports, and names those that it does not.
///
/// # Errors
/// When one without which nothing can be recorded is missing.
pub(super) fn hooks(
    image: &Image,
    engine: Engine,
) -> Result<(Vec<Hook>, Vec<&'static str>), ResolveError> {
    let (wanted, own): (&[Wanted], &[Wanted]) = match engine {
        Engine::Postgres => (&POSTGRES, &[]),
        Engine::MariaDb => (&MYSQL_BOTH, &MARIADB),
        Engine::MySql => (&MYSQL_BOTH, &MYSQL),
    };
    let (mut hooks, mut missing) = (Vec::with_capacity(wanted.len()), Vec::new());
    for want in wanted.iter().chain(own) {
        let found = want.symbols.iter().find_map(|pattern| find(image, pattern));
        match found.and_then(|(symbol, at)| place(image, want, symbol, at)) {
            Some(hook) => hooks.push(hook),
            None if want.required => {
                return Err(ResolveError::MissingHook {
                    engine,
                    name: want.name,
                });
            }
            None => missing.push(want.name),
        }
    }
    let addresses: Vec<u64> = hooks.iter().map(|hook| hook.vaddr).collect();
    for (hook, sites) in hooks.iter_mut().zip(image.call_sites(&addresses)) {
        hook.call_sites = sites;
    }
    Ok((hooks, missing))
}

/// Whether the instruction does nothing but fill a register in which no hooked function takes an
/// argument that is looked at: a probe behind it sees the same.
fn is_apart(instruction: &Instruction) -> bool {
    let to = instruction.op0_register().full_register();
    let free = [Register::RAX, Register::R9, Register::R10, Register::R11];
    instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_kind() == OpKind::Register
        && instruction.op1_kind() != OpKind::Memory
        && free.contains(&to)
}

fn place(image: &Image, want: &Wanted, symbol: &str, at: Symbol) -> Option<Hook> {
    let mut first = decode(image, at.address)?;
    if first.mnemonic() == Mnemonic::Endbr64 {
        first = decode(image, first.next_ip())?;
    }
    if let Some(next) = decode(image, first.next_ip()).filter(|_| is_apart(&first))
        && next.mnemonic() == Mnemonic::Push
    {
        first = next;
    }
    Some(Hook {
        id: want.id,
        name: want.name,
        symbol: symbol.to_owned(),
        vaddr: at.address,
        attach_vaddr: first.ip(),
        file_offset: image.file_offset(first.ip())?,
        first_instruction: describe(&first),
        cheap: matches!(first.mnemonic(), Mnemonic::Push | Mnemonic::Nop),
        required: want.required,
        feature: want.feature,
        size: at.size,
        call_sites: Vec::new(),
        pointers: image.pointers_to(at.address),
    })
}

/// Mnemonic and, where it is a register, first operand.
fn describe(instruction: &Instruction) -> String {
    let mut text = format!("{:?}", instruction.mnemonic());
    if instruction.op_count() > 0 && instruction.op0_kind() == OpKind::Register {
        text.push_str(&format!(" {:?}", instruction.op0_register()));
    }
    text.make_ascii_lowercase();
    text
}
