//! The place of a message among shards, and what it knows of keys and profiles elsewhere (docs/shards.md).

use usher_engine::ProfileId;
use usher_engine::gather::Gather;

use crate::edge::Edge;
use crate::error::Refusal;
use crate::form::Form;
use crate::keys::{Signer, profile_hash};
use crate::log::{Line, SHARD_RESTORED};
use crate::message::shards::{Ask, Card, Erasure, Facts, KeyState, Listed, Refusing, ToShard};
use crate::message::{
    KeyOf, Message, OfTable, Part, Place, Received, Route, SnapshotRow, TableAct, ToWriter,
};
use crate::outcome::{Answered, Folded, Outcome, Question};
use crate::plane::{DECIDES, HAS_SHARDS};
use crate::shard;
use crate::store::shards::{OutboxRow, ShardFound, ShardRead};
use crate::store::tables::RowName;
use crate::store::{ErasedKey, Write};
use crate::wire::Response;
use crate::wire::frame::FrameReader;

/// The answer where a shard was restored to an earlier time than the others: nothing is done.
pub(super) fn restored() -> Folded {
    let response = Response::problem(Refusal::SHARD_RESTORED, None);
    Outcome { write: Write::default(), response, log: vec![Line::of(SHARD_RESTORED)] }.done()
}

/// The place of a message among shards, and the answers to its questions so far.
#[derive(Debug)]
pub(crate) struct Across {
    pub(super) route: Route,
    /// None: the message is whole.
    pub(super) part: Option<Part>,
    form: Form,
    signer: Signer,
    known: Known,
    /// True if nothing may be asked any more.
    is_last: bool,
    /// True if whom a restored shard has lost is nobody.
    pub(super) lost_begin_anew: bool,
}

/// Answers of other shards. Of two about one thing the later counts; None: there was none.
#[derive(Debug, Default)]
struct Known {
    keys: Vec<(KeyOf, Option<KeyState>)>,
    /// The profiles for which this message has claimed keys, whether or not it was answered.
    claimed: Vec<(String, Place)>,
    cards: Vec<(String, Place, Option<Card>)>,
    /// True if a profile lists a key. The inner None: it is not where it was asked.
    listed: Vec<(KeyOf, Listed, Option<Option<bool>>)>,
    /// Messages that were handed on.
    handed: Vec<(Received, Option<Response>)>,
    /// Keys that were erased, as their homes say.
    erased: Vec<(KeyOf, Erasure)>,
    /// Keys whose homes were asked to refuse what is older than their erasure.
    refusing: Vec<(KeyOf, Option<Refusing>)>,
    /// Rows of other shards; None: the shard did not answer.
    rows: Vec<(RowName, Option<SnapshotRow>)>,
    /// What was asked about tables, each with its shard.
    of_tables: Vec<(u32, OfTable, Option<Response>)>,
}

impl Across {
    /// None where there is one shard, which knows everything itself.
    pub(super) fn new(
        edge: &Edge,
        to: Route,
        part: Option<Part>,
        answers: &[Answered],
        is_last: bool,
    ) -> Option<Across> {
        if !HAS_SHARDS || to.shards <= 1 {
            return None;
        }
        let signer = edge.keyring()?.signer.clone();
        let known = if DECIDES { Known::of(answers) } else { Known::default() };
        let lost_begin_anew = edge.lost_begin_anew();
        Some(Across { route: to, part, form: edge.form(), signer, known, is_last, lost_begin_anew })
    }

    /// The same, where whom a restored shard has lost is refused whatever the setting says.
    pub(super) fn refusing_lost(self) -> Across {
        Across { lost_begin_anew: false, ..self }
    }

    /// The shard that decides whose a key is.
    pub(super) fn home(&self, key: &KeyOf) -> u32 {
        shard::of_key(&key.audience, Some((&key.name, &key.value)), self.route.shards)
    }

    pub(super) fn is_home(&self, key: &KeyOf) -> bool {
        self.home(key) == self.route.shard
    }

    /// A profile of this shard.
    pub(super) fn here(&self, id: ProfileId) -> Place {
        Place { id: id.0, shard: self.route.shard }
    }

