//! A deployment as on Cloudflare: fronts, one object that writes, one that controls, copies in isolates and KV.
//!
//! The service's own code runs for each step. The steps between are those of the Cloudflare entry (`index.js`,
//! `pointers.js`, `snapshots.js`, `store.js`), which is JavaScript and cannot run here.

use usher_edge::host::Request;
use usher_edge::lookup::{self, Candidate};
use usher_edge::message::Route;
use usher_edge::store::{Basis, CommitError, Found, Pointer};
use usher_edge::{DROPPED, FORGET, Folded, Question, Response, Step, drive, front, message};

use crate::deployment::headers;
use crate::isolate::POINTERS_MS;
use crate::planted::Bug;
use crate::setting::Fault;
use crate::world::{Due, Exchange, Heard, Stage, World};

/// One of the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// The writer of a shard's profiles.
    Writer(u32),
    /// The control object.
    Control,
}

/// The progress of a lookup.
pub struct Looking {
    /// The name of the snapshot in caches.
    pub name: Option<String>,
    /// For the writer.
    pub message: Vec<u8>,
    /// The writer's shard.
    pub shard: u32,
    /// The isolate's count of invalidations when it began.
    pub before: u64,
    /// The copy from KV, if it was asked.
    pub kept: Option<Vec<u8>>,
}

/// The end of a try to handle a message.
enum Handled {
    Answer(Response),
    /// The isolate has to catch up; holds the message that raises the number.
    Behind(Vec<u8>),
    /// The object died.
    Died,
}

impl World {
    /// One step of a request.
    pub fn step_at_objects(&mut self, id: u64, mut exchange: Exchange) -> Option<(Exchange, i64)> {
        let way = self.way_ms();
        if !self.is_calm && self.meets(Fault::Crash) && self.chance.percent(10) {
            let setting = self.isolates[exchange.isolate].setting;
            self.crash(exchange.isolate, setting);
            return None;
        }
        match std::mem::replace(&mut exchange.stage, Stage::Front) {
            Stage::Front => self.front(id, exchange),
            Stage::Putting => {
                let step = self.ask_front(&exchange);
                let Step::Publish { message, restore, .. } = step else {
                    return self.answer_step(id, exchange, step);
                };
                if let Some(restore) = restore {
                    self.tell(Object::Control, &restore);
                }
                exchange.stage = Stage::AtObject(Object::Control, message, 0);
                Some((exchange, way))
            }
            Stage::AtObject(object, message, attempt) => {
                self.at_object(id, exchange, object, message, attempt, way)
            }
            Stage::FromObject(object, response) => self.answer_from_object(id, exchange, object, response),
            Stage::Looking(looking) => self.look(id, exchange, looking, way),
            Stage::Parts(parts) => {
                let response = self.joined(&exchange, parts);
                self.answer_from_object(id, exchange, Object::Writer(0), response)
            }
            Stage::Shared(_) | Stage::Home(_) => None,
        }
    }

    /// The front's next step, with what the isolate knows now.
    pub fn ask_front(&mut self, exchange: &Exchange) -> Step {
        let call = &self.calls[exchange.call];
        let headers = headers(call.caller);
        let (method, target, body, ambient) =
            (call.method, call.target.as_str(), call.body.as_slice(), exchange.ambient);
        let request = Request { method, target, headers: &headers, body, ambient };
        let edge = &mut self.isolates[exchange.isolate].edge;
        match front::handle(edge, &request) {
            Step::Respond(response) => Step::Respond(front::charge(edge, &request.head(), response)),
            step => step,
        }
    }

    /// The refusal of a request that failed here.
    pub fn failed(&self, exchange: &Exchange) -> Response {
        let call = &self.calls[exchange.call];
        let headers = headers(call.caller);
        let (method, target, body, ambient) =
            (call.method, call.target.as_str(), call.body.as_slice(), exchange.ambient);
        let request = Request { method, target, headers: &headers, body, ambient };
        front::failed(&self.isolates[exchange.isolate].edge, &request.head(), usher_edge::Refusal::STORAGE)
    }

