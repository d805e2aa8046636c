//! The engines' own names of commands.

/// `COM_QUERY`: the only command whose text can have several statements.
const COM_QUERY: u32 = 3;
/// `COM_STMT_PREPARE`: no statement ran.
pub(super) const COM_STMT_PREPARE: u32 = 22;

/// `COM_STMT_BULK_EXECUTE` (MariaDB): each row of values may end for itself.
pub(super) const COM_STMT_BULK_EXECUTE: u32 = 250;

/// Name of a MariaDB or MySQL command (`enum enum_server_command`, include/my_command.h and
/// sql/mysql_com.h).
pub(super) fn mysql(number: u32) -> &'static str {
    match number {
        0 => "COM_SLEEP",
        1 => "COM_QUIT",
        2 => "COM_INIT_DB",
        COM_QUERY => "COM_QUERY",
        4 => "COM_FIELD_LIST",
        5 => "COM_CREATE_DB",
        6 => "COM_DROP_DB",
        7 => "COM_REFRESH",
        8 => "COM_SHUTDOWN",
        9 => "COM_STATISTICS",
        10 => "COM_PROCESS_INFO",
        11 => "COM_CONNECT",
        12 => "COM_PROCESS_KILL",
        13 => "COM_DEBUG",
        14 => "COM_PING",
        17 => "COM_CHANGE_USER",
        18 => "COM_BINLOG_DUMP",
        19 => "COM_TABLE_DUMP",
        20 => "COM_CONNECT_OUT",
        21 => "COM_REGISTER_SLAVE",
        COM_STMT_PREPARE => "COM_STMT_PREPARE",
        23 => "COM_STMT_EXECUTE",
        24 => "COM_STMT_SEND_LONG_DATA",
        25 => "COM_STMT_CLOSE",
        26 => "COM_STMT_RESET",
        27 => "COM_SET_OPTION",
        28 => "COM_STMT_FETCH",
        29 => "COM_DAEMON",
        30 => "COM_BINLOG_DUMP_GTID",
        31 => "COM_RESET_CONNECTION",
        COM_STMT_BULK_EXECUTE => "COM_STMT_BULK_EXECUTE",
        _ => "COM_UNKNOWN",
    }
}

/// Whether the command runs SQL, whose end the server reports; of the others only an error is.
pub(super) fn reports_end(number: u32) -> bool {
    matches!(number, COM_QUERY | 23 | COM_STMT_BULK_EXECUTE)
}

/// Whether the command executes a prepared statement.
pub(super) fn executes(number: u32) -> bool {
    matches!(number, 23 | COM_STMT_BULK_EXECUTE)
}

/// Whether a session has no prepared statements behind the command: `COM_CHANGE_USER` and
/// `COM_RESET_CONNECTION`.
pub(super) fn ends_prepared(number: u32) -> bool {
    matches!(number, 17 | 31)
}

/// Whether the command ends once: not those with several statements, or several rows of values.
pub(super) fn has_one_end(number: u32) -> bool {
    !has_pieces(number) && number != COM_STMT_BULK_EXECUTE
}

/// Whether each statement in the command's text ends for itself.
pub(super) fn has_pieces(number: u32) -> bool {
    number == COM_QUERY
}

/// Name of PostgreSQL's way to run a statement, by its `CommandDest` (tcop/dest.h: 2 `DestRemote`,
/// 3 `DestRemoteExecute`). A statement that failed before it ran has none.
pub(super) fn postgres(source: u32) -> &'static str {
    match source {
        2 => "simple",
        3 => "execute",
        _ => "message",
    }
}
