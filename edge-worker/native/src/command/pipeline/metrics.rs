//! `--metrics`: figures of a running pipeline at `/metrics`, in Prometheus' text format.

mod figures;
mod listener;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use usher_engine::value::{Number, Value};
use usher_pipelines::{Chain, Change, Ended, OutputRow, Plan, Polled, Read, Refused, Sink, Source, Step};

use self::figures::Figures;
use crate::exit::Failure;

/// The columns whose values are shown where an output has them.
const SCORE: &str = "recommendation_score";
const AFFINITY: &str = "category_affinity";

/// Figures that the run writes and requests read.
#[derive(Clone, Default)]
pub(super) struct Board(Arc<Mutex<Figures>>);

impl Board {
    /// Answers requests at an address from now on.
    pub(super) fn listen(address: SocketAddr) -> Result<Board, Failure> {
        let board = Board::default();
        let shown = board.clone();
        listener::start(address, move || shown.with(|figures| figures.text()))?;
        Ok(board)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Figures) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A source or a sink whose records are seen on their way. Without a board nothing is noted.
pub(super) struct Seen<T> {
    inner: T,
    board: Option<Board>,
    taken: Option<Instant>,
}

impl<T> Seen<T> {
    pub(super) fn new(inner: T, board: Option<&Board>) -> Seen<T> {
        Seen { inner, board: board.cloned(), taken: None }
    }
}

impl<S: Source> Source for Seen<S> {
    fn poll(&mut self, wait: Duration) -> Result<Polled, String> {
        // The record before this one was processed when the next is asked for.
        if let (Some(board), Some(taken)) = (&self.board, self.taken.take()) {
            board.with(|figures| figures.processed(taken.elapsed()));
        }
        let polled = self.inner.poll(wait)?;
        self.taken = matches!(polled, Polled::Arrival(_)).then(Instant::now);
        Ok(polled)
    }

    fn released(&mut self) -> Result<(), String> {
        self.inner.released()
    }
}

impl<K: Sink> Sink for Seen<K> {
    fn row(&mut self, topic: &str, row: &OutputRow) -> Result<(), String> {
        if let Some(board) = &self.board {
            let [score, affinity] = [SCORE, AFFINITY].map(|name| number(row, name));
            if score.is_some() || affinity.is_some() {
                board.with(|figures| figures.row(topic, score, affinity));
            }
        }
        self.inner.row(topic, row)
    }

    fn ended(&mut self, plan: &Plan, ended: &Ended) -> Result<(), String> {
        self.inner.ended(plan, ended)
    }

    fn refused(&mut self, refused: &Refused) -> Result<(), String> {
        self.inner.refused(refused)
    }

    fn trace(&mut self, step: &Step<'_>) -> Result<(), String> {
        self.inner.trace(step)
    }

    fn look(&mut self, chain: &Chain, refused: u64, wall_ms: i64) {
        if let Some(board) = &self.board {
            board.with(|figures| figures.look(chain, refused, wall_ms));
        }
        self.inner.look(chain, refused, wall_ms);
    }

    fn flush(&mut self) -> Result<(), String> {
        self.inner.flush()
    }

    fn commit(
        &mut self,
        changes: Vec<(usize, Change)>,
        read: Vec<Read>,
        chain: &Chain,
    ) -> Result<(), String> {
        self.inner.commit(changes, read, chain)?;
        if let Some(board) = &self.board {
            board.with(|figures| figures.commits += 1);
        }
        Ok(())
    }
}

/// A column that is a number.
fn number(row: &OutputRow, name: &str) -> Option<f64> {
    match row.columns.iter().find(|(of, _)| **of == *name)?.1 {
        Value::Number(Number::Integer(value)) => Some(value as f64),
        Value::Number(Number::Float(value)) => Some(value),
        _ => None,
    }
}
