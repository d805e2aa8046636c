//! Everything the probes must know about one server binary, out of the binary alone.
//!
//! Takes an image, gives addresses and offsets for the probes, and how each was found.
//! It needs exported symbols only and must never guess: what is not found is absent, with a reason.
//!
//! `trace` follows the paths through an exported function with symbolic values in place of numbers;
//! `postgres` and `mysql` then ask for what the function's source is known to do, such as "the
//! first argument of this call is a member of that argument", whatever registers a compiler chose.

mod finding;
mod hooks;
#[cfg(test)]
mod hostile;
mod machine;
mod mysql;
mod postgres;
#[cfg(test)]
pub(crate) mod sample;
mod step;
mod tags;
mod trace;
mod value;

use capture_common::ids::{engine, hook};
use capture_common::target::{ABSENT, MysqlLayout, NO_ADDRESS, PostgresLayout, Target};

pub use self::finding::Field;
pub use self::hooks::Hook;
use crate::elf::Image;

/// The kinds of server that can be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// PostgreSQL 12 and later.
    Postgres,
    /// MariaDB 10.5 and later.
    MariaDb,
    /// MySQL with the `COM_DATA` form of `dispatch_command`.
    MySql,
}

impl Engine {
    /// Its number in [`Target::engine`].
    #[must_use]
    pub fn id(self) -> u32 {
        match self {
            Self::Postgres => engine::POSTGRES,
            Self::MariaDb => engine::MARIADB,
            Self::MySql => engine::MYSQL,
        }
    }

    /// Its name by the OpenTelemetry convention `db.system.name`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }
}

/// Why a binary cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It exports no function by which a server is known.
    #[error("not a PostgreSQL, MariaDB or MySQL server that exports its symbols")]
    NotAServer,
    /// It is a server, but a function to probe is not exported.
    #[error("{} server does not export {name}", engine.name())]
    MissingHook {
        /// What kind of server it is.
        engine: Engine,
        /// The function.
        name: &'static str,
    },
    /// It is a server, but a fact without which nothing can be recorded was not found.
    #[error("cannot find {field} of the {} server: {why}", engine.name())]
    MissingField {
        /// What kind of server it is.
        engine: Engine,
        /// The field.
        field: &'static str,
        /// Why it was not found.
        why: String,
    },
}

/// What was found in one binary.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What kind of server it is.
    pub engine: Engine,
    /// Its version as its vendor writes it, such as `15.18`.
    pub version: Option<String>,
    /// For the `TARGETS` map; limits and features are 0, for the caller to fill in.
    pub target: Target,
    /// The functions to probe.
    pub hooks: Vec<Hook>,
    /// Names of functions that would be probed, but are not exported.
    pub hooks_missing: Vec<&'static str>,
    /// Every fact that was looked for.
    pub fields: Vec<Field>,
    /// PostgreSQL's command tags by number; empty before 13 and for other engines.
    pub tags: Vec<String>,
    /// Why the command tags are not known; empty where they are, or where there are none.
    pub tags_missing: String,
}

impl Resolved {
    /// Names of the facts that were not found.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let missing = self.fields.iter().filter(|field| field.value.is_none());
        missing.map(|field| field.name).collect()
    }
}

/// Tells the kind of server by the symbols it exports.
#[must_use]
pub fn engine_of(image: &Image) -> Option<Engine> {
    let exports = |pattern| hooks::find(image, pattern).is_some();
    if exports("PortalRun") && image.symbol("MyProcPort").is_some() {
        Some(Engine::Postgres)
    } else if exports(hooks::MARIADB_DISPATCH) {
        Some(Engine::MariaDb)
    } else if exports(hooks::MYSQL_DISPATCH) {
        Some(Engine::MySql)
    } else {
        None
    }
}

/// The version that a server binary states, such as `15.18` or `10.11.19-MariaDB`.
#[must_use]
pub fn version_of(image: &Image, engine: Engine) -> Option<String> {
    let (needle, prefix) = match engine {
        Engine::Postgres => ("postgres (PostgreSQL) ", "postgres (PostgreSQL) "),
        Engine::MariaDb => ("-MariaDB", ""),
        Engine::MySql => ("MySQL ", "MySQL "),
    };
    image.texts_with(needle).find_map(|text| {
        let version = text
            .trim()
            .strip_prefix(prefix)?
            .split_whitespace()
            .next()?;
        let numbered = version
            .split('.')
            .take(2)
            .all(|part| !part.is_empty() && part.starts_with(|first: char| first.is_ascii_digit()));
        (numbered && version.contains('.')).then(|| version.to_owned())
    })
}