    /// The name of a key in a pointer.
    pub(super) fn hash(&self, key: &KeyOf) -> [u8; 16] {
        self.signer.key_hash(&key.audience, &key.name, &key.value)
    }

    /// The name of a row that says by which generation of a key nobody here must list it any more.
    pub(super) fn fence(&self, key: &KeyOf) -> [u8; 16] {
        self.hash(key).map(|byte| !byte)
    }

    /// True if a token names this profile.
    pub(super) fn is_named(&self, profile: [u8; 16], seen: [u8; 16]) -> bool {
        profile_hash(ProfileId(profile), &self.signer) == seen
    }

    /// The rows for a message that reads these keys, with the profiles of this shard that other shards named.
    pub(super) fn read(&self, keys: Vec<KeyOf>) -> ShardRead {
        let mut pointers: Vec<(String, [u8; 16])> =
            keys.iter().map(|key| (key.audience.clone(), self.hash(key))).gather();
        // Nobody fences a key in its home.
        let elsewhere = keys.iter().filter(|key| !self.is_home(key));
        pointers.extend(elsewhere.map(|key| (key.audience.clone(), self.fence(key))));
        let mut ids: Vec<(String, [u8; 16])> = Vec::new();
        let mut add = |audience: &str, place: Place| {
            let id = (audience.to_owned(), place.id);
            if place.shard == self.route.shard && !ids.contains(&id) {
                ids.push(id);
            }
        };
        for (key, state) in &self.known.keys {
            state.and_then(|state| state.holder).into_iter().for_each(|place| add(&key.audience, place));
        }
        // Its id may be void by now.
        self.known.claimed.iter().for_each(|(audience, place)| add(audience, *place));
        for (audience, place, card) in &self.known.cards {
            add(audience, *place);
            if let Some(Card::Moved(to)) = card {
                add(audience, *to);
            }
        }
        ShardRead { keys, pointers, ids, ..ShardRead::default() }
    }

    /// The same with which of the keys were erased.
    pub(super) fn read_unerased(&self, keys: Vec<KeyOf>) -> ShardRead {
        ShardRead { names: self.names(&keys), ..self.read(keys) }
    }

    /// The names of keys in caches, and of their suppressions.
    pub(super) fn names(&self, keys: &[KeyOf]) -> Vec<String> {
        keys.iter().map(|key| self.name(key)).gather()
    }

    pub(super) fn name(&self, key: &KeyOf) -> String {
        self.signer.snapshot_name(&key.audience, &key.name, &key.value)
    }

    /// The keys of a read that were erased, as this shard and their homes say, each once.
    pub(super) fn unite_erased(&self, keys: &[KeyOf], found: &ShardFound) -> Vec<ErasedKey> {
        let mut all = found.erased.clone();
        for (key, Erasure { at_ms, imports }) in &self.known.erased {
            let Some(index) = keys.iter().position(|known| known == key) else { continue };
            match all.iter_mut().find(|known| known.key == index) {
                Some(known) => {
                    known.at_ms = known.at_ms.max(*at_ms);
                    known.imports |= imports;
                }
                None => all.push(ErasedKey { key: index, at_ms: *at_ms, imports: *imports }),
            }
        }
        all
    }

    /// The last erasure of a key, as its home says.
    pub(super) fn erased(&self, key: &KeyOf) -> Option<Erasure> {
        let of_key = self.known.erased.iter().filter(|(known, _)| known == key);
        of_key.map(|(_, erased)| *erased).reduce(Erasure::and)
    }

    /// The word of a key's home that it refuses what is older than its erasure. None: it was not asked. The inner None: it does
    /// not answer.
    pub(super) fn refusing(&self, key: &KeyOf) -> Option<Option<Refusing>> {
        self.known.refusing.iter().rev().find(|(known, _)| known == key).map(|(_, word)| *word)
    }

    pub(super) fn key(&self, key: &KeyOf) -> Option<Option<KeyState>> {
        self.known.keys.iter().rev().find(|(known, _)| known == key).map(|(_, state)| *state)
    }

