//! Which statements are left out.
//!
//! Rules are tried in order, and the first that matches decides. What none matches is kept, unless
//! there is a rule that includes: then it is left out. A rule matches when all its conditions hold; a
//! condition on what a row does not say never does.
//!
//! Only statements can be left out. Sessions, refused logins, what changes a role or a session's user,
//! and the recorder's own rows stay whatever the rules say.

mod condition;
#[cfg(test)]
mod tests;

use std::fmt;

use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use self::condition::{Address, Glob, StatusName, SystemName};
use super::value::AnyOf;
use crate::{
    dedup::{Class, Classified, classify, next_statement, statement_end},
    flow::{Event, Kind},
};

/// What a rule does with the statements that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// They are recorded.
    Include,
    /// They are left out.
    Exclude,
}

/// One rule: its conditions are on the columns of these names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is the column of its name")]
pub struct Rule {
    pub action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_system_name: Option<AnyOf<SystemName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_user: Option<AnyOf<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_namespace: Option<AnyOf<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_address: Option<AnyOf<Address>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_name: Option<AnyOf<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_pid: Option<AnyOf<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<AnyOf<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<AnyOf<StatusName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<AnyOf<condition::ClassName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<AnyOf<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<AnyOf<Glob>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<AnyOf<Regex>>,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        // Expressions and patterns are told apart by their source alone.
        toml::Value::try_from(self).ok() == toml::Value::try_from(other).ok()
    }
}

/// All rules.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    rules: Vec<Rule>,
    keeps_by_default: bool,
}

/// Why a statement is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The rule with this number, from 1.
    Rule(usize),
    /// No rule matched, and some include.
    NoRule,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(number) => write!(formatter, "filter {number}"),
            Self::NoRule => formatter.write_str("no filter that includes"),
        }
    }
}

impl Filter {
    /// Of rules in their order.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        let keeps_by_default = rules.iter().all(|rule| rule.action == Action::Exclude);
        Self {
            rules,
            keeps_by_default,
        }
    }

    /// Why the row is to be left out; none when it is to be kept. Takes the text as the client sent it.
    #[must_use]
    pub fn excludes(&self, event: &Event) -> Option<Cause> {
        if self.rules.is_empty() || !matches!(event.kind, Kind::Query | Kind::RowChange) {
            return None;
        }
        let mut seen = Seen::new(event);
        let matching = self.rules.iter().position(|rule| rule.matches(&mut seen));
        let cause = match matching.and_then(|place| Some((place, self.rules.get(place)?))) {
            Some((_, rule)) if rule.action == Action::Include => return None,
            Some((place, _)) => Cause::Rule(place + 1),
            None if self.keeps_by_default => return None,
            None => Cause::NoRule,
        };
        (!changes_roles(event)).then_some(cause)
    }
}

/// Whether any statement of the row's text changes roles or whom the session acts as.
fn changes_roles(event: &Event) -> bool {
    /// MariaDB's and MySQL's command that does so without SQL.
    const CHANGE_USER: &str = "COM_CHANGE_USER";
    if event.command == CHANGE_USER {
        return true;
    }
    let Some(text) = &event.text else {
        return false;
    };
    let (text, dialect) = (&text.bytes, event.dialect());
    let mut from = 0;
    while let Some(start) = next_statement(text, dialect, from) {
        from = statement_end(text, dialect, start);
        let statement = String::from_utf8_lossy(&text[start..from]);
        if matches!(
            classify(&statement, dialect).class,
            Class::Role | Class::MiscSet
        ) {
            return true;
        }
    }
    false
}

/// A row, and what had to be worked out of it so far.
struct Seen<'e> {
    event: &'e Event,
    classified: Option<Classified>,
    objects: Option<Vec<String>>,
}

impl<'e> Seen<'e> {
    fn new(event: &'e Event) -> Self {
        Self {
            event,
            classified: None,
            objects: None,
        }
    }

    /// What the statement does; none without a text.
    fn classified(&mut self) -> Option<&Classified> {
        let text = self.event.text.as_ref()?;
        let dialect = self.event.dialect();
        Some(
            self.classified
                .get_or_insert_with(|| classify(&String::from_utf8_lossy(&text.bytes), dialect)),
        )
    }

    /// The touched tables' names.
    fn objects(&mut self) -> &[String] {
        let event = self.event;
        self.objects.get_or_insert_with(|| {
            let list = event.objects.as_deref().unwrap_or("[]");
            let list: Vec<serde_json::Value> = serde_json::from_str(list).unwrap_or_default();
            let name = |object: &serde_json::Value| Some(object.get("name")?.as_str()?.to_owned());
            list.iter().filter_map(name).collect()
        })
    }
}

impl Rule {
    /// Whether all conditions hold; the cheap ones are tried first.
    fn matches(&self, seen: &mut Seen<'_>) -> bool {
        let event = seen.event;
        let session = event.session.as_deref();
        let is = |wanted: &Option<AnyOf<String>>, value: Option<&str>| {
            holds(wanted.as_ref(), value, |wanted, value| wanted == value)
        };
        let of_session =
            |wanted: &Option<AnyOf<String>>,
             column: fn(&crate::flow::Session) -> &Option<String>| {
                is(
                    wanted,
                    session.and_then(|session| column(session).as_deref()),
                )
            };
        of_session(&self.db_user, |session| &session.db_user)
            && of_session(&self.db_namespace, |session| &session.db_namespace)
            && of_session(&self.application_name, |session| &session.application_name)
            && is(&self.command, Some(event.command))
            && holds(self.server_pid.as_ref(), session, |pid, session| {
                *pid == session.server_pid
            })
            && holds(self.db_system_name.as_ref(), session, |name, session| {
                name.as_str() == session.db_system_name
            })
            && holds(
                self.client_address.as_ref(),
                session.and_then(|session| session.client_address.as_deref()),
                Address::holds,
            )
            && holds(self.status.as_ref(), Some(&event.status), |status, is| {
                status.0 == *is
            })
            && (self.class.is_none()
                || holds(self.class.as_ref(), seen.classified(), |class, is| {
                    class.0 == is.class
                }))
            && (self.operation.is_none()
                || holds(self.operation.as_ref(), seen.classified(), |name, is| {
                    name.eq_ignore_ascii_case(&is.operation)
                }))
            && self.object.as_ref().is_none_or(|wanted| {
                let objects = seen.objects();
                wanted.any(|glob| objects.iter().any(|name| glob.holds(name)))
            })
            && holds(self.text.as_ref(), event.text.as_ref(), |regex, text| {
                regex.is_match(&text.bytes)
            })
    }
}

/// Whether a condition holds: there is none, or the row has the value and any of the wanted fits.
fn holds<T, V: ?Sized>(
    wanted: Option<&AnyOf<T>>,
    value: Option<&V>,
    fits: impl Fn(&T, &V) -> bool,
) -> bool {
    wanted.is_none_or(|wanted| value.is_some_and(|value| wanted.any(|one| fits(one, value))))
}
