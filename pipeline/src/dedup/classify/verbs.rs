//! The words that begin a statement, and the class that they mean.
//!
//! Gives class and operation of the statements that need no further reading.

use super::Class;

/// Operations of one word.
const SINGLE: &[(Class, &str)] = &[
    (Class::Read, "DECLARE HANDLER"),
    (Class::Write, "TRUNCATE"),
    (Class::Function, "CALL DO"),
    (Class::Role, "GRANT REVOKE"),
    (Class::Ddl, "COMMENT CLUSTER"),
    (
        Class::Misc,
        "ABORT BACKUP BASE_BACKUP BINLOG CACHE CHECK CHECKPOINT CHECKSUM CLONE CLOSE \
         COMMIT CREATE_REPLICATION_SLOT DEALLOCATE DISCARD DROP_REPLICATION_SLOT END \
         EXECUTE FETCH FLUSH GET HELP IDENTIFY_SYSTEM KILL LISTEN LOCK MOVE NOTIFY \
         OPTIMIZE PREPARE READ_REPLICATION_SLOT REINDEX RELEASE REPAIR RESIGNAL RESTART \
         ROLLBACK SAVEPOINT SHOW SHUTDOWN SIGNAL START_REPLICATION TIMELINE_HISTORY \
         UNLISTEN UNLOCK USE VACUUM XA",
    ),
];

/// Operations named by their first words; the longest that fits names it.
const PHRASES: &[(Class, &str)] = &[
    (Class::Function, "BEGIN NOT ATOMIC"),
    (Class::Misc, "BEGIN"),
    (Class::Misc, "CHANGE MASTER"),
    (Class::Misc, "CHANGE REPLICATION"),
    (Class::Misc, "CHANGE"),
    (Class::Ddl, "IMPORT FOREIGN SCHEMA"),
    (Class::Ddl, "IMPORT TABLE"),
    (Class::Ddl, "INSTALL COMPONENT"),
    (Class::Ddl, "INSTALL PLUGIN"),
    (Class::Ddl, "INSTALL SONAME"),
    (Class::Write, "LOAD DATA"),
    (Class::Write, "LOAD XML"),
    (Class::Misc, "LOAD"),
    (Class::Misc, "PURGE"),
    (Class::Ddl, "REASSIGN OWNED"),
    (Class::Ddl, "REFRESH MATERIALIZED VIEW"),
    (Class::Role, "RENAME USER"),
    (Class::Ddl, "RENAME TABLE"),
    (Class::Ddl, "RENAME TABLES"),
    (Class::MiscSet, "RESET ROLE"),
    (Class::MiscSet, "RESET SESSION AUTHORIZATION"),
    (Class::Misc, "RESET"),
    (Class::Ddl, "SECURITY LABEL"),
    (Class::Role, "SET DEFAULT ROLE"),
    (Class::Role, "SET PASSWORD"),
    (Class::MiscSet, "SET ROLE"),
    (Class::MiscSet, "SET SESSION AUTHORIZATION"),
    (Class::Misc, "SET"),
    (Class::Misc, "START TRANSACTION"),
    (Class::Misc, "START SLAVE"),
    (Class::Misc, "START REPLICA"),
    (Class::Misc, "START GROUP_REPLICATION"),
    (Class::Misc, "STOP SLAVE"),
    (Class::Misc, "STOP REPLICA"),
    (Class::Misc, "STOP GROUP_REPLICATION"),
    (Class::Ddl, "UNINSTALL COMPONENT"),
    (Class::Ddl, "UNINSTALL PLUGIN"),
    (Class::Ddl, "UNINSTALL SONAME"),
];

/// What a statement is that begins with `verb`, whatever follows.
pub(super) fn single(verb: &str) -> Option<(Class, &str)> {
    let (class, _) = SINGLE
        .iter()
        .find(|(_, verbs)| verbs.split(' ').any(|known| known == verb))?;
    Some((*class, verb))
}

/// What a statement is that begins with `words`.
pub(super) fn phrase(words: &[String]) -> Option<(Class, &'static str)> {
    PHRASES
        .iter()
        .filter(|(_, phrase)| begins(words, phrase))
        .max_by_key(|(_, phrase)| phrase.len())
        .copied()
}

/// Whether `words` begin with those of `phrase`.
pub(super) fn begins(words: &[String], phrase: &str) -> bool {
    let mut words = words.iter();
    phrase
        .split(' ')
        .all(|wanted| words.next().is_some_and(|word| word == wanted))
}
