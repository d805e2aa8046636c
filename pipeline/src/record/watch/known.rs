//! Server binaries as they are noted in the trail, for whoever goes on with their probes.

use capture::{resolve::Resolved, servers::Server};
use serde::{Deserialize, Serialize};

use crate::{
    assemble::Target,
    store::{
        error::StoreError,
        standing::{KnownTarget, Targets},
    },
};

/// A server binary that has, or had, an index.
#[derive(Debug, Clone)]
pub(in crate::record) struct Known {
    /// Its index in the records.
    pub(in crate::record) index: u32,
    /// Device and inode.
    key: (u64, u64),
    /// What reading its records takes.
    pub(in crate::record) target: Target,
    file: Option<FileState>,
}

/// Size and time of its last change: other contents have other functions in other places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct FileState {
    bytes: u64,
    written: (i64, i64),
}

/// What is noted of it, in JSON.
#[derive(Serialize, Deserialize)]
struct Facts {
    #[serde(flatten)]
    target: Target,
    file: Option<FileState>,
}

impl Known {
    pub(super) fn new(index: u32, server: &Server, resolved: &Resolved) -> Self {
        Self {
            index,
            key: (server.device, server.inode),
            target: Target {
                engine: resolved.engine.id(),
                version: resolved.version.clone(),
                tags: resolved.tags.clone(),
            },
            file: Some(FileState {
                bytes: server.bytes,
                written: server.written,
            }),
        }
    }

    /// Whether it is the binary of that server, and was not written to since.
    pub(super) fn is(&self, server: &Server) -> bool {
        let state = FileState {
            bytes: server.bytes,
            written: server.written,
        };
        (self.key, self.file) == ((server.device, server.inode), Some(state))
    }

    /// Engine and file, as `lifecycle` rows name it.
    pub(super) fn description(&self) -> String {
        format!("{}, inode {}", self.target.system_name(), self.key.1)
    }

    pub(super) fn noted(&self) -> KnownTarget {
        let facts = Facts {
            target: self.target.clone(),
            file: self.file,
        };
        KnownTarget {
            index: self.index,
            key: self.key,
            // Strings and numbers alone always make JSON.
            facts: serde_json::to_string(&facts).unwrap_or_default(),
        }
    }
}

/// The server binaries of a ring; one that another version wrote down is left out.
pub(in crate::record) fn known(targets: &Targets) -> Result<Vec<Known>, StoreError> {
    let mut known = Vec::new();
    for target in targets.list()? {
        match serde_json::from_str::<Facts>(&target.facts) {
            Ok(facts) => known.push(Known {
                index: target.index,
                key: target.key,
                target: facts.target,
                file: facts.file,
            }),
            Err(error) => {
                tracing::error!(index = target.index, %error, "a server binary is not known any more");
            }
        }
    }
    Ok(known)
}