    fn front(&mut self, id: u64, mut exchange: Exchange) -> Option<(Exchange, i64)> {
        let index = exchange.isolate;
        exchange.ambient.now_ms = self.clock(index);
        let (is_known, checked_ms) = (self.isolates[index].is_known, self.isolates[index].checked_ms);
        if !is_known {
            self.refresh(index);
        } else if exchange.ambient.now_ms - checked_ms >= POINTERS_MS {
            self.isolates[index].checked_ms = exchange.ambient.now_ms;
            let (isolate, epoch, way) = (index, self.isolates[index].epoch, self.way_ms());
            self.schedule(way, Due::Refresh { isolate, epoch });
        }
        let step = self.ask_front(&exchange);
        let way = self.way_ms();
        match step {
            Step::Write { shard, message } => {
                self.check_message(&message);
                self.give_to_writer(id, exchange, shard, message, way)
            }
            Step::Split(mut split) => {
                let parts = std::mem::take(&mut split.parts);
                self.give_to_shards(id, exchange, parts, Some(split))
            }
            Step::Control { message } => {
                self.check_message(&message);
                exchange.stage = Stage::AtObject(Object::Control, message, 0);
                Some((exchange, way))
            }
            Step::Publish { hash, body, message, .. } => {
                self.check_message(&message);
                let (location, now_ms) = (self.isolates[index].location, self.now_ms);
                if self.meets(Fault::Kv) {
                    self.say(|| format!("#{id}: KV does not take the bundle"));
                    let response = self.failed(&exchange);
                    return self.answer(id, exchange, response);
                }
                self.kv.put(location, &format!("bundle/{hash}"), Some(&body), now_ms);
                exchange.stage = Stage::Putting;
                Some((exchange, way))
            }
            Step::LookUp(pending) => {
                if let Err(refused) = lookup::meter(&mut self.isolates[index].edge, &pending) {
                    return self.answer(id, exchange, refused);
                }
                let isolate = &self.isolates[index];
                let (name, message) = (pending.cache_key(&isolate.edge), pending.message(&isolate.edge));
                let near = name.as_ref().and_then(|name| isolate.copies.get(name));
                let answered = near.and_then(|near| {
                    let (candidate, forgotten_ms) = (Candidate::Memory(near), isolate.copies.forgotten_ms);
                    lookup::answer(&isolate.edge, &pending, candidate, forgotten_ms)
                });
                if let Some(response) = answered {
                    exchange.copied_at = name.as_ref().and_then(|name| isolate.copies.kept_at(name));
                    return self.answer(id, exchange, response);
                }
                let before = isolate.copies.invalidations;
                let shard = pending.shard;
                exchange.stage = Stage::Looking(Looking { name, message, shard, before, kept: None });
                Some((exchange, way))
            }
            step => self.answer_step(id, exchange, step),
        }
    }

    fn answer_step(&mut self, id: u64, exchange: Exchange, step: Step) -> Option<(Exchange, i64)> {
        let response = match step {
            Step::Respond(response) => response,
            _ => self.failed(&exchange),
        };
        self.answer(id, exchange, response)
    }

    /// The previous release reads messages of form 1 alone, which begin with their tag.
    fn check_message(&mut self, message: &[u8]) {
        if self.setting.only_form_1 && message.first().is_none_or(|first| *first >= 0x80) {
            self.fail("a message has a form that the previous release does not read");
        }
    }

    /// KV, then the writer.
    fn look(
        &mut self,
        id: u64,
        exchange: Exchange,
        mut looking: Looking,
        way: i64,
    ) -> Option<(Exchange, i64)> {
        let index = exchange.isolate;
        if let Some(name) = looking.name.clone() {
            let (is_down, is_late) = (self.meets(Fault::Kv), self.meets(Fault::Kv));
            let (location, now_ms) = (self.isolates[index].location, self.now_ms);
            let kept = match is_down {
                true => None,
                false => self.kv.get(location, &name, now_ms, is_late, &mut self.chance),
            };
            if let Some(kept) = kept {
                if let Some(response) = self.answer_from(&exchange, Candidate::Kv(&kept)) {
                    if self.isolates[index].copies.invalidations == looking.before {
                        self.isolates[index].copies.keep(&name, &kept, self.steps);
                    }
                    return self.answer(id, exchange, response);
                }
                looking.kept = Some(kept.to_vec());
            }
        }
        let message = looking.message.clone();
        self.check_message(&message);
        // The lookup waits at the object with what it knows: the stage keeps both.
        let shard = looking.shard;
        self.lookups.insert(id, looking);
        self.give_to_writer(id, exchange, shard, message, way)
    }

