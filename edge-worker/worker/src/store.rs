//! The Durable Object with the data: takes a message, runs statements on its own SQLite, returns an answer.
//!
//! One class serves the writers of profiles and the control object; they differ in the messages they get.

#![expect(missing_docs, reason = "the attribute generates exports without documentation")]

use std::cell::{Cell as Shared, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Date, Uint8Array};
use usher_edge::drive::{self, Opened};
use usher_edge::log::STORAGE_FAILED;
use usher_edge::message::Route;
use usher_edge::store::sql::{self, Cell, Rows, Statement};
use usher_edge::store::{Found, StoreFailure, Write};
use usher_edge::{Ambient, Folded, Form, NEXT, Refusal, message};
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use worker::{
    DurableObject, Env, Request, Response, ResponseBuilder, Result, SqlStorage, SqlStorageValue, State,
    Storage, durable_object,
};

use crate::alarm::Alarm;
use crate::bundles::{raise, refresh};
use crate::deliveries::Sender;
use crate::edge::{configure, edge};
use crate::javascript::{ambient, call, shown};
use crate::limits::{DELIVER_AGAIN_MS, FIRST_UPKEEP, UPKEEP_AGAIN_MS};
use crate::objects::{quiet, request_id_of};
use crate::snapshots::entomb;
use crate::{log, response};

/// The Durable Object of the service; export it from your Worker.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct UsherStore {
    state: State,
    env: Env,
    alarm: Rc<Alarm>,
    sender: Rc<Sender>,
    /// The time of the next turn of upkeep, Unix milliseconds; an object that an alarm has woken does one.
    upkeep_ms: Shared<f64>,
    /// The form to write; None: a newer build wrote the stored data.
    form: Shared<Option<Form>>,
}

impl DurableObject for UsherStore {
    fn new(state: State, env: Env) -> Self {
        configure(&env);
        let alarm = Rc::new(Alarm::of(state.storage()));
        let (sender, upkeep_ms) = (Sender::new(), Shared::new(0.0));
        let object = UsherStore { state, env, alarm, sender, upkeep_ms, form: Shared::new(None) };
        if let Err(failure) = object.meet() {
            log::fault("", STORAGE_FAILED, &failure.0);
        }
        let alarm = Rc::clone(&object.alarm);
        object.state.wait_until(async move { alarm.within(FIRST_UPKEEP).await });
        object
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let request_id = request_id_of(&request);
        let message = request.bytes().await?;
        for attempt in 0..3 {
            match self.deliver(&request_id, &message, attempt > 0) {
                Delivered::Answered(mut answer) => {
                    if let Some(next) = take_next(&mut answer) {
                        let next_ms = Date::now() + next.as_secs_f64() * 1_000.0;
                        self.upkeep_ms.set(self.upkeep_ms.get().min(next_ms));
                        self.alarm.within(next).await;
                    }
                    return response::of(answer, &request_id);
                }
                Delivered::Behind { audience, number } => {
                    // The control object has no newer bundle either: it was lost, or restored to an earlier time.
                    if attempt == 1 {
                        raise(&self.env, &audience, number).await;
                    }
                    refresh(&self.env).await;
                }
            }
        }
        response::of(edge(|edge| drive::unavailable(edge, &message)), &request_id)
    }

    /// Does what is due: upkeep, and deliveries of activations. The platform gives up on an alarm that fails, so this does not.
    async fn alarm(&self) -> Result<Response> {
        quiet("", "upkeep_failed", self.wake().await);
        Ok(ResponseBuilder::new().empty())
    }
}

/// The placement that the ready-made Worker stores beside data as this one has them: one shard, no jurisdiction.
const ONE_SHARD: &str = "1/";

/// The end of an attempt.
enum Delivered {
    Answered(usher_edge::Response),
    /// A newer bundle is needed.
    Behind {
        audience: String,
        number: u64,
    },
}

