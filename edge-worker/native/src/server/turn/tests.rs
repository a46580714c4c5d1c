//! Trials of a turn: several requests wait, and the commit that they share succeeds, fails, or is in doubt.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use usher_edge::{Ambient, Edge, Response, refresh};

use super::super::job::{Job, Waiting};
use super::turn;
use crate::clock::now_ms;
use crate::store::SqliteStore;
use crate::store::trials::{authorization, bundle, edge, text};

struct Desk {
    directory: PathBuf,
    edge: Edge,
    store: Option<SqliteStore>,
    calls: u64,
}

type Reply = oneshot::Receiver<Response>;

impl Desk {
    /// On a new database that runs the bundle.
    fn new(name: &str) -> Desk {
        let directory = std::env::temp_dir().join(format!("usher-turn-{name}-{}", std::process::id()));
        let mut store = SqliteStore::open(&directory).unwrap();
        let mut edge = edge();
        refresh(&mut edge, &mut store, &mut |_| {});
        let mut desk = Desk { directory, edge, store: Some(store), calls: 0 };
        assert_eq!(desk.statuses(&[("PUT", "/v1/audiences/7/bundle", &bundle("home"))]), [200]);
        desk
    }

    fn store(&mut self) -> &mut SqliteStore {
        self.store.as_mut().unwrap()
    }