    /// To the writer of a shard.
    fn give_to_writer(
        &mut self,
        id: u64,
        mut exchange: Exchange,
        shard: u32,
        message: Vec<u8>,
        way: i64,
    ) -> Option<(Exchange, i64)> {
        if self.setting.shards > 1 {
            return self.give_to_shards(id, exchange, vec![Question { shard, message }], None);
        }
        exchange.stage = Stage::AtObject(Object::Writer(0), message, 0);
        Some((exchange, way))
    }

    /// After a wait the front runs again, because a bundle may have come between.
    fn answer_from(&mut self, exchange: &Exchange, candidate: Candidate<'_>) -> Option<Response> {
        let Step::LookUp(pending) = self.ask_front(exchange) else { return None };
        let isolate = &self.isolates[exchange.isolate];
        lookup::answer(&isolate.edge, &pending, candidate, isolate.copies.forgotten_ms)
    }

    fn at_object(
        &mut self,
        id: u64,
        mut exchange: Exchange,
        object: Object,
        message: Vec<u8>,
        attempt: usize,
        way: i64,
    ) -> Option<(Exchange, i64)> {
        if attempt == 0 && self.meets(Fault::Lost) {
            self.say(|| format!("#{id} does not reach the {object:?}"));
            return self.no_answer_from_object(exchange, object, &message);
        }
        let events = self.calls[exchange.call].events.clone();
        let number = exchange.call;
        match self.handle(object, &message, attempt, &events, Some((number, &mut exchange))) {
            Handled::Answer(response) => {
                self.say(|| format!("#{id}: the {object:?} answers {}", response.status));
                if self.meets(Fault::Lost) {
                    self.say(|| format!("#{id}: that answer is lost"));
                    return self.no_answer_from_object(exchange, object, &message);
                }
                exchange.stage = Stage::FromObject(object, response);
                Some((exchange, way))
            }
            Handled::Behind(raise) => {
                self.say(|| format!("#{id}: the {object:?} must catch up first"));
                if attempt >= 2 {
                    return self.no_answer_from_object(exchange, object, &message);
                }
                if attempt == 1 {
                    self.tell(Object::Control, &raise);
                }
                self.refresh(self.places[self.number(object)]);
                exchange.stage = Stage::AtObject(object, message, attempt + 1);
                Some((exchange, way))
            }
            Handled::Died => {
                self.say(|| format!("#{id}: the {object:?} dies"));
                self.no_answer_from_object(exchange, object, &message)
            }
        }
    }

    fn no_answer_from_object(
        &mut self,
        mut exchange: Exchange,
        object: Object,
        message: &[u8],
    ) -> Option<(Exchange, i64)> {
        let response = drive::unavailable(&mut self.isolates[exchange.isolate].edge, message);
        // It hears of no move.
        exchange.moved.clear();
        exchange.stage = Stage::FromObject(object, response);
        let way = self.way_ms();
        Some((exchange, way))
    }

