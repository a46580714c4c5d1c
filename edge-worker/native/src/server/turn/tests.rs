//! Trials of a turn: several requests wait, and the commit that they share succeeds, fails, or is in doubt.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use usher_edge::{Ambient, Response, refresh};

use super::super::job::{Job, Waiting};
use super::Service;
use crate::clock::now_ms;
use crate::store::trials::{authorization, bundle, edge, text};
use crate::store::{Shards, SqliteStore};

struct Desk {
    directory: PathBuf,
    service: Option<Service>,
    calls: u64,
}

type Reply = oneshot::Receiver<Response>;

impl Desk {
    /// On a new database that runs the bundle.
    fn new(name: &str) -> Desk {
        Desk::of(name, 1)
    }

    /// On so many shards.
    fn of(name: &str, shards: u32) -> Desk {
        let directory = std::env::temp_dir().join(format!("usher-turn-{name}-{}", std::process::id()));
        let mut desk = Desk { directory, service: None, calls: 0 };
        desk.start(Some(shards));
        assert_eq!(desk.statuses(&[("PUT", "/v1/audiences/7/bundle", &bundle("home"))]), [200]);
        desk
    }

    /// Starts the service, as after a crash.
    fn start(&mut self, shards: Option<u32>) {
        self.service = None;
        let mut shards = Shards::open(&self.directory, shards).unwrap();
        let mut edge = edge();
        edge.set_form("2");
        edge.set_shards(shards.count());
        assert_eq!(edge.complaint(), None);
        refresh(&mut edge, &mut shards, &mut |_| {});
        self.service = Some(Service::new(edge, shards));
    }

