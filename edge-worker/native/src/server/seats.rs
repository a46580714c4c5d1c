//! The open connections and their phases: none waits for ever, and one source leaves room for others.
//!
//! Each phase has its time. Where there is no seat left for a new connection, the one is closed that has wasted its own seat
//! longest: it is silent, idle, or slow with its head, its body or the reading of its answer. A caller that sends its request
//! at once is never closed for another. A part of the seats is for sources that have few; they are also the last to lose one.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::source::Source;
use crate::limits::{
    ANSWER_PAUSE, ANSWER_TIME, BODY_BYTES_PER_SECOND, CONNECTIONS_MAX, FEW_CONNECTIONS, HEAD_TIME, IDLE_TIME,
    SOURCE_CONNECTIONS_MAX, SPARE_CONNECTIONS,
};

/// The time that a caller may read nothing of its answer before its seat may be another's, in ms.
const UNREAD_MS: u64 = 1_000;

/// The time between two looks at all seats.
const SWEEP: Duration = Duration::from_millis(250);

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its request line and headers are awaited.
    Head = 0,
    /// It rests between two requests.
    Idle = 1,
    /// Its body is awaited, which has times of its own.
    Body = 2,
    /// Its request is answered.
    Service = 3,
    /// Its answer is sent.
    Answer = 4,
    /// Nothing has come yet.
    Silent = 5,
}

/// One connection's.
#[derive(Debug)]
pub(super) struct Seat {
    source: Source,
    /// The number of seats of the source; None: no bound holds for it.
    of_source: Option<Arc<AtomicUsize>>,
    /// Its place among the occupied ones.
    at: AtomicUsize,
    phase: AtomicU8,
    /// When the phase began, and when something last moved in it; milliseconds since the seats were made.
    began_ms: AtomicU64,
    moved_ms: AtomicU64,
    /// Bytes of its body that have come.
    received: AtomicU64,
    epoch: Instant,
    gone: Notify,
}

impl Seat {
    /// Ends when the connection has to.
    pub(super) async fn lost(&self) {
        self.gone.notified().await;
    }

    /// Its first bytes have come. The time for its head has begun before, with the connection; a handshake is within it.
    pub(super) fn speak(&self) {
        self.phase.store(Phase::Head as u8, Ordering::Relaxed);
    }

    /// Its request is answered from here on.
    pub(super) fn serve(&self) {
        self.enter(Phase::Service);
    }

    /// A body is awaited from here on.
    pub(super) fn await_body(&self) {
        self.received.store(0, Ordering::Relaxed);
        self.enter(Phase::Body);
    }

    /// So many bytes more of the body have come.
    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.moved_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// The time that what has come of its body may take at the lowest rate.
    pub(super) fn time_earned(&self) -> Duration {
        Duration::from_millis(self.earned_ms())
    }

    fn earned_ms(&self) -> u64 {
        self.received.load(Ordering::Relaxed).saturating_mul(1_000) / BODY_BYTES_PER_SECOND
    }

    /// Its answer is on its way.
    pub(super) fn answer(&self) {
        self.enter(Phase::Answer);
    }

    fn enter(&self, phase: Phase) {
        let now = self.now_ms();
        self.began_ms.store(now, Ordering::Relaxed);
        self.moved_ms.store(now, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Head,
            1 => Phase::Idle,
            2 => Phase::Body,
            3 => Phase::Service,
            4 => Phase::Answer,
            _ => Phase::Silent,
        }
    }

    fn now_ms(&self) -> u64 {
        ms_since(self.epoch)
    }

    /// True if its source has more than a few seats.
    fn is_of_many(&self) -> bool {
        self.of_source.as_ref().is_some_and(|count| count.load(Ordering::Relaxed) > FEW_CONNECTIONS)
    }

    /// The ages of its phase and of the last byte in it, in ms.
    fn ages(&self, now_ms: u64) -> (u64, u64) {
        let (began, moved) = (self.began_ms.load(Ordering::Relaxed), self.moved_ms.load(Ordering::Relaxed));
        (now_ms.saturating_sub(began), now_ms.saturating_sub(moved))
    }

    fn is_over_time(&self, now_ms: u64) -> bool {
        let (phase, rest) = self.ages(now_ms);
        let (phase, rest) = (Duration::from_millis(phase), Duration::from_millis(rest));
        match self.phase() {
            Phase::Silent | Phase::Head => phase > HEAD_TIME,
            Phase::Idle => phase > IDLE_TIME,
            Phase::Body | Phase::Service => false,
            Phase::Answer => phase > ANSWER_TIME || rest > ANSWER_PAUSE,
        }
    }