impl UsherStore {
    /// Does what is due. The next alarm is set before the work.
    async fn wake(&self) -> Result<()> {
        self.alarm.came();
        if !self.has_activations() {
            self.sender.rest();
        }
        let ambient = ambient()?;
        let delivers = self.sender.due_ms() <= ambient.now_ms;
        let again_ms = if delivers { DELIVER_AGAIN_MS } else { UPKEEP_AGAIN_MS };
        self.alarm.set(Date::now() + again_ms).await?;
        let due = edge(|edge| message::due_draft(ambient, edge.form()));
        drop(self.deliver("", &due, false));
        if Date::now() >= self.upkeep_ms.get() {
            self.upkeep(ambient).await;
        }
        if delivers {
            let take = |message: &[u8]| match self.deliver("", message, true) {
                Delivered::Answered(answer) => answer,
                Delivered::Behind { .. } => usher_edge::Response::refused(Refusal::STORAGE),
            };
            quiet("", "not_delivered", self.sender.run(take).await.map_err(Into::into));
        }
        #[expect(clippy::cast_precision_loss, reason = "JavaScript has it as a number, too")]
        let due_ms = self.sender.due_ms() as f64;
        self.alarm.set(self.upkeep_ms.get().min(due_ms)).await
    }

    /// Deletes what is over its time.
    async fn upkeep(&self, ambient: Ambient) {
        self.upkeep_ms.set(Date::now() + UPKEEP_AGAIN_MS);
        let turn = |entombs| {
            let message = edge(|edge| message::upkeep(ambient, entombs, Route::ONLY, edge.form()));
            match self.deliver("", &message, false) {
                Delivered::Answered(answer) => Some(answer),
                Delivered::Behind { .. } => None,
            }
        };
        let Some(mut answer) = turn(true) else { return };
        // Noted only where all were replaced; otherwise the next turn does it again.
        if entomb(&self.env, &answer).await {
            let Some(noted) = turn(false) else { return };
            answer = noted;
        }
        if let Some(next) = take_next(&mut answer).filter(|next| !next.is_zero()) {
            self.upkeep_ms.set(Date::now() + next.as_secs_f64() * 1_000.0);
        }
    }

    /// True if there are activations that are not delivered.
    fn has_activations(&self) -> bool {
        if self.form.get().is_none() {
            return false;
        }
        let found = self.run(&bare(sql::READ_UNSENT));
        found.is_ok_and(|rows| matches!(rows.first().map(Vec::as_slice), Some([Cell::Number(1)])))
    }

    /// Creates the tables, unless a newer build wrote them, and stores the form before anything is written in it.
    fn meet(&self) -> std::result::Result<(), StoreFailure> {
        self.run(&bare(sql::META))?;
        let stored = match self.run(&bare(sql::READ_FORM))?.first().map(Vec::as_slice) {
            Some([Cell::Number(stored)]) => *stored,
            _ => 0,
        };
        let form = edge(|edge| edge.meet_form(stored));
        self.form.set(form);
        let Some(form) = form else { return Ok(()) };
        for statement in sql::SCHEMA {
            self.run(&bare(statement))?;
        }
        let number = i64::from(form.number());
        if stored < number {
            self.run(&Statement { sql: sql::WRITE_FORM, params: vec![Cell::Number(number)] })?;
        }
        self.find()
    }

    /// Refuses data that the ready-made Worker put where this one does not look.
    fn find(&self) -> std::result::Result<(), StoreFailure> {
        let found = self.run(&bare(sql::READ_PLACEMENT))?;
        if let Some([Cell::Text(placement), Cell::Number(1), _]) = found.first().map(Vec::as_slice)
            && !["", ONE_SHARD].contains(&placement.as_str())
        {
            let reason = "the data are in a jurisdiction or in several shards: only the ready-made Worker finds them there";
            log::fault("", "misplaced", reason);
            edge(|edge| edge.set_placement_fault(reason));
        }
        Ok(())
    }

