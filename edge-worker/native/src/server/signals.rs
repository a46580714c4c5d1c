//! Signals of the operating system: stop, or read the certificate again.

use tokio::signal;

use crate::exit::Failure;

/// A signal that the server obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT or SIGTERM.
    Stop,
    /// SIGHUP.
    Reload,
}

#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
    hangup: signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> Result<Signals, Failure> {
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

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> Result<Signals, Failure> {
        Ok(Signals)
    }

    pub(super) async fn next(&mut self) -> Signal {
        let _ = signal::ctrl_c().await;
        Signal::Stop
    }
}

impl Signals {
    /// Ends when the process is told to stop.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}
