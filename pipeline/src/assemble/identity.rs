//! Who is connected: a `SESSION` record as facts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use capture_common::record::{Header, NAMES, Session as SessionRecord};

use super::{Target, postgres};
use crate::flow::{Dialect, Session};

/// `client_address` of a client on a unix socket.
const LOCAL: &str = "local";

/// Address families of `struct sockaddr` (Linux, bits/socket.h).
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// The facts of a session; none when its server is not known.
pub(super) fn facts(
    target: Option<&Target>,
    host_name: &str,
    record: &SessionRecord,
    names: &[Option<&[u8]>; NAMES],
) -> Option<Session> {
    let mut facts = server(target, host_name, &record.header)?;
    let [user, database, application, host, address] = names.map(|name| {
        name.filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
    });
    facts.db_user = user;
    facts.db_namespace = database;
    facts.application_name = application;
    (facts.client_address, facts.client_port) = match facts.dialect {
        Dialect::Postgres => sockaddr(&record.remote),
        Dialect::Mysql => {
            // An address is only kept for TCP; a host without one came through the unix socket.
            let address = address.or_else(|| host.map(|_| LOCAL.to_owned()));
            let port = (record.peer_port != 0).then_some(i64::from(record.peer_port));
            (address, port)
        }
    };
    Some(facts)
}

/// What is known of a session without its own record: server and process.
pub(super) fn server(target: Option<&Target>, host_name: &str, header: &Header) -> Option<Session> {
    let target = target?;
    let pid = header.pid_tgid >> 32;
    let session_id = match target.dialect() {
        Dialect::Postgres => postgres::session_id(header.session, pid),
        Dialect::Mysql => header.session.to_string(),
    };
    Some(Session {
        db_system_name: target.system_name().to_owned(),
        server_version: target.version.clone(),
        host_name: host_name.to_owned(),
        server_pid: i64::try_from(pid).unwrap_or(i64::MAX),
        session_id,
        db_user: None,
        db_namespace: None,
        client_address: None,
        client_port: None,
        application_name: None,
        dialect: target.dialect(),
    })
}

/// Address and port of a `struct sockaddr`.
fn sockaddr(bytes: &[u8; 32]) -> (Option<String>, Option<i64>) {
    let port = i64::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    match u16::from_ne_bytes([bytes[0], bytes[1]]) {
        AF_UNIX => (Some(LOCAL.to_owned()), None),
        AF_INET => {
            let [.., a, b, c, d] = *bytes.first_chunk::<8>().unwrap_or(&[0; 8]);
            (Some(Ipv4Addr::new(a, b, c, d).to_string()), Some(port))
        }
        AF_INET6 => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&bytes[8..24]);
            (
                Some(IpAddr::V6(Ipv6Addr::from(octets)).to_string()),
                Some(port),
            )
        }
        _ => (None, None),
    }
}