    /// Synchronous from the read to the commit, so that no other message comes between. `again`: not the first attempt.
    fn deliver(&self, request_id: &str, message: &[u8], again: bool) -> Delivered {
        // Another object of this isolate may have raised it.
        if self.form.get() != Some(edge(|edge| edge.form()))
            && let Err(failure) = self.meet()
        {
            return failed(request_id, message, &failure);
        }
        let opened =
            edge(|edge| if again { drive::open_again(edge, message) } else { drive::open(edge, message) });
        let opened = match opened {
            Ok(opened) => opened,
            Err(answer) => return Delivered::Answered(answer),
        };
        match self.fold(request_id, opened) {
            Ok(delivered) => delivered,
            Err(failure) => failed(request_id, message, &failure),
        }
    }

    fn fold(&self, request_id: &str, mut opened: Opened) -> std::result::Result<Delivered, StoreFailure> {
        let sql = self.state.storage().sql();
        let first = step(&sql, &mut opened).map_err(|thrown| StoreFailure(shown(&thrown)))?;
        let (folded, sends) = match first {
            Folded::Part(write) => self.fold_parts(opened, *write)?,
            Folded::Done(outcome) => {
                self.write(sql::writes(&outcome.write))?;
                let sends = outcome.write.sends();
                (Folded::Done(outcome), sends)
            }
            undecided => (undecided, false),
        };
        // The alarm is a part of the same commit.
        if sends && self.sender.note() {
            self.alarm.now();
        }
        Ok(match folded {
            Folded::NeedsNewerBundle { audience, number } => Delivered::Behind { audience, number },
            // Nothing is installed between the two.
            Folded::OpenAgain | Folded::Part(_) | Folded::Ask(_) | Folded::ControlPlane => {
                Delivered::Answered(usher_edge::Response::refused(Refusal::INTERNAL))
            }
            Folded::Done(outcome) => {
                outcome.log.iter().for_each(|line| log::line(request_id, line));
                // The platform holds the answer back until the write is durable.
                Delivered::Answered(outcome.response)
            }
        })
    }

    /// Folds a message to its end, part by part, and stores them: all or nothing. `first` is the write of the first part. True: there
    /// are activations to be sent.
    fn fold_parts(
        &self,
        mut opened: Opened,
        first: Write,
    ) -> std::result::Result<(Folded, bool), StoreFailure> {
        let storage = self.state.storage();
        let sql = storage.sql();
        let end = Rc::new(RefCell::new(None));
        let end_of_work = Rc::clone(&end);
        let mut folded = Some(Folded::Part(Box::new(first)));
        let work = move || {
            let mut folded = folded.take().unwrap_or(Folded::OpenAgain);
            let mut sends = false;
            while let Folded::Part(write) = folded {
                sends |= write.sends();
                run_all(&sql, &sql::writes(&write))?;
                folded = step(&sql, &mut opened)?;
            }
            let stored = match &folded {
                Folded::Done(outcome) if is_to_be_stored(&folded) => {
                    sends |= outcome.write.sends();
                    run_all(&sql, &sql::writes(&outcome.write))
                }
                // What it throws rolls the transaction back.
                _ => Err("nothing of it is stored".into()),
            };
            end_of_work.replace(Some((folded, stored.is_ok(), sends)));
            stored
        };
        let called = transact(&storage, work);
        match (end.take(), called) {
            (Some((folded, true, sends)), Ok(())) => Ok((folded, sends)),
            // Storage did not fail.
            (Some((folded, false, _)), Err(_)) if !is_to_be_stored(&folded) => Ok((folded, false)),
            (_, Err(thrown)) => Err(StoreFailure(shown(&thrown))),
            (_, Ok(())) => Err(StoreFailure("a transaction did not run".to_owned())),
        }
    }

    fn run(&self, statement: &Statement) -> std::result::Result<Rows, StoreFailure> {
        run(&self.state.storage().sql(), statement).map_err(|thrown| StoreFailure(shown(&thrown)))
    }

