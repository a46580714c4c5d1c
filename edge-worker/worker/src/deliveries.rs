//! Delivery of activations from the Durable Object: turns, which its alarm begins, and attempts by `fetch`.
//!
//! A turn is a message to the object itself: it notes the results of attempts, and its answer has the next ones, signed. Their leases
//! are written first, and the platform holds requests back until that is durable. An object that dies loses nothing: its next turn
//! makes them again.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use js_sys::{Array, Date, Object, Promise, Reflect, Uint8Array};
use usher_edge::deliveries::{Bounds, Deliveries, DeliveryStep};
use usher_edge::limits::{ANSWER_KEPT_BYTES_MAX, ANSWER_READ_BYTES_MAX, ATTEMPT_MS};
use usher_edge::message::{Attempt, AttemptOutcome, AttemptResult, SignedRequest};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use worker::Delay;

use crate::edge::edge;
use crate::javascript::{ambient, call, next_part, property, shown};
use crate::limits::{ALARM_MS, ATTEMPTS_MAX, TURN_AGAIN_MS};
use crate::log;

/// The deliveries of an object.
#[derive(Debug)]
pub(crate) struct Sender {
    deliveries: RefCell<Deliveries>,
    /// True while a turn is stored: what it stores is for the loop that runs it.
    is_turning: Cell<bool>,
    /// True if something happened for which the loop waits.
    is_awoken: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Sender {
    pub(crate) fn new() -> Rc<Sender> {
        let bounds = Bounds { most: ATTEMPTS_MAX, time_ms: ALARM_MS, wait_ms: 0, again_ms: TURN_AGAIN_MS };
        Rc::new(Sender {
            deliveries: RefCell::new(Deliveries::new(bounds, true)),
            is_turning: Cell::new(false),
            is_awoken: Cell::new(false),
            waker: RefCell::new(None),
        })
    }

    /// The time of the next turn, Unix milliseconds; 0 in an object that an alarm has woken.
    pub(crate) fn due_ms(&self) -> i64 {
        self.deliveries.borrow().due_ms()
    }

    /// Activations may have to be sent; true if the alarm has to be set.
    pub(crate) fn note(&self) -> bool {
        if self.is_turning.get() {
            return false;
        }
        self.deliveries.borrow_mut().note();
        self.wake();
        true
    }

    /// There is nothing to deliver.
    pub(crate) fn rest(&self) {
        self.deliveries.borrow_mut().rest();
    }

    /// Does the turns that are due, until no attempt is under way. `take` takes a message through storage, to its answer.
    ///
    /// # Errors
    ///
    /// If the platform gives no randomness.
    pub(crate) async fn run(
        self: &Rc<Sender>,
        take: impl Fn(&[u8]) -> usher_edge::Response,
    ) -> Result<(), JsValue> {
        self.deliveries.borrow_mut().begin(ambient()?.now_ms);
        loop {
            let ambient = ambient()?;
            let step = edge(|edge| self.deliveries.borrow_mut().step(edge, ambient));
            match step {
                DeliveryStep::Turn(message) => {
                    self.is_turning.set(true);
                    let answer = take(&message);
                    self.is_turning.set(false);
                    let turned =
                        edge(|edge| self.deliveries.borrow_mut().turned(edge, ambient.now_ms, &answer));
                    turned.into_iter().for_each(|attempt| self.begin(attempt));
                }
                DeliveryStep::Wait(pause_ms) => self.wait(pause_ms).await,
                DeliveryStep::Rest => return Ok(()),
            }
        }
    }

    /// Begins an attempt, in the same step as its lease is written.
    fn begin(self: &Rc<Sender>, attempt: Attempt) {
        let Attempt { number, id, request } = attempt;
        let at_ms = now_ms();
        let begun = fetch(&request);
        let sender = Rc::clone(self);
        spawn_local(async move {
            let outcome = match begun {
                Ok(begun) => begun.outcome().await,
                Err(thrown) => AttemptOutcome::Failed(format!("fetch: {}", shown(&thrown))),
            };
            sender.deliveries.borrow_mut().ended(AttemptResult { number, id, at_ms, outcome });
            sender.wake();
        });
    }

    fn wake(&self) {
        self.is_awoken.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits until something happens, but at most so many milliseconds.
    async fn wait(&self, pause_ms: u64) {
        let mut end = pin!(Delay::from(Duration::from_millis(pause_ms)));
        poll_fn(|context| {
            if self.is_awoken.take() {
                return Poll::Ready(());
            }
            self.waker.replace(Some(context.waker().clone()));
            end.as_mut().poll(context)
        })
        .await;
    }
}

fn now_ms() -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a date in milliseconds is a whole number")]
    let now_ms = Date::now() as i64;
    now_ms
}

/// A request that was handed over.
struct Begun {
    answer: JsFuture,
    signal: JsValue,
}

/// Hands a request over. Redirects are answers.
fn fetch(request: &SignedRequest) -> Result<Begun, JsValue> {
    let timer = property(&js_sys::global(), "AbortSignal")?;
    #[expect(clippy::cast_precision_loss, reason = "it is a small number")]
    let signal = call(&timer, "timeout", &[&JsValue::from_f64(ATTEMPT_MS as f64)])?;
    let headers = request.headers.iter();
    let headers: Array = headers
        .map(|(name, value)| [name, value].map(|text| JsValue::from_str(text)).iter().collect::<Array>())
        .collect();
    let options = Object::new();
    for (name, value) in [
        ("method", JsValue::from_str(&request.method)),
        ("headers", headers.into()),
        ("body", Uint8Array::from(request.body.as_slice()).into()),
        ("redirect", JsValue::from_str("manual")),
        ("signal", signal.clone()),
    ] {
        Reflect::set(&options, &name.into(), &value)?;
    }
    let promise = call(&js_sys::global(), "fetch", &[&JsValue::from_str(&request.url), &options])?;
    Ok(Begun { answer: JsFuture::from(Promise::resolve(&promise)), signal })
}

impl Begun {
    async fn outcome(self) -> AttemptOutcome {
        let Begun { answer, signal } = self;
        let read = async { read(&answer.await?).await };
        match read.await {
            Ok(outcome) => outcome,
            Err(_) if property(&signal, "aborted").is_ok_and(|aborted| aborted.is_truthy()) => {
                AttemptOutcome::late()
            }
            Err(thrown) => AttemptOutcome::Failed(format!("fetch: {}", shown(&thrown))),
        }
    }
}

async fn read(answer: &JsValue) -> Result<AttemptOutcome, JsValue> {
    let status = property(answer, "status")?.as_f64().unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 200 to 599")]
    let status = status as u16;
    let retry_after = call(&property(answer, "headers")?, "get", &[&"retry-after".into()])?.as_string();
    let body = property(answer, "body")?;
    // The status is the result, so a body that breaks off is none.
    let body = if body.is_null() { Vec::new() } else { beginning(&body).await };
    Ok(AttemptOutcome::answered(status, &body, retry_after.as_deref()))
}

/// The beginning of a body; the rest is not waited for.
async fn beginning(body: &JsValue) -> Vec<u8> {
    let mut kept = Vec::new();
    let read = async {
        let reader = call(body, "getReader", &[])?;
        let mut read = 0;
        while let Some(part) = next_part(&reader).await? {
            let room = ANSWER_KEPT_BYTES_MAX.saturating_sub(kept.len());
            kept.extend(part.to_vec().into_iter().take(room));
            read += part.length() as usize;
            if read > ANSWER_READ_BYTES_MAX {
                call(&reader, "cancel", &[])?;
                break;
            }
        }
        Ok::<_, JsValue>(())
    };
    if let Err(thrown) = read.await {
        log::fault("", "answer_cut_off", &shown(&thrown));
    }
    kept
}
