//! What the process is told from outside: to stop, or to read its certificate again.

use tokio::signal;

use crate::exit::Failure;

/// What a signal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// SIGINT or SIGTERM.
    Stop,
    /// SIGHUP.
    Reload,
}

#[cfg(unix)]
pub(super) struct Signals {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
    hangup: signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> Result<Signals, Failure> {
        use signal::unix::SignalKind;
        let wait = |kind| {
            signal::unix::signal(kind)
                .map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))
        };
        Ok(Signals {
            interrupt: wait(SignalKind::interrupt())?,
            terminate: wait(SignalKind::terminate())?,
            hangup: wait(SignalKind::hangup())?,
        })
    }

    pub(super) async fn told(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.terminate.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
        }
    }
}

#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> Result<Signals, Failure> {
        Ok(Signals)
    }

    pub(super) async fn told(&mut self) -> Told {
        let _ = signal::ctrl_c().await;
        Told::Stop
    }
}

impl Signals {
    /// Ends when the process is told to stop.
    pub(super) async fn stop(&mut self) {
        while self.told().await != Told::Stop {}
    }
}