    /// The time for which it has held its seat for nothing, in ms; None: it is being served.
    fn wasted(&self, now_ms: u64) -> Option<u64> {
        let (phase, rest) = self.ages(now_ms);
        match self.phase() {
            Phase::Silent | Phase::Head | Phase::Idle => Some(phase),
            // Bytes that came fast earn no silence after them.
            Phase::Body => Some(rest.max(phase.saturating_sub(self.earned_ms()))),
            Phase::Service => None,
            Phase::Answer => (rest > UNREAD_MS).then_some(phase),
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Seats {
    taken: Mutex<Taken>,
    epoch: Instant,
}

/// A newcomer costs one look at each seat at most, where there is none left, and nothing is counted anew: whoever opens
/// connections without end holds up those who wait to be accepted behind them.
#[derive(Debug, Default)]
struct Taken {
    seats: Vec<Arc<Seat>>,
    /// The number of seats of each source that has any.
    sources: HashMap<Source, Arc<AtomicUsize>>,
}

impl Seats {
    pub(super) fn new() -> Seats {
        Seats { taken: Mutex::default(), epoch: Instant::now() }
    }

    /// A seat for a newcomer; None: all that could be given are being served. `bounded`: it is no trusted proxy, so that
    /// how many seats it has says something.
    pub(super) fn take(&self, source: Source, bounded: bool) -> Option<Arc<Seat>> {
        let now_ms = ms_since(self.epoch);
        let mut taken = self.taken();
        let own = if bounded { taken.of_source(source) } else { 0 };
        if own >= SOURCE_CONNECTIONS_MAX {
            taken.free(now_ms, |seat| seat.of_source.is_some() && seat.source == source)?;
        } else if own >= FEW_CONNECTIONS && taken.seats.len() >= CONNECTIONS_MAX - SPARE_CONNECTIONS {
            taken.free(now_ms, Seat::is_of_many)?;
        } else if taken.seats.len() >= CONNECTIONS_MAX {
            taken.free(now_ms, Seat::is_of_many).or_else(|| taken.free(now_ms, |_| true))?;
        }
        let of_source = bounded.then(|| Arc::clone(taken.sources.entry(source).or_default()));
        if let Some(count) = &of_source {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let seat = Arc::new(Seat {
            source,
            of_source,
            at: AtomicUsize::new(taken.seats.len()),
            phase: AtomicU8::new(Phase::Silent as u8),
            began_ms: AtomicU64::new(now_ms),
            moved_ms: AtomicU64::new(now_ms),
            received: AtomicU64::new(0),
            epoch: self.epoch,
            gone: Notify::new(),
        });
        taken.seats.push(Arc::clone(&seat));
        Some(seat)
    }

    pub(super) fn leave(&self, seat: &Arc<Seat>) {
        let mut taken = self.taken();
        let at = seat.at.load(Ordering::Relaxed);
        // A connection whose seat was given away is no longer listed.
        if taken.seats.get(at).is_some_and(|other| Arc::ptr_eq(other, seat)) {
            taken.remove(at);
        }
    }

    /// Closes connections on which nothing has come.
    pub(super) fn dismiss_silent(&self) {
        let taken = self.taken();
        taken
            .seats
            .iter()
            .filter(|seat| seat.phase() == Phase::Silent)
            .for_each(|seat| seat.gone.notify_one());
    }

    /// Closes connections whose time is over; never ends.
    pub(super) async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            let taken = self.taken();
            let now_ms = ms_since(self.epoch);
            taken
                .seats
                .iter()
                .filter(|seat| seat.is_over_time(now_ms))
                .for_each(|seat| seat.gone.notify_one());
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ms_since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Taken {
    fn of_source(&self, source: Source) -> usize {
        self.sources.get(&source).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Takes the seat of the one among these that has wasted its own longest.
    fn free(&mut self, now_ms: u64, of: impl Fn(&Seat) -> bool) -> Option<()> {
        let mut longest = None;
        for seat in &self.seats {
            if let Some(wasted) = seat.wasted(now_ms)
                && longest.is_none_or(|(longest, _)| wasted >= longest)
                && of(seat)
            {
                longest = Some((wasted, seat.at.load(Ordering::Relaxed)));
            }
        }
        let (_, at) = longest?;
        self.remove(at)?.gone.notify_one();
        Some(())
    }

    fn remove(&mut self, at: usize) -> Option<Arc<Seat>> {
        if at >= self.seats.len() {
            return None;
        }
        let seat = self.seats.swap_remove(at);
        if let Some(moved) = self.seats.get(at) {
            moved.at.store(at, Ordering::Relaxed);
        }
        if let Some(count) = &seat.of_source
            && count.fetch_sub(1, Ordering::Relaxed) == 1
        {
            self.sources.remove(&seat.source);
        }
        Some(seat)
    }
}

/// A connection's stream, which tells its seat what moves.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) seat: Arc<Seat>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before && self.seat.phase() == Phase::Idle {
            self.seat.enter(Phase::Head);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.moved(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, parts))?;
        self.moved(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        // Everything is with the system.
        if self.seat.phase() == Phase::Answer {
            self.seat.enter(Phase::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> Watched<S> {
    fn moved(&self, written: usize) -> Poll<io::Result<usize>> {
        self.seat.moved_ms.store(self.seat.now_ms(), Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    #[test]
    fn one_source_leaves_room_and_who_is_served_keeps_its_seat() {
        let seats = Seats::new();
        let (many, other) = (source("203.0.113.5"), source("203.0.113.6"));
        let first = seats.take(many, true).unwrap();
        first.serve();
        let silent: Vec<_> = (1..SOURCE_CONNECTIONS_MAX).map(|_| seats.take(many, true).unwrap()).collect();
        let count = || seats.taken().seats.len();
        assert_eq!(count(), SOURCE_CONNECTIONS_MAX);
        // One more takes the seat of one that says nothing.
        let one_more = seats.take(many, true).unwrap();
        assert_eq!(count(), SOURCE_CONNECTIONS_MAX);
        assert!(seats.taken().seats.iter().any(|seat| Arc::ptr_eq(seat, &first)));
        // Others have room.
        let others: Vec<_> = (0..SOURCE_CONNECTIONS_MAX).map(|_| seats.take(other, true).unwrap()).collect();
        assert_eq!(count(), 2 * SOURCE_CONNECTIONS_MAX);
        // Where everybody is served there is none.
        silent.iter().chain([&one_more]).for_each(|seat| seat.serve());
        assert!(seats.take(many, true).is_none());
        // A proxy is many.
        assert!(seats.take(many, false).is_some());
        seats.leave(&first);
        assert!(seats.take(many, true).is_some());
        drop(others);
    }

    #[test]
    fn sources_with_many_leave_seats_to_those_with_few() {
        let seats = Seats::new();
        let occupied: Vec<_> = (0..CONNECTIONS_MAX)
            .filter_map(|at| {
                seats.take(source(["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"][at % 4]), true)
            })
            .inspect(|seat| seat.serve())
            .collect();
        assert_eq!(occupied.len(), CONNECTIONS_MAX - SPARE_CONNECTIONS);
        // Though nobody can be sent away, others come in, as many as a browser is.
        for at in 0..SPARE_CONNECTIONS / FEW_CONNECTIONS {
            let other = Source::of([203, 0, 113, u8::try_from(at).unwrap()].into());
            assert!((0..FEW_CONNECTIONS).all(|_| seats.take(other, true).is_some()), "{at}");
        }
    }

    #[test]
    fn whose_body_does_not_come_is_sent_away_before_who_sends() {
        let seats = Seats::new();
        // Nobody has many: each could be the one.
        let all: Vec<_> = (0..CONNECTIONS_MAX)
            .map(|at| {
                let address = [10, 0, u8::try_from(at / 200).unwrap(), u8::try_from(at % 200).unwrap()];
                let seat = seats.take(Source::of(address.into()), true).unwrap();
                seat.serve();
                seat
            })
            .collect();
        let ago = |seat: &Seat, began: u64, moved: u64| {
            // Seats are as old as their clock: the others began at its start.
            seat.began_ms.store(seat.now_ms().saturating_sub(began), Ordering::Relaxed);
            seat.moved_ms.store(seat.now_ms().saturating_sub(moved), Ordering::Relaxed);
        };
        std::thread::sleep(Duration::from_millis(60));
        let (sends, trickles, silent) = (&all[3], &all[5], &all[7]);
        [sends, trickles, silent].iter().for_each(|seat| seat.await_body());
        sends.received(1_000_000);
        ago(sends, 60, 0);
        trickles.received(1);
        ago(trickles, 50, 0);
        silent.received(1_000_000);
        ago(silent, 60, 20);
        let gone = |seat: &Arc<Seat>| !seats.taken().seats.iter().any(|other| Arc::ptr_eq(other, seat));
        assert!(seats.take(source("203.0.113.5"), true).is_some());
        assert_eq!([trickles, silent, sends].map(gone), [true, false, false]);
        assert!(seats.take(source("203.0.113.6"), true).is_some());
        assert_eq!([trickles, silent, sends].map(gone), [true, true, false]);
    }

    #[test]
    fn all_seats_taken_by_many_sources_are_given_to_who_comes() {
        let seats = Seats::new();
        for at in 0..CONNECTIONS_MAX {
            let address = [10, 0, u8::try_from(at / 200).unwrap(), u8::try_from(at % 200).unwrap()];
            assert!(seats.take(Source::of(address.into()), true).is_some());
        }
        assert!(seats.take(source("203.0.113.5"), true).is_some());
        assert_eq!(seats.taken().seats.len(), CONNECTIONS_MAX);
    }
}
