//! Ends of threads, sessions and servers.

use capture_common::{ids::engine, record::Header};

use super::{Assembler, Rows, Thread, key, row};
use crate::flow::{Dialect, Event, Kind, Status};

/// Why a session ended that nobody ended.
const SERVER_ENDED: &str = "the server's process ended";

impl Assembler {
    /// The thread of a record is gone.
    pub(super) fn thread_ended(&mut self, header: &Header, out: &mut Vec<Event>) {
        let id = header.pid_tgid;
        let Some(mut thread) = self.threads.remove(&id) else {
            return;
        };
        self.rows.close(&mut thread, out);
        // A backend ends with its session, however it ends; threads of the others may not.
        if self.rows.engine(header) == Some(engine::POSTGRES) {
            let time_us = self.rows.clock.wall_us(header.time_ns);
            self.rows.disconnected(&mut thread, time_us, None, out);
        } else if thread.established {
            thread.left = Some(*header);
            thread.changed = true;
            self.left.insert(key(header), id);
            self.threads.insert(id, thread);
            return;
        }
        self.rows.prepared.forget(key(header));
        self.gone.push(id);
    }

    /// The processes for which `ended` holds are no more, nor are the sessions that they served (MariaDB,
    /// MySQL; a PostgreSQL backend is told of by itself). What they were doing was not seen to end.
    pub fn ended(&mut self, ended: impl Fn(u64) -> bool, now_us: i64, out: &mut Vec<Event>) {
        let mut over: Vec<(u64, Thread)> = self
            .threads
            .extract_if(|id, thread| ended(*id >> 32) && serves_others(thread))
            .collect();
        over.sort_unstable_by_key(|(id, _)| *id);
        for (id, mut thread) in over {
            self.rows.close(&mut thread, out);
            let time_us = match thread.left.take() {
                Some(header) => {
                    self.left.remove(&key(&header));
                    self.rows.prepared.forget(key(&header));
                    self.rows.clock.wall_us(header.time_ns)
                }
                None => now_us,
            };
            self.rows
                .disconnected(&mut thread, time_us, Some(SERVER_ENDED), out);
            self.gone.push(id);
        }
    }
}

/// Whether the thread is of a server whose threads are not processes of their own.
fn serves_others(thread: &Thread) -> bool {
    let facts = thread.facts.as_ref();
    facts.is_some_and(|facts| facts.dialect == Dialect::Mysql)
}

impl Rows {
    /// A row for the end of a session that was established; its duration is the session's, where the
    /// login was seen.
    pub(super) fn disconnected(
        &mut self,
        thread: &mut Thread,
        time_us: i64,
        why: Option<&str>,
        out: &mut Vec<Event>,
    ) {
        if !std::mem::take(&mut thread.established) {
            return;
        }
        thread.message = None;
        let facts = thread.facts.as_ref();
        let mut event = self.event(facts, time_us, Kind::Disconnect, "disconnect");
        let connected = thread.connected_us.take();
        event.duration_us = connected.and_then(|connected| row::duration(connected, time_us));
        if let Some(why) = why {
            event.status = Status::Error;
            event.error_message = Some(why.to_owned());
        }
        self.push(thread, event, out);
    }
}
