//! What the service manager is told, when one started us (`sd_notify(3)`).
//!
//! A thread of its own tells it: a manager that does not listen must not hold up recording.

use std::{
    io,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
};

use sd_notify::NotifyState;

/// Whether an [`Message::Alive`] waits for the manager; a second one would say nothing new.
static ALIVE_WAITS: AtomicBool = AtomicBool::new(false);

/// Takes messages to the manager; none when there is no manager, or no thread.
static TELLER: LazyLock<Option<Sender<Message>>> = LazyLock::new(|| {
    std::env::var_os("NOTIFY_SOCKET")?;
    let (teller, told) = channel::<Message>();
    thread::Builder::new()
        .name("notify".to_owned())
        .spawn(move || {
            for message in told {
                if let Err(error) = message.send() {
                    tracing::debug!(%error, "the service manager does not listen");
                }
            }
        })
        .inspect_err(|error| tracing::warn!(%error, "nobody tells the service manager"))
        .ok()?;
    Some(teller)
});

#[derive(Debug)]
enum Message {
    Ready(String),
    Status(String),
    Reloading,
    Stopping,
    Alive,
}

impl Message {
    fn send(&self) -> io::Result<()> {
        match self {
            Self::Ready(status) => {
                sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)])
            }
            Self::Status(status) => sd_notify::notify(&[NotifyState::Status(status)]),
            Self::Reloading => {
                let now = NotifyState::monotonic_usec_now()?;
                sd_notify::notify(&[NotifyState::Reloading, now])
            }
            Self::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
            Self::Alive => {
                ALIVE_WAITS.store(false, Ordering::Relaxed);
                sd_notify::notify(&[NotifyState::Watchdog])
            }
        }
    }
}

/// Recording has begun: what was waiting for it may start. `status` is the line that the manager shows.
pub fn ready(status: String) {
    tell(Message::Ready(status));
}

/// The line that the manager shows.
pub fn status(status: String) {
    tell(Message::Status(status));
}

/// The configuration is read again; [`ready`] ends it.
pub fn reloading() {
    tell(Message::Reloading);
}

/// Recording ends.
pub fn stopping() {
    tell(Message::Stopping);
}

/// Tells the manager that the recorder is alive, as often as it wants to hear that.
#[derive(Debug)]
pub struct Watchdog {
    every_us: Option<i64>,
    told_us: i64,
}

impl Watchdog {
    /// From `now_us` on, microseconds.
    #[must_use]
    pub fn new(now_us: i64) -> Self {
        // Twice as often as it must, as sd_watchdog_enabled(3) says.
        let every = sd_notify::watchdog_enabled().map(|within| within / 2);
        Self {
            every_us: every.map(|every| i64::try_from(every.as_micros()).unwrap_or(i64::MAX)),
            told_us: now_us,
        }
    }

    /// Whoever calls this is alive.
    pub fn beat(&mut self, now_us: i64) {
        let due = |every| now_us.abs_diff(self.told_us) >= u64::try_from(every).unwrap_or(0);
        if self.every_us.is_some_and(due) {
            if !ALIVE_WAITS.swap(true, Ordering::Relaxed) {
                tell(Message::Alive);
            }
            self.told_us = now_us;
        }
    }
}

fn tell(message: Message) {
    if let Some(teller) = &*TELLER
        && let Err(error) = teller.send(message)
    {
        tracing::debug!(%error, "nobody tells the service manager");
    }
}