    /// Runs the statements: all or nothing.
    fn write(&self, statements: Vec<Statement>) -> std::result::Result<(), StoreFailure> {
        // One statement is its own transaction.
        if let [statement] = statements.as_slice() {
            return self.run(statement).map(drop);
        }
        if statements.is_empty() {
            return Ok(());
        }
        let storage = self.state.storage();
        let sql = storage.sql();
        transact(&storage, move || run_all(&sql, &statements)).map_err(|thrown| StoreFailure(shown(&thrown)))
    }
}

/// True if the writes of a decided message are stored.
fn is_to_be_stored(folded: &Folded) -> bool {
    matches!(folded, Folded::Done(outcome) if !outcome.is_refused())
}

/// Runs work in a transaction: what it throws rolls it back.
fn transact(
    storage: &Storage,
    work: impl FnMut() -> std::result::Result<(), JsValue> + 'static,
) -> std::result::Result<(), JsValue> {
    let work = Closure::<dyn FnMut() -> std::result::Result<(), JsValue>>::new(work);
    call(storage.as_raw(), "transactionSync", &[work.as_ref()]).map(drop)
}

/// Reads what an open message needs now, and folds it.
fn step(sql: &SqlStorage, opened: &mut Opened) -> std::result::Result<Folded, JsValue> {
    let found = match &opened.read {
        Some(read) => {
            let rows = sql::reads(read).into_iter().map(|statement| run(sql, &statement));
            let rows = rows.collect::<std::result::Result<_, _>>()?;
            sql::found(read, rows).map_err(|failure| JsValue::from_str(&failure.0))?
        }
        None => Found::Profiles(Vec::new()),
    };
    Ok(edge(|edge| drive::fold(edge, opened, found)))
}

fn run_all(sql: &SqlStorage, statements: &[Statement]) -> std::result::Result<(), JsValue> {
    statements.iter().try_for_each(|statement| run(sql, statement).map(drop))
}

/// The time to the next turn of upkeep, which only the host reads.
fn take_next(answer: &mut usher_edge::Response) -> Option<Duration> {
    let at = answer.headers.iter().position(|(name, _)| *name == NEXT)?;
    answer.headers.swap_remove(at).1.parse().ok().map(Duration::from_millis)
}

fn failed(request_id: &str, message: &[u8], failure: &StoreFailure) -> Delivered {
    log::fault(request_id, STORAGE_FAILED, &failure.0);
    Delivered::Answered(edge(|edge| drive::unavailable(edge, message)))
}

fn bare(sql: &'static str) -> Statement {
    Statement { sql, params: Vec::new() }
}

fn run(sql: &SqlStorage, statement: &Statement) -> std::result::Result<Rows, JsValue> {
    if statement.sql == sql::SIZE {
        let bytes = i64::try_from(sql.database_size()).unwrap_or(i64::MAX);
        return Ok(vec![vec![Cell::Number(bytes)]]);
    }
    let params: Vec<JsValue> = statement.params.iter().map(value).collect();
    let cursor = sql.exec_raw(statement.sql, params).map_err(JsValue::from)?;
    cursor.raw().map(|row| row.map_err(JsValue::from)?.into_iter().map(cell).collect()).collect()
}

/// The tables hold no other types.
fn cell(value: SqlStorageValue) -> std::result::Result<Cell, JsValue> {
    match value {
        SqlStorageValue::Blob(bytes) => Ok(Cell::Bytes(bytes)),
        SqlStorageValue::Integer(number) => Ok(Cell::Number(number)),
        SqlStorageValue::String(text) => Ok(Cell::Text(text)),
        _ => Err("a row has a value of an unexpected type".into()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "the service stores numbers that JavaScript holds exactly")]
fn value(cell: &Cell) -> JsValue {
    match cell {
        Cell::Bytes(bytes) => Uint8Array::from(bytes.as_slice()).into(),
        Cell::Number(number) => JsValue::from_f64(*number as f64),
        Cell::Text(text) => JsValue::from_str(text),
    }
}