    fn answer_from_object(
        &mut self,
        id: u64,
        exchange: Exchange,
        object: Object,
        mut response: Response,
    ) -> Option<(Exchange, i64)> {
        let index = exchange.isolate;
        if let Some(looking) = self.lookups.remove(&id) {
            let response = self.end_lookup(&exchange, looking, response);
            return self.answer(id, exchange, response);
        }
        let take = |response: &mut Response, name: &str| {
            let at = response.headers.iter().position(|(known, _)| *known == name)?;
            Some(response.headers.remove(at).1)
        };
        let (location, now_ms) = (self.isolates[index].location, self.now_ms);
        if let Some(forgotten) = take(&mut response, FORGET) {
            let (names, tombstone) = self.isolates[index].copies.invalidate(&forgotten);
            for name in names {
                if !self.meets(Fault::Kv) {
                    self.kv.put(location, &name, tombstone.as_deref(), now_ms);
                }
            }
        }
        // Who hears of a move has no copy of before any more, whether or not the answer said so.
        for (key, whose) in exchange.moved.clone() {
            if self.holders.get(&key) != Some(&whose) {
                self.heard.push(Heard { isolate: index, key, whose, at: self.steps });
            }
        }
        if object == Object::Control {
            self.refresh(index);
            if let Some(dropped) = take(&mut response, DROPPED) {
                for hash in dropped.split(',') {
                    self.kv.put(location, &format!("bundle/{hash}"), None, now_ms);
                }
            }
        }
        self.answer(id, exchange, response)
    }

    /// A lookup has the writer's answer, or none.
    fn end_lookup(&mut self, exchange: &Exchange, looking: Looking, response: Response) -> Response {
        let index = exchange.isolate;
        let Looking { name, before, kept, .. } = looking;
        if response.status == 200 {
            let found = response.headers.iter().find(|(known, _)| *known == "usher-snapshot");
            let found = found.map(|(_, found)| found.clone());
            let (location, now_ms) = (self.isolates[index].location, self.now_ms);
            let (copies, steps) = (&mut self.isolates[index].copies, self.steps);
            if let (Some(_), Some(found)) = (&name, &found)
                && copies.invalidations == before
            {
                copies.keep(found, &response.body, steps);
                if !self.meets(Fault::Kv) {
                    self.kv.put(location, found, Some(&response.body), now_ms);
                }
            }
            if let Some(name) = name.as_ref().filter(|name| found.as_ref() != Some(*name)) {
                self.isolates[index].copies.forget(name);
            }
            if let Some(answer) = self.answer_from(exchange, Candidate::Writer(&response.body)) {
                return answer;
            }
        }
        let old = kept.and_then(|kept| self.answer_from(exchange, Candidate::Stale(&kept)));
        let nothing = |world: &mut World| world.answer_from(exchange, Candidate::Nothing);
        old.or_else(|| nothing(self)).unwrap_or_else(|| self.failed(exchange))
    }

    /// A message that nobody waits for long: it arrives, or does not.
    pub fn tell(&mut self, object: Object, message: &[u8]) -> Option<Response> {
        if self.meets(Fault::Lost) {
            return None;
        }
        match self.handle(object, message, 0, &[], None) {
            Handled::Answer(response) => Some(response),
            Handled::Behind(_) | Handled::Died => None,
        }
    }

    /// An object handles a message: nothing comes between its read and its write.
    fn handle(
        &mut self,
        object: Object,
        message: &[u8],
        attempt: usize,
        events: &[usize],
        mut exchange: Option<(usize, &mut Exchange)>,
    ) -> Handled {
        let disk = self.number(object);
        let place = self.places[disk];
        if !self.meet_at_object(object) {
            return Handled::Answer(drive::unavailable(&mut self.isolates[place].edge, message));
        }
        let edge = &mut self.isolates[place].edge;
        let opened = if attempt > 0 { drive::open_again(edge, message) } else { drive::open(edge, message) };
        let mut opened = match opened {
            Ok(opened) => opened,
            Err(response) => return Handled::Answer(response),
        };
        let outcome = loop {
            let found = match &opened.read {
                None => Found::Profiles(Vec::new()),
                Some(read) => match self.read(disk, read) {
                    Ok(found) => found,
                    Err(failure) => {
                        self.log(&failure.to_string());
                        let edge = &mut self.isolates[place].edge;
                        return Handled::Answer(drive::unavailable(edge, message));
                    }
                },
            };
            let edge = &mut self.isolates[place].edge;
            match drive::fold(edge, &mut opened, found) {
                Folded::NeedsNewerBundle { audience, number } => {
                    return Handled::Behind(message::raise(&audience, number, edge.form()));
                }
                Folded::Done(outcome) => break outcome,
                // It knows the sizes of its profiles now, which are small here.
                Folded::Part(write) if write.is_empty() => {}
                _ => {
                    self.fail("a message has to be opened again, with nothing between");
                    return Handled::Died;
                }
            }
        };
        let dies_before = self.meets(Fault::Crash);
        if dies_before && !self.has(Bug::AcknowledgesFirst) {
            self.die(object);
            return Handled::Died;
        }
        if !outcome.write.is_empty() && !dies_before {
            // There is no other writer, so nothing is checked.
            self.standing = self.isolates[place].standing;
            let committed = self.commit(disk, &Basis::default(), &outcome.write, events);
            self.standing = None;
            match committed {
                Ok(()) => {}
                Err(_) if self.has(Bug::AcknowledgesFirst) => {}
                Err(CommitError::Failed(failure)) if !self.has(Bug::RepeatsInDoubt) => {
                    self.log(&failure.to_string());
                    let edge = &mut self.isolates[place].edge;
                    return Handled::Answer(drive::unavailable(edge, message));
                }
                Err(_) => return self.handle(object, message, attempt + 1, events, exchange),
            }
            if let Some((_, exchange)) = &mut exchange {
                exchange.moved = std::mem::take(&mut self.moved);
            }
        }
        for line in &outcome.log {
            self.log(&line.record().to_json());
        }
        if self.meets(Fault::Crash) {
            self.die(object);
            return Handled::Died;
        }
        Handled::Answer(outcome.response)
    }