/// Finds out everything the probes must know about a server binary.
///
/// # Errors
/// When it is no server, or lacks something without which nothing can be recorded.
pub fn resolve(image: &Image) -> Result<Resolved, ResolveError> {
    let engine = engine_of(image).ok_or(ResolveError::NotAServer)?;
    let version = version_of(image, engine);
    let (hooks, hooks_missing) = hooks::hooks(image, engine)?;
    let mut fields = finding::Fields::default();
    let mut target = Target {
        engine: engine.id(),
        text_max: 0,
        features: 0,
        parameter_max: 0,
        hook_address: [NO_ADDRESS; hook::MAX],
        postgres: NO_POSTGRES,
        mysql: NO_MYSQL,
    };
    for hook in &hooks {
        if let Some(address) = target.hook_address.get_mut(hook.id) {
            *address = hook.attach_vaddr;
        }
    }
    let mut tags = Ok(Vec::new());
    let required: &[&str] = match engine {
        Engine::Postgres => {
            let major = version
                .as_deref()
                .and_then(|version| version.split('.').next());
            let major = major.and_then(|major| major.parse().ok());
            target.postgres = postgres::layout(image, major, &mut fields);
            if target.postgres.end_command_completion == 1 {
                tags = tags::tags(image);
            }
            &["my_proc_port", "portal_text"]
        }
        Engine::MariaDb => {
            target.mysql = mysql::mariadb(image, &hooks, &mut fields);
            &["thd_query", "thd_thread_id", "thd_thread_id_size"]
        }
        Engine::MySql => {
            target.mysql = mysql::mysql(image, &hooks, &mut fields);
            &["thd_query", "thd_thread_id", "thd_thread_id_size"]
        }
    };
    let fields = fields.0;
    let mut missing = fields.iter().filter(|field| field.value.is_none());
    if let Some(field) = missing.find(|field| required.contains(&field.name)) {
        let (field, why) = (field.name, field.why_missing.clone());
        return Err(ResolveError::MissingField { engine, field, why });
    }
    let (tags, tags_missing) = match tags {
        Ok(tags) => (tags, String::new()),
        Err(why) => (Vec::new(), why),
    };
    Ok(Resolved {
        engine,
        version,
        target,
        hooks,
        hooks_missing,
        fields,
        tags,
        tags_missing,
    })
}

const NO_POSTGRES: PostgresLayout = PostgresLayout {
    my_proc_port: NO_ADDRESS,
    my_start_timestamp: NO_ADDRESS,
    application_name: NO_ADDRESS,
    debug_query_string: NO_ADDRESS,
    statement_start: NO_ADDRESS,
    errordata: NO_ADDRESS,
    errordata_depth: NO_ADDRESS,
    errordata_size: ABSENT,
    error_sqlstate: ABSENT,
    error_message: ABSENT,
    error_level: ABSENT,
    port_user: ABSENT,
    port_database: ABSENT,
    port_remote: ABSENT,
    postmaster_pid: NO_ADDRESS,
    my_database: NO_ADDRESS,
    portal_parameters: ABSENT,
    portal_query: ABSENT,
    query_state: ABSENT,
    parameter_count: ABSENT,
    scan_relation: ABSENT,
    node_plan: ABSENT,
    scan_place: ABSENT,
    state_relations: ABSENT,
    reserved: 0,
    relation_oid: ABSENT,
    relation_class: ABSENT,
    class_name: ABSENT,
    portal_text: ABSENT,
    portal_statements: ABSENT,
    list_elements: ABSENT,
    statement_location: ABSENT,
    end_command_completion: 0,
};

const NO_MYSQL: MysqlLayout = MysqlLayout {
    commands: [u64::MAX; 4],
    thd_query: ABSENT,
    thd_thread_id: ABSENT,
    thd_thread_id_size: ABSENT,
    thd_security: ABSENT,
    security_user: ABSENT,
    security_host: ABSENT,
    security_ip: ABSENT,
    thd_database: ABSENT,
    thd_diagnostics: ABSENT,
    diagnostics_status: ABSENT,
    status_error: ABSENT,
    status_ok: ABSENT,
    status_eof: ABSENT,
    diagnostics_errno: ABSENT,
    diagnostics_sqlstate: ABSENT,
    diagnostics_message: ABSENT,
    diagnostics_affected: ABSENT,
    thd_sent_rows: ABSENT,
    thd_peer_port: ABSENT,
    dispatch_size: ABSENT,
    statement_id: ABSENT,
    table_share: ABSENT,
    handler_share: ABSENT,
    share_key: ABSENT,
    table_lock: ABSENT,
    lock_reads: ABSENT,
};
