//! How a recording begins: anew, or where another ended.
//!
//! Takes what is pinned and what the trail says about the last recording, gives a loaded kernel half and
//! what ingest starts from. It never gives up a record of the ring that can be read.

use std::{path::Path, sync::mpsc};

use capture::{
    attach::{Capture, CaptureError, object_id, reopen, unread},
    pins::{Fact, Pins},
    ring::{Ring, boot_id},
};

use super::{
    Notice, Options,
    ingest::{Ingest, Start},
    supervise::{RecordError, host_name, system},
    vault,
    watch::{known, processes},
};
use crate::{
    health::Health,
    store::{
        Store,
        standing::{Notes, Run, Targets},
    },
    time::now_us,
};

/// Reason of a loss: records of another version of sqltrail, which this one cannot read.
const OTHER_VERSION: &str = "other_version";

/// What is pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Pinned {
    ring_id: Option<String>,
    object: Option<String>,
    trail: Option<String>,
    key: Option<String>,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    /// There is nothing to go on with.
    Fresh,
    /// The probes are ours, and so is what they recorded.
    Adopt,
    /// What they recorded is read to its end, then other programs take their place.
    Drain,
    /// They belong to another trail.
    Refuse,
}

/// What is to become of `pinned`; `trail`, `boot` and `object` are ours.
fn plan(pinned: &Pinned, last: Option<&Run>, trail: &str, boot: &str, object: &str) -> Plan {
    let Pinned {
        ring_id: Some(ring_id),
        object: Some(theirs),
        trail: Some(owner),
        key: Some(_),
    } = pinned
    else {
        // Facts come before anything that records.
        return Plan::Fresh;
    };
    let read_to_its_end = last
        .is_some_and(|last| last.ring_id == *ring_id && last.stopped_us.is_some() && !last.kept);
    if owner != trail {
        Plan::Refuse
    } else if read_to_its_end || !ring_id.starts_with(boot) {
        Plan::Fresh
    } else if theirs != object {
        Plan::Drain
    } else {
        Plan::Adopt
    }
}

/// What recording goes on with.
pub(super) struct Resumed {
    pub(super) capture: Capture,
    pub(super) start: Start,
    pub(super) targets: Targets,
    /// What is to be put on record of the time before.
    pub(super) notices: Vec<Notice>,
}

/// Begins a recording.
pub(super) fn begin(
    mut store: Store,
    options: &Options,
    health: &Health,
) -> Result<Resumed, RecordError> {
    let pins = Pins::open(&options.pin_path).map_err(CaptureError::from)?;
    let boot = boot_id().map_err(system("read the boot id"))?;
    let host_name = host_name().map_err(system("read the host name"))?;
    let trail = store.trail_id()?;
    let last = store.last_run()?;
    let mut notices = Vec::new();
    foreign(&pins, &store, &mut notices)?;

    let pinned = look(&pins)?;
    for (from_us, to_us) in store.crashes(now_us())? {
        notices.push(Notice::Gap("crash", from_us, to_us));
    }
    let plan = plan(&pinned, last.as_ref(), &trail, &boot, object_id());
    let mut gap_from_us = last
        .as_ref()
        .map(|run| run.stopped_us.unwrap_or(run.alive_us));
    match plan {
        Plan::Refuse => {
            return Err(RecordError::OtherTrail {
                pin_path: pins.folder().to_owned(),
            });
        }
        Plan::Fresh | Plan::Adopt => {}
        Plan::Drain => {
            let before = std::mem::take(&mut notices);
            store = drain(
                store,
                &pins,
                pinned.clone(),
                options,
                &host_name,
                before,
                health,
            )?;
            gap_from_us = Some(now_us());
        }
    }
    let (ring_id, key) = match (plan, pinned) {
        (
            Plan::Adopt,
            Pinned {
                ring_id: Some(ring_id),
                key: Some(key),
                ..
            },
        ) => (ring_id, key),
        _ => {
            let ring_id = format!("{boot}/{}", now_us());
            let key = vault::new_key().map_err(super::ingest::IngestError::Vault)?;
            let facts = [
                (Fact::Ring, ring_id.as_str()),
                (Fact::Object, object_id()),
                (Fact::Trail, &trail),
                (Fact::Key, &key),
            ];
            pins.begin(&facts).map_err(CaptureError::from)?;
            if let Some(from_us) = gap_from_us {
                notices.push(Notice::Gap("not_recording", from_us, now_us()));
            }
            (ring_id, key)
        }
    };
    let config = options.settings.current();
    let (mut capture, source) = Capture::load(config.capture(), pins)?;
    capture.choose(&processes(config))?;
    let notes = store.begin_run(&ring_id, now_us())?;
    let targets = Targets::open(&options.dir, &ring_id)?;
    Ok(Resumed {
        capture,
        start: Start {
            source,
            ring_id,
            key,
            notes,
            store,
            host_name,
        },
        targets,
        notices,
    })
}

fn look(pins: &Pins) -> Result<Pinned, CaptureError> {
    Ok(Pinned {
        ring_id: pins.fact(Fact::Ring)?,
        object: pins.fact(Fact::Object)?,
        trail: pins.fact(Fact::Trail)?,
        key: pins.fact(Fact::Key)?,
    })
}

