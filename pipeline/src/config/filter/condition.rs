//! What conditions compare with: each is parsed as the file is read.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;

use crate::{dedup::Class, flow::Status};

/// `db_system_name`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemName(&'static str);

impl SystemName {
    pub(super) fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for SystemName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const NAMES: [&str; 3] = ["postgresql", "mariadb", "mysql"];
        one_of(text, &NAMES).map(Self)
    }
}

impl fmt::Display for SystemName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// `class`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassName(pub(super) Class);

impl FromStr for ClassName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Class::ALL.map(Class::as_str);
        let name = one_of(&text.to_ascii_uppercase(), &names)?;
        Class::parse(name)
            .map(Self)
            .ok_or_else(|| unknown(text, &names))
    }
}

impl fmt::Display for ClassName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// `status`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusName(pub(super) Status);

impl FromStr for StatusName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const ALL: [Status; 4] = [Status::Ok, Status::Error, Status::Running, Status::Unknown];
        let found = ALL.into_iter().find(|status| status.as_str() == text);
        found
            .map(Self)
            .ok_or_else(|| unknown(text, &ALL.map(Status::as_str)))
    }
}

impl fmt::Display for StatusName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}

/// `client_address`: an address, a network, or `local`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Local,
    /// All addresses of a network; one address is a network of one.
    Network(IpNet),
}

/// As a row says that the client came through a unix socket.
const LOCAL: &str = "local";

impl Address {
    /// Whether a row's address is meant. An IPv4 address may be written as IPv6.
    pub(super) fn holds(&self, address: &str) -> bool {
        match self {
            Self::Local => address == LOCAL,
            Self::Network(network) => address
                .parse::<IpAddr>()
                .is_ok_and(|address| network.contains(&address.to_canonical())),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == LOCAL {
            return Ok(Self::Local);
        }
        let address = text.parse::<IpAddr>();
        address
            .map(|address| IpNet::from(address.to_canonical()))
            .or_else(|_| text.parse())
            .map(Self::Network)
            .map_err(|_| {
                format!("{text:?} is no address, no network such as 10.0.0.0/8, and not `local`")
            })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => formatter.write_str(LOCAL),
            Self::Network(network) => network.fmt(formatter),
        }
    }
}

/// `object`: a pattern of a table's name with its schema.
#[derive(Debug, Clone)]
pub struct Glob(globset::GlobMatcher);

impl Glob {
    pub(super) fn holds(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

impl FromStr for Glob {
    type Err = globset::Error;

    fn from_str(text: &str) -> Result<Self, globset::Error> {
        let glob = globset::Glob::new(text)?;
        Ok(Self(glob.compile_matcher()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.glob().glob())
    }
}

fn one_of(text: &str, names: &[&'static str]) -> Result<&'static str, String> {
    let found = names.iter().find(|name| **name == text);
    found.copied().ok_or_else(|| unknown(text, names))
}

fn unknown(text: &str, names: &[&str]) -> String {
    format!("{text:?} is none of {}", names.join(", "))
}
