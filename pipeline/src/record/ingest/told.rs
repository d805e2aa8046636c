//! Notices that others have left beside the recorder become rows.

use super::Ingest;

impl Ingest {
    /// Takes those that are new; each goes in the transaction of its row.
    pub(super) fn take_notices(&mut self, now_us: i64) {
        let waiting = match self.store.notices() {
            Ok(waiting) => waiting,
            // They stay, and so does whatever is wrong with the store, for the next batch to meet.
            Err(error) => {
                tracing::warn!(%error, "cannot read the notices");
                return;
            }
        };
        for notice in waiting {
            if self.told.contains(&notice.id) {
                continue;
            }
            self.told.push(notice.id);
            let seq = self.assembler.take_seq();
            self.events.push(notice.event(seq));
            self.pending.rows = self.events.len();
            self.pending.note(now_us);
        }
    }
}