    /// True if no profile had a key when its home was asked first: later answers include the claim of this message.
    pub(super) fn was_nobodys(&self, key: &KeyOf) -> bool {
        let first = self.known.keys.iter().find(|(known, _)| known == key);
        matches!(first, Some((_, Some(KeyState { holder: None, before: None, .. }))))
    }

    pub(super) fn card(&self, audience: &str, place: Place) -> Option<Option<&Card>> {
        let is = |(known, at, _): &&(String, Place, Option<Card>)| known == audience && *at == place;
        self.known.cards.iter().rev().find(is).map(|(_, _, card)| card.as_ref())
    }

    /// True if the profile of this id lists a key, as it was asked for a pointer of this generation. Of an earlier one it says
    /// nothing any more.
    pub(super) fn listed(&self, key: &KeyOf, id: [u8; 16], generation: u64) -> Option<Option<Option<bool>>> {
        let is = |(known, of, _): &&(KeyOf, Listed, Option<Option<bool>>)| {
            known == key && (of.profile, of.generation) == (id, generation)
        };
        self.known.listed.iter().rev().find(is).map(|(_, _, listed)| *listed)
    }

    /// The shard that has a row of a table.
    pub(super) fn shard_of_row(&self, name: &RowName) -> u32 {
        shard::of_row(&name.audience, &name.table, &name.key, self.route.shards)
    }

    pub(super) fn has_row(&self, name: &RowName) -> bool {
        self.shard_of_row(name) == self.route.shard
    }

    /// A row of another shard, whose columns are empty where there is none. None: it was not asked. The inner None: it did not
    /// answer.
    pub(super) fn row(&self, name: &RowName) -> Option<Option<&SnapshotRow>> {
        let row = self.known.rows.iter().rev().find(|(known, _)| known == name);
        row.map(|(_, row)| row.as_ref())
    }

    /// A shard's answer to a message about a table. None: it was not asked. The inner None: it did not answer.
    pub(super) fn asked_of_table(
        &self,
        shard: u32,
        is: impl Fn(&OfTable) -> bool,
    ) -> Option<Option<&Response>> {
        let asked = self.known.of_tables.iter().rev().find(|(of, asked, _)| *of == shard && is(asked));
        asked.map(|(_, _, response)| response.as_ref())
    }

    /// The answers to messages that this one handed on, as they were sent.
    pub(super) fn handed(&self) -> impl DoubleEndedIterator<Item = &(Received, Option<Response>)> {
        self.known.handed.iter()
    }

    /// The places of what was handed on in parts, ascending.
    pub(super) fn handed_lines(&self) -> Vec<usize> {
        let parts = self.handed().filter_map(|(sent, _)| sent.part.as_ref());
        let lines = parts.flat_map(|part| part.places.iter().map(|(line, _)| *line));
        let mut lines: Vec<usize> = lines.filter_map(|line| usize::try_from(line).ok()).collect();
        lines.sort_unstable();
        lines
    }

    /// True if no question may follow: what is not known by now is a storage failure.
    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    /// The question that hands on a message, or a part of one.
    pub(super) fn hand_on(&self, to: u32, message: ToWriter, part: Part) -> Question {
        let message = Message::Writer(message).encode(self.form);
        let to = Route { shard: to, ..self.route };
        Question { shard: to.shard, message: to.address(message, Some(&part)) }
    }

    /// A question for a shard.
    pub(super) fn question(&self, to: u32, message: ToShard) -> Question {
        Question { shard: to, message: self.encode(to, message) }
    }

    fn encode(&self, to: u32, message: ToShard) -> Vec<u8> {
        let to = Route { shard: to, ..self.route };
        to.address(Message::Writer(ToWriter::Shard(message)).encode(self.form), None)
    }

    /// A message that is sent until it is answered.
    pub(super) fn stored(&self, to: u32, message: ToShard, now_ms: i64) -> OutboxRow {
        let is_awaited = !matches!(message, ToShard::Committed(_));
        OutboxRow { shard: to, message: self.encode(to, message), due_ms: now_ms, is_awaited }
    }
}