/// Counts and removes what other versions have left.
fn foreign(pins: &Pins, store: &Store, notices: &mut Vec<Notice>) -> Result<(), CaptureError> {
    for foreign in pins.foreign()? {
        foreign.detach()?;
        let position = foreign
            .ring_id()
            .and_then(|ring_id| store.ring_position(&ring_id));
        let count = unread(&foreign)?.map_or(0, |ring| count(ring, position));
        tracing::warn!(
            layout = foreign.layout,
            records = count,
            "another version's probes are removed; what they recorded cannot be read"
        );
        if count > 0 {
            notices.push(Notice::Unread(OTHER_VERSION, count));
        }
        foreign.remove()?;
    }
    Ok(())
}

/// How many records of a ring are not accounted for.
pub(crate) fn count(mut ring: Ring, position: Option<u64>) -> i64 {
    // A position that is not in the ring leaves the kernel's own.
    let resumed = position.map(|position| ring.resume(position));
    if let Some(Err(error)) = resumed {
        tracing::warn!(%error, "all of the ring is counted");
    }
    let mut count = 0;
    while ring.next_record().is_some() {
        count += 1;
    }
    count
}

/// Takes the probes off, and stores what they have recorded.
fn drain(
    mut store: Store,
    pins: &Pins,
    pinned: Pinned,
    options: &Options,
    host_name: &str,
    before: Vec<Notice>,
    health: &Health,
) -> Result<Store, RecordError> {
    pins.detach().map_err(CaptureError::from)?;
    let Pinned {
        ring_id: Some(ring_id),
        key: Some(key),
        ..
    } = pinned
    else {
        return Ok(store);
    };
    let Some(source) = reopen(pins)? else {
        return Ok(store);
    };
    let notes: Notes = store.begin_run(&ring_id, now_us())?;
    let (notices, heard) = mpsc::channel();
    for known in known(&Targets::open(&options.dir, &ring_id)?)? {
        tell(&notices, Notice::Target(known.index, known.target));
    }
    tell(&notices, Notice::settings(options.settings.current()));
    for notice in before {
        tell(&notices, notice);
    }
    let what = "what another version has left is read to its end".to_owned();
    tell(&notices, Notice::Lifecycle("drain", what));
    tell(&notices, Notice::Stop);
    let start = Start {
        source,
        ring_id,
        key,
        notes,
        store,
        host_name: host_name.to_owned(),
    };
    Ok(Ingest::new(start, heard, health.clone())?.run()?)
}

fn tell(notices: &mpsc::Sender<Notice>, notice: Notice) {
    let told = notices.send(notice);
    debug_assert!(told.is_ok(), "the receiver is held beside it");
}

/// Removes what a recorder has left at `pin_path`; gives how many records nobody has read.
///
/// # Errors
///
/// When a recorder still holds it, or something there cannot be removed.
pub fn detach(pin_path: &Path) -> Result<i64, CaptureError> {
    let pins = Pins::open(pin_path)?;
    pins.detach()?;
    let mut lost = reopen(&pins)?.map_or(0, |source| count(source.ring, None));
    pins.remove()?;
    for foreign in pins.foreign()? {
        foreign.detach()?;
        lost += unread(&foreign)?.map_or(0, |ring| count(ring, None));
        foreign.remove()?;
    }
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned() -> Pinned {
        Pinned {
            ring_id: Some("boot/1".to_owned()),
            object: Some("object".to_owned()),
            trail: Some("trail".to_owned()),
            key: Some("key".to_owned()),
        }
    }

    fn run(ring_id: &str, stopped: bool, kept: bool) -> Run {
        Run {
            ring_id: ring_id.to_owned(),
            alive_us: 1,
            stopped_us: stopped.then_some(2),
            kept,
        }
    }

    #[test]
    fn what_becomes_of_what_is_pinned() {
        let check = |pinned: &Pinned, last: Option<Run>, expected: Plan| {
            let found = plan(pinned, last.as_ref(), "trail", "boot", "object");
            assert_eq!(found, expected, "{pinned:?} {last:?}");
        };
        let crashed = || Some(run("boot/1", false, false));
        check(&Pinned::default(), None, Plan::Fresh);
        check(&pinned(), crashed(), Plan::Adopt);
        check(&pinned(), Some(run("boot/1", true, true)), Plan::Adopt);
        check(&pinned(), Some(run("boot/1", true, false)), Plan::Fresh);
        // The trail is younger than the ring: a crash came between the two, or it was put back.
        check(&pinned(), None, Plan::Adopt);
        check(&pinned(), Some(run("boot/0", true, false)), Plan::Adopt);
        let change = |change: fn(&mut Pinned)| {
            let mut pinned = pinned();
            change(&mut pinned);
            pinned
        };
        let part = change(|pinned| pinned.key = None);
        check(&part, crashed(), Plan::Fresh);
        let other = change(|pinned| pinned.trail = Some("another".to_owned()));
        check(&other, crashed(), Plan::Refuse);
        let older = change(|pinned| pinned.object = Some("another".to_owned()));
        check(&older, crashed(), Plan::Drain);
        let rebooted = change(|pinned| pinned.ring_id = Some("another/1".to_owned()));
        check(&rebooted, crashed(), Plan::Fresh);
    }
}
