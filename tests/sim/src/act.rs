//! Actions of a run: what clients, operators and the world do next.

use usher_edge::refresh;
use usher_edge::store::Write;

use crate::call;
use crate::deployment::{Kind, People};
use crate::disk::Disk;
use crate::model::Key;
use crate::setting::{Fault, Style};
use crate::whole::Unreliable;
use crate::world::{Due, World};

impl World {
    /// The next action.
    pub fn act(&mut self) {
        let person = self.chance.below(self.persons.len());
        match self.chance.below(100) {
            0..=6 => {
                let mut after_ms = 0;
                for call in call::at_one_browser(&mut self.model, &self.persons, &mut self.chance) {
                    self.schedule(after_ms, Due::First(Box::new(call)));
                    after_ms += self.chance.between(100, 900);
                }
            }
            7..=54 => match call::events(&mut self.model, &mut self.persons, person, &mut self.chance) {
                Some(call) => drop(self.send(call)),
                None => self.look_up(person),
            },
            55..=84 => self.look_up(person),
            85..=89 if self.setting.shards > 1 && self.meets_often(Fault::Erase) => {
                let calls = call::joined_and_erased(
                    &mut self.model,
                    &self.persons,
                    person,
                    self.now_ms,
                    &mut self.chance,
                );
                for (after_ms, call) in calls {
                    self.schedule(after_ms, Due::First(Box::new(call)));
                }
            }
            85..=89 => {
                if self.meets_often(Fault::Release) {
                    let call = match self.chance.below(3) {
                        0 => call::roll_back(),
                        _ => call::publish(self.setting.people, *self.chance.pick(&Kind::ALL)),
                    };
                    self.send(call);
                }
            }
            90 => {
                if self.meets_often(Fault::Erase) {
                    self.erase(person);
                }
            }
            91..=92 => {
                if self.meets_often(Fault::Crash) {
                    let isolate = self.chance.below(self.isolates.len());
                    let setting = self.isolates[isolate].setting;
                    self.crash(isolate, setting);
                }
            }
            93..=94 => {
                if self.meets_often(Fault::Form) {
                    let isolate = self.chance.below(self.isolates.len());
                    let setting = self.chance.below(3) as u8;
                    self.say(|| format!("isolate {isolate} is set to form {setting}"));
                    self.crash(isolate, setting);
                }
            }
            95..=97 => {
                if self.meets_often(Fault::Clock) {
                    let isolate = self.chance.below(self.isolates.len());
                    let jump = self.chance.between(-3_600_000, 3_600_000);
                    self.say(|| format!("the clock of isolate {isolate} jumps by {jump} ms"));
                    self.isolates[isolate].skew_ms += jump;
                }
            }
            _ => {
                if self.setting.style == Style::Objects && self.meets_often(Fault::Loss) {
                    self.say(|| "the control object loses its data".to_owned());
                    self.disks[1] = Disk::new(self.setting.sqlite);
                    self.object_forms[1] = None;
                    self.model.has_lost_control = true;
                }
            }
        }
    }

    fn erase(&mut self, person: usize) {
        let key = match self.chance.below(2) {
            0 => ("cid".to_owned(), self.persons[person].browsers[0].clone()),
            _ => ("email".to_owned(), self.persons[person].email.clone()),
        };
        let call = call::erase(&mut self.model, key);
        self.send(call);
    }

    /// True if this fault is one of the run's, half of the time.
    fn meets_often(&mut self, fault: Fault) -> bool {
        let half = self.chance.percent(50);
        self.setting.rate(fault) > 0 && half
    }

    fn look_up(&mut self, person: usize) {
        let call = call::lookup(self.setting.people, &self.persons, person, &mut self.chance);
        self.send(call);
    }

    /// An isolate catches up with what should run.
    pub fn refresh(&mut self, index: usize) {
        if self.setting.style == Style::Objects {
            return self.refresh_at_objects(index);
        }
        if self.setting.style == Style::Shared && self.meets(Fault::Disk) {
            self.say(|| format!("isolate {index} does not catch up: storage fails"));
            self.isolates[index].edge.set_fault("", Some("the database does not answer"), false);
            return;
        }
        let mut lines = Vec::new();
        let fails = if self.is_calm { 0 } else { self.setting.rate(Fault::Disk) };
        let edge = &mut self.isolates[index].edge;
        let mut store = Unreliable::new(&mut self.disks[0], &mut self.chance, fails, 0);
        refresh(edge, &mut store, &mut |line| lines.push(line.record().to_json()));
        let written = store.written;
        for write in &written {
            let held = self.model.committed(write, &[], self.setting.only_form_1, None, self.now_ms);
            self.hold(held);
        }
        let now_ms = self.clock(index);
        (self.isolates[index].is_known, self.isolates[index].checked_ms) = (true, now_ms);
        for line in &lines {
            self.log(line);
        }
    }

    /// Notes whose keys a write made another's, where people stay apart.
    pub fn note_moves(&mut self, write: &Write) -> Vec<(Key, String)> {
        let mut moved = Vec::new();
        if self.setting.people == People::Merge {
            return moved;
        }
        for row in &write.profiles {
            let Some(keys) = &row.keys else { continue };
            let owner = keys.iter().find(|(name, _)| name == "email");
            let owner = owner.map(|(_, value)| value.clone()).unwrap_or_default();
            for key in keys {
                if let Some(before) = self.holders.insert(key.clone(), owner.clone())
                    && before != owner
                    && !before.is_empty()
                {
                    moved.push((key.clone(), before));
                }
                self.heard.retain(|heard| heard.key != *key || heard.whose != owner);
            }
        }
        moved
    }
}
