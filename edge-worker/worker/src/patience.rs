//! A time limit for work that a request can do without.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use worker::Delay;

use crate::limits::PATIENCE;

/// The result of the work, or None if it takes too long; the work is dropped then. Work that is done at once starts no timer.
pub(crate) async fn patiently<T>(work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut end) = (pin!(work), pin!(Delay::from(PATIENCE)));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}