    fn waiting(&mut self, (method, target, body): (&str, &str, &str)) -> (Waiting, Reply) {
        self.calls += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.calls.to_le_bytes());
        let job = Job {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![authorization(target)],
            ambient: Ambient { now_ms: now_ms(), entropy },
            id: String::new(),
            arrived: Instant::now(),
            body: Ok(body.as_bytes().to_vec()),
        };
        let (reply, answer) = oneshot::channel();
        ((job, reply), answer)
    }

    /// Turns until all of these, which wait at once, are done. `with` gets their answers before.
    fn answers(
        &mut self,
        requests: &[(&str, &str, &str)],
        with: impl FnOnce(&mut Desk, Arc<Mutex<Vec<Reply>>>),
    ) -> Vec<Option<Response>> {
        let (jobs, mut queue) = mpsc::channel(100);
        let mut replies = Vec::new();
        for request in requests {
            let (waiting, reply) = self.waiting(*request);
            assert!(jobs.try_send(waiting).is_ok());
            replies.push(reply);
        }
        let replies = Arc::new(Mutex::new(replies));
        with(self, Arc::clone(&replies));
        while let Ok(first) = queue.try_recv() {
            let Desk { edge, store, .. } = self;
            turn(edge, store.as_mut().unwrap(), first, &mut queue, Duration::from_secs(60)).unwrap();
        }
        let mut replies = replies.lock().unwrap();
        replies.iter_mut().map(|reply| reply.try_recv().ok()).collect()
    }

    /// 0: the caller's connection is closed without an answer.
    fn statuses(&mut self, requests: &[(&str, &str, &str)]) -> Vec<u16> {
        let answers = self.answers(requests, |_, _| {});
        answers.iter().map(|answer| answer.as_ref().map_or(0, |answer| answer.status)).collect()
    }

    /// The number of views of the visitor.
    fn views(&mut self, cookie: &str) -> Option<String> {
        let answers = self.answers(&[("POST", "/v1/personalize", &lookup(cookie))], |_, _| {});
        views_in(answers[0].as_ref().unwrap())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.store = None;
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn views_in(answer: &Response) -> Option<String> {
    let text = text(answer);
    let (_, after) = text.split_once(r#""views":"#)?;
    Some(after.chars().take_while(char::is_ascii_digit).collect())
}

fn lookup(cookie: &str) -> String {
    format!(r#"{{"audience":"7","personalization":"home","key":{{"name":"cookie","value":"{cookie}"}}}}"#)
}

fn view(cookie: &str, id: &str) -> String {
    format!(r#"{{"events":[{{"cookie":"{cookie}","ref":"r","event_id":"{id}"}}]}}"#)
}

const EVENTS: (&str, &str) = ("POST", "/web/views");

/// Counts commits. `true` from `refuse` makes a commit fail, which did not happen then.
fn on_commit(desk: &mut Desk, mut refuse: impl FnMut() -> bool + Send + 'static) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let hook = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        refuse()
    };
    desk.store().connection().commit_hook(Some(hook)).unwrap();
    count
}

#[test]
fn those_that_wait_share_a_commit_and_nobody_is_answered_before_it() {
    let mut desk = Desk::new("shared");
    let bodies: Vec<String> = (0..20).map(|at| view(&format!("c{}", at % 4), &format!("e{at}"))).collect();
    let known = lookup("c1");
    let mut requests: Vec<_> = bodies.iter().map(|body| (EVENTS.0, EVENTS.1, body.as_str())).collect();
    requests.insert(18, ("POST", "/v1/personalize", &known));
    let mut commits = None;
    let answers = desk.answers(&requests, |desk, replies| {
        commits = Some(on_commit(desk, move || {
            let mut replies = replies.lock().unwrap();
            let early = replies.iter_mut().filter_map(|reply| reply.try_recv().ok()).count();
            assert_eq!(early, 0, "answered before the commit");
            false
        }));
    });
    assert_eq!(commits.unwrap().load(Ordering::Relaxed), 1);
    assert!(answers.iter().flatten().all(|answer| answer.status == 200) && answers.len() == 21);
    assert_eq!(views_in(answers[18].as_ref().unwrap()).as_deref(), Some("5"), "it sees those before it");
    for visitor in 0..4 {
        assert_eq!(desk.views(&format!("c{visitor}")).as_deref(), Some("5"));
    }
}

#[test]
fn one_that_fails_is_told_so_alone() {
    let mut desk = Desk::new("middle");
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON profile_key WHEN NEW.value = 'bad'
                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
    desk.store().connection().execute_batch(refuse).unwrap();
    let bodies = ["a", "bad", "b", "a"].iter().enumerate().map(|(at, who)| view(who, &format!("e{at}")));
    let bodies: Vec<String> = bodies.collect();
    let requests: Vec<_> = bodies.iter().map(|body| (EVENTS.0, EVENTS.1, body.as_str())).collect();
    let commits = on_commit(&mut desk, || false);
    assert_eq!(desk.statuses(&requests), [200, 503, 200, 200]);
    assert_eq!(commits.load(Ordering::Relaxed), 1);
    assert_eq!(
        ["a", "bad", "b"].map(|who| desk.views(who)),
        ["2", "0", "1"].map(|count| Some(count.to_owned()))
    );
}

#[test]
fn a_disk_that_is_full_in_the_middle_stores_nothing_of_the_turn() {
    let mut desk = Desk::new("full");
    assert_eq!(desk.statuses(&[(EVENTS.0, EVENTS.1, &view("a", "before"))]), [200]);
    let connection = desk.store().connection();
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "max_page_count", pages).unwrap();
    let long = "x".repeat(200);
    let mut bodies = vec![view("a", "first")];
    bodies.extend((0..80).map(|at| view(&format!("{at}-{long}"), "e")));
    bodies.push(view("a", "last"));
    let requests: Vec<_> = bodies.iter().map(|body| (EVENTS.0, EVENTS.1, body.as_str())).collect();
    let statuses = desk.statuses(&requests);
    assert!(statuses.iter().all(|status| [200, 503].contains(status)) && statuses.contains(&503));
    // What was refused is not counted, what was taken is; sent again, all is counted once.
    let taken =
        statuses.iter().zip(&bodies).filter(|(status, body)| **status == 200 && body.contains("\"a\""));
    assert_eq!(desk.views("a"), Some((1 + taken.count()).to_string()));
    desk.store().connection().pragma_update(None, "max_page_count", 1_000_000).unwrap();
    assert!(desk.statuses(&requests).iter().all(|status| *status == 200));
    assert_eq!(desk.views("a").as_deref(), Some("3"));
}

#[test]
fn a_commit_that_fails_is_told_to_all_who_wait_for_it() {
    let mut desk = Desk::new("refused");
    assert_eq!(desk.statuses(&[(EVENTS.0, EVENTS.1, &view("a", "before"))]), [200]);
    let bodies = [view("a", "one"), view("b", "two"), lookup("a")];
    let requests = [
        (EVENTS.0, EVENTS.1, bodies[0].as_str()),
        (EVENTS.0, EVENTS.1, &bodies[1]),
        ("POST", "/v1/personalize", &bodies[2]),
    ];
    let answers = desk.answers(&requests, |desk, _| drop(on_commit(desk, || true)));
    let answers: Vec<Response> = answers.into_iter().flatten().collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [503, 503, 200]);
    // The lookup shows what is stored.
    assert_eq!(views_in(&answers[2]).as_deref(), Some("1"));
    assert!(!desk.store().is_in_doubt());
    assert_eq!(desk.statuses(&requests), [200, 200, 200]);
    assert_eq!((desk.views("a").as_deref(), desk.views("b").as_deref()), (Some("2"), Some("1")));
}

#[test]
fn a_commit_in_doubt_is_told_to_nobody_who_wrote() {
    let mut desk = Desk::new("doubt");
    let bodies = [view("a", "one"), view("b", "two"), lookup("a")];
    let requests = [
        (EVENTS.0, EVENTS.1, bodies[0].as_str()),
        (EVENTS.0, EVENTS.1, &bodies[1]),
        ("POST", "/v1/personalize", &bodies[2]),
    ];
    let nowhere = desk.directory.clone();
    let database = desk.store().move_to(nowhere);
    on_commit(&mut desk, || true);
    assert_eq!(desk.statuses(&requests), [0, 0, 200]);
    assert!(desk.store().is_in_doubt());
    assert_eq!(desk.statuses(&requests), [503, 503, 200]);
    desk.store().move_to(database);
    sleep(Duration::from_millis(1_500));
    assert_eq!(desk.statuses(&requests), [200, 200, 200]);
    assert_eq!((desk.views("a").as_deref(), desk.views("b").as_deref()), (Some("1"), Some("1")));
}

#[test]
fn a_bundle_has_a_commit_of_its_own_and_runs_for_those_behind_it() {
    let mut desk = Desk::new("bundle");
    let (first, other) = (view("a", "one"), bundle("other"));
    let asks = lookup("a").replace("home", "other");
    let requests = [
        (EVENTS.0, EVENTS.1, first.as_str()),
        ("PUT", "/v1/audiences/7/bundle", &other),
        ("POST", "/v1/personalize", &asks),
    ];
    let commits = on_commit(&mut desk, || false);
    let answers = desk.answers(&requests, |_, _| {});
    let answers: Vec<Response> = answers.into_iter().flatten().collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 200]);
    assert_eq!(views_in(&answers[2]).as_deref(), Some("1"));
    assert_eq!(commits.load(Ordering::Relaxed), 2);
    // The turn before it fails: the bundle is published all the same, and the other way round.
    let (second, third) = (view("a", "two"), view("a", "three"));
    let home = bundle("home");
    let requests = [
        (EVENTS.0, EVENTS.1, second.as_str()),
        ("PUT", "/v1/audiences/7/bundle", &home),
        (EVENTS.0, EVENTS.1, &third),
    ];
    let mut first = true;
    let answers =
        desk.answers(&requests, |desk, _| drop(on_commit(desk, move || std::mem::take(&mut first))));
    let statuses: Vec<u16> = answers.iter().flatten().map(|answer| answer.status).collect();
    assert_eq!(statuses, [503, 200, 200]);
    assert_eq!(desk.views("a").as_deref(), Some("2"));
}