    /// An object starts again somewhere else.
    pub fn die(&mut self, object: Object) {
        let number = self.number(object);
        self.say(|| format!("the {object:?} dies"));
        self.places[number] = self.chance.below(self.isolates.len());
        self.object_forms[number] = None;
        if let Object::Writer(shard) = object
            && self.setting.shards > 1
        {
            self.forget_tasks(shard);
        }
    }

    /// The place of an object among all.
    fn number(&self, object: Object) -> usize {
        match object {
            Object::Writer(shard) => shard as usize,
            Object::Control => self.setting.shards as usize,
        }
    }

    /// Brings the forms of an object's storage and of its isolate together. False: a newer build wrote it.
    pub fn meet_at_object(&mut self, object: Object) -> bool {
        let disk = self.number(object);
        let edge = &mut self.isolates[self.places[disk]].edge;
        // Another object of this isolate may have raised it.
        if self.object_forms[disk] != Some(edge.form()) {
            let Some(form) = edge.meet_form(self.disks[disk].form()) else { return false };
            self.disks[disk].set_form(form);
            self.object_forms[disk] = Some(form);
        }
        true
    }

    /// An isolate catches up with the control object.
    pub fn refresh_at_objects(&mut self, index: usize) {
        if let Err(reason) = self.caught_up(index) {
            self.say(|| format!("isolate {index} does not catch up: {reason}"));
            let edge = &mut self.isolates[index].edge;
            edge.set_fault("", Some("the control object does not answer"), false);
            return;
        }
        let now_ms = self.clock(index);
        let isolate = &mut self.isolates[index];
        (isolate.is_known, isolate.checked_ms) = (true, now_ms);
        isolate.edge.set_fault("", None, false);
    }

    fn caught_up(&mut self, index: usize) -> Result<(), String> {
        let mut pointers = self.pointers(index, true)?;
        let mut written: Vec<Pointer> = Vec::new();
        if self.isolates[index].edge.doubts(&pointers) {
            for shard in 0..self.setting.shards {
                let to = Route { shard, shards: self.setting.shards };
                let question = message::written(to, self.isolates[index].edge.form());
                for pointer in self.list(Object::Writer(shard), &question)?.0 {
                    let known = |known: &&mut Pointer| known.audience == pointer.audience;
                    match written.iter_mut().find(known) {
                        Some(known) if known.number < pointer.number => *known = pointer,
                        Some(_) => {}
                        None => written.push(pointer),
                    }
                }
            }
            let overtaken: Vec<(String, u64)> = usher_edge::Edge::overtaken(&pointers, &written)
                .into_iter()
                .map(|(audience, above)| (audience.to_owned(), above))
                .collect();
            for (audience, above) in &overtaken {
                let raise = message::raise(audience, *above, self.isolates[index].edge.form());
                self.tell(Object::Control, &raise).ok_or("the control object does not answer")?;
            }
            if !overtaken.is_empty() {
                pointers = self.pointers(index, false)?;
            }
        }
        let behind = self.isolates[index].edge.update_pointers(pointers, written);
        if behind.is_empty() {
            self.isolates[index].standing = None;
        }
        for pointer in behind {
            self.install(index, &pointer);
        }
        Ok(())
    }