    fn store(&mut self) -> &mut SqliteStore {
        self.service.as_mut().unwrap().shards.of(0).unwrap()
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
            self.service.as_mut().unwrap().turn(Some(first), &mut queue, Duration::from_secs(60)).unwrap();
        }
        let mut answers: Vec<_> = (0..requests.len()).map(|_| Err(TryRecvError::Empty)).collect();
        for _ in 0..500 {
            for (answer, reply) in answers.iter_mut().zip(replies.lock().unwrap().iter_mut()) {
                if matches!(answer, Err(TryRecvError::Empty)) {
                    *answer = reply.try_recv();
                }
            }
            if !answers.iter().any(|answer| matches!(answer, Err(TryRecvError::Empty))) {
                break;
            }
            let service = self.service.as_mut().unwrap();
            if !service.is_ready() {
                sleep(Duration::from_millis(10));
            }
            service.turn(None, &mut queue, Duration::from_secs(60)).unwrap();
        }
        answers.into_iter().map(Result::ok).collect()
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
        self.service = None;
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

fn view_of(keys: &str, id: &str) -> String {
    format!(r#"{{"events":[{{{keys},"ref":"r","event_id":"{id}"}}]}}"#)
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

#[test]
fn profiles_in_different_shards_become_one() {
    let mut desk = Desk::of("merge", 8);
    for visitor in 0..8 {
        let keys = [
            format!(r#""cookie":"c{visitor}""#),
            format!(r#""customer_id":"n{visitor}""#),
            format!(r#""cookie":"c{visitor}","customer_id":"n{visitor}""#),
        ];
        let bodies: Vec<String> =
            keys.iter().enumerate().map(|(id, keys)| view_of(keys, &id.to_string())).collect();
        for body in bodies.iter().chain(&bodies) {
            assert_eq!(desk.statuses(&[(EVENTS.0, EVENTS.1, body)]), [200]);
        }
        assert_eq!(desk.views(&format!("c{visitor}")).as_deref(), Some("3"), "visitor {visitor}");
    }
}

#[test]
fn what_shards_have_to_say_to_each_other_is_said_after_a_restart() {
    let mut desk = Desk::of("resumed", 8);
    let mut left = 0;
    for visitor in 0..8 {
        let of = |keys: &str, id: &str| view_of(&keys.replace('%', &visitor.to_string()), id);
        let apart = [of(r#""cookie":"c%""#, "1"), of(r#""customer_id":"n%""#, "2")];
        for body in &apart {
            assert_eq!(desk.statuses(&[(EVENTS.0, EVENTS.1, body)]), [200]);
        }
        // It is committed, and ends before anything is said to the other shard.
        let together = of(r#""cookie":"c%","customer_id":"n%""#, "3");
        let (jobs, mut queue) = mpsc::channel(1);
        let (waiting, _reply) = desk.waiting((EVENTS.0, EVENTS.1, &together));
        assert!(jobs.try_send(waiting).is_ok());
        let service = desk.service.as_mut().unwrap();
        for _ in 0..50 {
            let first = queue.try_recv().ok();
            service.turn(first, &mut queue, Duration::from_secs(60)).unwrap();
            if service.shards.all().any(|store| store.latest_due().unwrap().is_some()) {
                left += 1;
                break;
            }
        }
        desk.start(None);
        // Sent again, it is a copy.
        assert_eq!(desk.statuses(&[(EVENTS.0, EVENTS.1, &together)]), [200]);
        for _ in 0..200 {
            if desk.views(&format!("c{visitor}")).as_deref() == Some("3") {
                break;
            }
            sleep(Duration::from_millis(10));
        }
        assert_eq!(desk.views(&format!("c{visitor}")).as_deref(), Some("3"), "visitor {visitor}");
    }
    assert!(left > 3, "only {left} of the visitors had profiles in two shards");
}

#[test]
fn a_shard_that_cannot_commit_costs_its_own_events() {
    let mut desk = Desk::of("one-fails", 8);
    let shards = &mut desk.service.as_mut().unwrap().shards;
    shards.of(3).unwrap().connection().commit_hook(Some(|| true)).unwrap();
    let bodies: Vec<String> = (0..40).map(|visitor| view(&format!("c{visitor}"), "e")).collect();
    let requests: Vec<_> = bodies.iter().map(|body| (EVENTS.0, EVENTS.1, body.as_str())).collect();
    let statuses = desk.statuses(&requests);
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!((1..20).contains(&refused), "{statuses:?}");
    // Its database was opened anew, without the hook.
    assert_eq!(desk.statuses(&requests), [200; 40]);
    for visitor in 0..40 {
        assert_eq!(desk.views(&format!("c{visitor}")).as_deref(), Some("1"), "visitor {visitor}");
    }
}

/// Only where a panic unwinds, as in `a_panic_is_one_callers_misfortune`.
#[test]
#[cfg(all(feature = "fault", panic = "unwind"))]
fn a_panic_leaves_those_behind_it_in_the_queue() {
    let mut desk = Desk::new("panic");
    let (jobs, mut queue) = mpsc::channel(2);
    let body = view("a", "one");
    let ((mut panics, reply), mut panicked) = desk.waiting((EVENTS.0, EVENTS.1, "{}"));
    panics.headers.push(("x-usher-fault".to_owned(), "body panic".to_owned()));
    let (behind, mut answer) = desk.waiting((EVENTS.0, EVENTS.1, &body));
    assert!(jobs.try_send(behind).is_ok());
    let service = desk.service.as_mut().unwrap();
    assert!(service.turn(Some((panics, reply)), &mut queue, Duration::from_secs(60)).is_err());
    assert_eq!(panicked.try_recv().map(|answer| answer.status), Ok(500));
    assert_eq!(answer.try_recv().err(), Some(TryRecvError::Empty));
    let behind = queue.try_recv().unwrap();
    desk.start(None);
    let service = desk.service.as_mut().unwrap();
    assert!(service.turn(Some(behind), &mut queue, Duration::from_secs(60)).is_ok());
    assert_eq!(answer.try_recv().map(|answer| answer.status), Ok(200));
}