impl Known {
    fn of(answers: &[Answered]) -> Known {
        let mut known = Known::default();
        for Answered { question, response } in answers {
            let Ok(asked) = Message::decode(&question.message) else { continue };
            let body =
                response.as_ref().filter(|response| response.status == 200).map(|response| &*response.body);
            match asked.message {
                Message::Writer(ToWriter::Shard(ToShard::Ask(ask))) => {
                    known.learn(ask, question.shard, body.and_then(Facts::decode));
                }
                Message::Writer(ToWriter::Shard(ToShard::Claim(claim))) => {
                    let mut r = FrameReader(body.unwrap_or_default());
                    let state = KeyState::read(&mut r);
                    let erased = Erasure::read(&mut r).flatten();
                    let committed = r.byte().is_some_and(|byte| byte != 0);
                    let state = state.map(|state| KeyState { committed, ..state });
                    known.erased.extend(erased.map(|erased| (claim.key.clone(), erased)));
                    known.claimed.push((claim.key.audience.clone(), claim.to));
                    known.keys.push((claim.key, state));
                }
                Message::Writer(ToWriter::Shard(ToShard::Suppress(suppress))) => {
                    let words = body.and_then(Refusing::list);
                    for (at, (name, value)) in suppress.keys.into_iter().enumerate() {
                        let key = KeyOf { audience: suppress.audience.clone(), name, value };
                        let word = words.as_ref().and_then(|words| words.get(at)).copied();
                        known.refusing.push((key, word));
                    }
                }
                Message::Writer(ToWriter::Table(of_table)) => {
                    match of_table.into_inner().map(|of_table| *of_table) {
                        Some(OfTable { audience, act: TableAct::Find(find), .. }) => {
                            known.learn_rows(&audience, find, body);
                        }
                        Some(of_table) => known.of_tables.push((question.shard, of_table, response.clone())),
                        None => {}
                    }
                }
                _ => known.handed.push((asked, response.clone())),
            }
        }
        known
    }

    fn learn_rows(&mut self, audience: &str, find: Vec<(String, String)>, body: Option<&[u8]>) {
        let rows = body.and_then(|body| {
            FrameReader(body).list(|r| Some((r.long()?, r.bytes()?.to_vec(), r.bytes()?.to_vec())))
        });
        for (at, (table, key)) in find.into_iter().enumerate() {
            let row = rows.as_ref().and_then(|rows| rows.get(at)).cloned();
            let name = RowName { audience: audience.to_owned(), table: table.clone(), key: key.clone() };
            let row =
                row.map(|(at_ms, version, columns)| SnapshotRow { table, key, at_ms, version, columns });
            self.rows.push((name, row));
        }
    }

    fn learn(&mut self, ask: Ask, shard: u32, facts: Option<Facts>) {
        let Ask { audience, keys, profiles, listed, .. } = ask;
        let of_listed = facts.as_ref().map(|facts| facts.listed.clone());
        for (at, listed) in listed.into_iter().enumerate() {
            let (name, value) = listed.key.clone();
            let key = KeyOf { audience: audience.clone(), name, value };
            let fact = of_listed.as_ref().and_then(|facts| facts.get(at)).copied();
            self.listed.push((key, listed, fact));
        }
        let erased = facts.as_ref().map(|facts| facts.erased.clone()).unwrap_or_default();
        let mut facts = facts.map(|facts| (facts.keys.into_iter(), facts.cards.into_iter()));
        for (at, (name, value)) in keys.into_iter().enumerate() {
            let fact = facts.as_mut().and_then(|(keys, _)| keys.next());
            if let Some((KeyState { holder: Some(at), .. }, Some(card))) = &fact {
                self.cards.push((audience.clone(), *at, Some(card.clone())));
            }
            let key = KeyOf { audience: audience.clone(), name, value };
            self.erased.extend(erased.get(at).copied().flatten().map(|erased| (key.clone(), erased)));
            self.keys.push((key, fact.map(|(state, _)| state)));
        }
        for id in profiles {
            let card = facts.as_mut().and_then(|(_, cards)| cards.next());
            self.cards.push((audience.clone(), Place { id, shard }, card));
        }
    }
}

/// A key that moves here, with the generation of its pointer.
pub(super) struct Moved {
    pub(super) key: KeyOf,
    pub(super) from: Place,
    pub(super) generation: u64,
}