    fn pointers(&mut self, index: usize, meets: bool) -> Result<Vec<Pointer>, String> {
        let question = message::pointers(self.isolates[index].edge.form());
        let (pointers, form) = self.list(Object::Control, &question)?;
        if meets && form > 0 {
            self.isolates[index].edge.meet_form(form);
        }
        Ok(pointers)
    }

    /// Asks an object for a list of pointers; also returns the form that is written there.
    fn list(&mut self, object: Object, question: &[u8]) -> Result<(Vec<Pointer>, i64), String> {
        self.check_message(question);
        let response = self.tell(object, question).ok_or("an object does not answer")?;
        if response.status != 200 {
            return Err(format!("an object answers {}", response.status));
        }
        let form = response.headers.iter().find(|(name, _)| *name == "usher-form");
        let form = form.map_or(0, |(_, form)| form.parse().unwrap_or(0));
        let mut frame = usher_edge::wire::frame::FrameReader(&response.body);
        let pointers = frame.list(|r| {
            Some(Pointer {
                audience: r.text()?.to_owned(),
                number: r.long()?.cast_unsigned(),
                hash: r.text()?.to_owned(),
            })
        });
        Ok((pointers.ok_or("not a list of pointers")?, form))
    }

    /// Installs a bundle from KV, or from the control object, or the newest one of the history that runs.
    fn install(&mut self, index: usize, pointer: &Pointer) {
        let (is_down, is_late) = (self.meets(Fault::Kv), self.meets(Fault::Kv));
        let (location, now_ms, name) =
            (self.isolates[index].location, self.now_ms, format!("bundle/{}", pointer.hash));
        let copy = match is_down {
            true => None,
            false => self.kv.get(location, &name, now_ms, is_late, &mut self.chance),
        };
        if let Some(copy) = copy
            && self.isolates[index].edge.install(pointer, copy.to_vec()).is_ok()
        {
            self.say(|| format!("isolate {index} installs bundle {} from KV", pointer.number));
            (self.isolates[index].runs, self.isolates[index].standing) = (true, None);
            return;
        }
        let question = message::bundle(&pointer.hash, self.isolates[index].edge.form());
        let body = self.tell(Object::Control, &question).filter(|response| response.status == 200);
        let body = body.map(|response| response.body).unwrap_or_default();
        match self.isolates[index].edge.install(pointer, body) {
            Ok(_) => {
                (self.isolates[index].runs, self.isolates[index].standing) = (true, None);
                self.say(|| format!("isolate {index} installs bundle {}", pointer.number));
            }
            Err(reason) => {
                self.stand_in(index, pointer);
                self.say(|| format!("isolate {index}: {reason}"));
            }
        }
    }

    fn stand_in(&mut self, index: usize, pointer: &Pointer) {
        let mut before = pointer.number;
        for _ in 0..20 {
            let form = self.isolates[index].edge.form();
            let question = message::earlier_bundle(&pointer.audience, before, form);
            let Some(response) = self.tell(Object::Control, &question) else { return };
            if response.status != 200 {
                return;
            }
            let header = |name: &str| {
                response.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
            };
            before = header("usher-bundle").and_then(|number| number.parse().ok()).unwrap_or(0);
            let hash = header("etag").unwrap_or_default().trim_matches('"').to_owned();
            let kind = self.model.kind_of(&hash);
            let isolate = &mut self.isolates[index];
            if isolate.edge.stand_in(pointer, &hash, response.body.clone()).is_ok() {
                // What runs already goes on, under its own number.
                if !std::mem::replace(&mut isolate.runs, true) {
                    isolate.standing = kind;
                }
                return;
            }
        }
    }
}
