//! Servers that are no more: their sessions end when all that they did is read.

use std::collections::HashSet;

use super::Ingest;

/// Which server processes are no more.
#[derive(Debug)]
pub(super) enum Gone {
    /// This one, and what it was.
    Process(i32, String),
    /// All but these.
    Others(Vec<i32>),
}

impl Ingest {
    /// Ends the sessions of servers that are no more, once all that they did is read.
    pub(super) fn servers_ended(&mut self, now_us: i64) {
        let position = self.ring.position();
        let (over, waiting) = std::mem::take(&mut self.ended)
            .into_iter()
            .partition(|(until, _)| *until <= position);
        self.ended = waiting;
        for (_, gone) in over {
            let rows = self.events.len();
            match gone {
                Gone::Process(pid, detail) => {
                    let ended = |process| process == u64::from(pid.unsigned_abs());
                    self.assembler.ended(ended, now_us, &mut self.events);
                    self.lifecycle("server_stop", detail, now_us);
                }
                Gone::Others(pids) => {
                    let runs: HashSet<u64> = pids
                        .iter()
                        .map(|pid| u64::from(pid.unsigned_abs()))
                        .collect();
                    let ended = |process| !runs.contains(&process);
                    self.assembler.ended(ended, now_us, &mut self.events);
                }
            }
            self.pending.rows = self.events.len();
            if self.events.len() > rows {
                self.pending.note(now_us);
            }
        }
    }
}
