//! Two writers on one store: whatever another writer commits between the read and the commit of a message, nothing is
//! lost and nobody becomes two.

use std::cell::RefCell;
use std::fs::File;
use std::rc::Rc;

use usher_edge::limits::COMMITS_MAX;
use usher_edge::store::memory::MemoryStore;
use usher_edge::store::{Basis, CommitError, Found, Read, Store, StoreFailure, Write};

use super::super::{SqliteStore, connect};
use super::{Writer, bundle, text};

/// Both ends of one database.
pub(super) trait Shared: Store + Sized {
    fn again(&self) -> Self;
}

#[derive(Clone, Default)]
pub(super) struct Memory(Rc<RefCell<MemoryStore>>);

impl Store for Memory {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        self.0.borrow_mut().read(read)
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.0.borrow_mut().stage(basis, write)
    }

    fn undo(&mut self) {
        self.0.borrow_mut().undo();
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.0.borrow_mut().commit(basis, write)
    }
}

impl Shared for Memory {
    fn again(&self) -> Memory {
        self.clone()
    }
}

impl Shared for SqliteStore {
    fn again(&self) -> SqliteStore {
        let lock = File::open(&self.database).expect("it is there");
        let connection = connect(&self.database).expect("a second connection");
        SqliteStore {
            connection: Some(connection),
            group: None,
            doubt: None,
            database: self.database.clone(),
            is_new: false,
            erasing: crate::store::Erasing::default(),
            spent: self.spent,
            _lock: Some(lock),
        }
    }
}

/// A store before whose commits another writer serves a request of its own, `times` times.
pub(super) struct Contested<'a, S> {
    own: S,
    rival: Writer<S>,
    pub(super) request: (&'a str, &'a str, &'a str),
    pub(super) times: usize,
}

impl<S: Shared> Store for Contested<'_, S> {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        self.own.read(read)
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.let_rival_come();
        self.own.stage(basis, write)
    }

    fn undo(&mut self) {
        self.own.undo();
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.let_rival_come();
        self.own.commit(basis, write)
    }
}

impl<S: Shared> Contested<'_, S> {
    fn let_rival_come(&mut self) {
        if self.times > 0 {
            self.times -= 1;
            let (method, target, body) = self.request;
            let accepted = self.rival.ask(method, target, body);
            assert_eq!(accepted.status, 200, "{}", String::from_utf8_lossy(&accepted.body));
        }
    }
}

/// Two writers of one store that runs the bundle, the second of which comes before the first one's next commits with
/// this request.
pub(super) fn contested<'a, S: Shared>(
    store: S,
    bundle: &str,
    request: (&'a str, &'a str, &'a str),
    times: usize,
) -> Writer<Contested<'a, S>> {
    let calls = Rc::default();
    let mut rival = Writer::start(store.again(), &calls);
    assert_eq!(rival.ask("PUT", "/v1/audiences/7/bundle", bundle).status, 200);
    Writer::start(Contested { own: store, rival, request, times }, &calls)
}

/// Runs one check on the reference store and on SQLite, with a connection for each writer there.
macro_rules! on_both {
    ($name:ident, $check:ident) => {
        #[test]
        fn $name() {
            $check($crate::store::trials::two_writers::Memory::default());
            let directory =
                std::env::temp_dir().join(format!("usher-{}-{}", stringify!($name), std::process::id()));
            $check($crate::store::SqliteStore::open(&directory).unwrap());
            std::fs::remove_dir_all(directory).unwrap();
        }
    };
}
pub(super) use on_both;

const VIEW: &str = r#"{"events":[{"cookie":"c","ref":"own","event_id":"own"}]}"#;
const OTHER_VIEW: (&str, &str, &str) =
    ("POST", "/web/views", r#"{"events":[{"cookie":"c","ref":"rival","event_id":"rival"}]}"#);

on_both!(events_of_both_are_counted, both_count);
fn both_count(store: impl Shared) {
    // The first event of a visitor: without a look at the key there would be two of them. Then one that is known.
    let mut writer = contested(store, &bundle("home"), OTHER_VIEW, 1);
    let accepted = writer.ask("POST", "/web/views", VIEW);
    assert_eq!((accepted.status, text(&accepted)), (200, r#"{"receipts":[{"success":true}]}"#.to_owned()));
    assert!(writer.offer("cookie", "c").contains(r#""views":2"#), "{}", writer.offer("cookie", "c"));
    writer.store.times = 1;
    writer.store.request.2 = r#"{"events":[{"cookie":"c","ref":"rival","event_id":"r2"}]}"#;
    writer.ask("POST", "/web/views", r#"{"events":[{"cookie":"c","ref":"own","event_id":"o2"}]}"#);
    assert!(writer.offer("cookie", "c").contains(r#""views":4"#), "{}", writer.offer("cookie", "c"));
}

on_both!(one_event_at_both_is_counted_once, once);
fn once(store: impl Shared) {
    let mut writer = contested(store, &bundle("home"), ("POST", "/web/views", VIEW), 1);
    let accepted = writer.ask("POST", "/web/views", VIEW);
    assert_eq!(text(&accepted), r#"{"receipts":[{"success":true,"notes":["duplicate"]}]}"#);
    assert!(writer.offer("cookie", "c").contains(r#""views":1"#), "{}", writer.offer("cookie", "c"));
}

on_both!(a_key_that_a_rival_took_is_found, joined);
fn joined(store: impl Shared) {
    // The rival finds out whose cookie it is while an import makes a profile of the same customer.
    let event = r#"{"events":[{"cookie":"c","customer_id":"k","ref":"rival"}]}"#;
    let mut writer = contested(store, &bundle("home"), ("POST", "/web/views", event), 1);
    let import =
        writer.ask("POST", "/v1/audiences/7/profiles/import", r#"{"customer_id":"k","tier":"gold"}"#);
    assert_eq!(import.status, 200, "{}", text(&import));
    for (key, value) in [("cookie", "c"), ("customer_id", "k")] {
        let offer = writer.offer(key, value);
        assert!(offer.contains(r#""views":1"#) && offer.contains("gold"), "{offer}");
    }
}

on_both!(bundles_of_both_have_numbers, numbered);
fn numbered(store: impl Shared) {
    let (rival, own) = (bundle("rivals"), bundle("own"));
    let mut writer = contested(store, &bundle("home"), ("PUT", "/v1/audiences/7/bundle", &rival), 1);
    let put = writer.ask("PUT", "/v1/audiences/7/bundle", &own);
    assert!(text(&put).contains(r#""number":3"#), "{}", text(&put));
    let history = text(&writer.ask("GET", "/v1/audiences/7/bundles", ""));
    assert_eq!(history.matches(r#""hash""#).count(), 3, "{history}");
}

on_both!(who_never_comes_first_is_told_so, refused);
fn refused(store: impl Shared) {
    // Each event of the rival is later than the one before it, so that each is a commit.
    let mut writer = contested(store, &bundle("home"), OTHER_VIEW, 1_000);
    let accepted = writer.ask("POST", "/web/views", VIEW);
    assert_eq!(accepted.status, 503, "{}", text(&accepted));
    assert_eq!(writer.store.times, 1_000 - COMMITS_MAX);
    // Nothing of it was stored.
    writer.store.times = 0;
    assert!(writer.offer("cookie", "c").contains(r#""views":1"#), "{}", writer.offer("cookie", "c"));
    assert_eq!(text(&writer.ask("POST", "/web/views", VIEW)), r#"{"receipts":[{"success":true}]}"#);
}
