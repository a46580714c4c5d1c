//! A deployment as natively: one process, which runs a request to its end with the service's own loop.

use usher_edge::host::Request;
use usher_edge::store::{Basis, CommitError, Found, Read, StoreFailure, Write};
use usher_edge::{Store, serve};

use crate::chance::Chance;
use crate::deployment::headers;
use crate::disk::Disk;
use crate::setting::Fault;
use crate::world::{Exchange, World};

/// Storage that fails by chance, and keeps what was written for the model.
pub struct Unreliable<'w> {
    disk: &'w mut Disk,
    chance: &'w mut Chance,
    fails: u32,
    in_doubt: u32,
    /// The writes.
    pub written: Vec<Write>,
    /// A write of which the process does not know whether it was made: its caller gets no answer.
    is_in_doubt: bool,
}

impl<'w> Unreliable<'w> {
    /// Both rates are in percent: of reads and writes that fail, and of writes whose answer is lost.
    pub fn new(disk: &'w mut Disk, chance: &'w mut Chance, fails: u32, in_doubt: u32) -> Unreliable<'w> {
        Unreliable { disk, chance, fails, in_doubt, written: Vec::new(), is_in_doubt: false }
    }
}

impl Store for Unreliable<'_> {
    fn read(&mut self, read: &Read) -> Result<Found, StoreFailure> {
        match self.chance.percent(self.fails) {
            true => Err(StoreFailure("the simulation".to_owned())),
            false => self.disk.read(read),
        }
    }

    fn stage(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        self.disk.stage(basis, write)
    }

    fn undo(&mut self) {
        self.disk.undo();
    }

    fn commit(&mut self, basis: &Basis, write: &Write) -> Result<(), CommitError> {
        if self.chance.percent(self.fails) {
            return Err(StoreFailure("the simulation".to_owned()).into());
        }
        self.disk.commit(basis, write)?;
        self.written.push(write.clone());
        if self.chance.percent(self.in_doubt) {
            self.is_in_doubt = true;
            return Err(StoreFailure("the simulation, after it wrote".to_owned()).into());
        }
        Ok(())
    }
}

impl World {
    /// A request from its arrival to its answer.
    pub fn step_whole(&mut self, id: u64, mut exchange: Exchange) -> Option<(Exchange, i64)> {
        let index = exchange.isolate;
        exchange.ambient.now_ms = self.clock(index);
        let isolate = &self.isolates[index];
        // It is the only process, so that nobody else publishes.
        if !isolate.is_known {
            self.refresh(index);
        }
        let call = self.calls[exchange.call].clone();
        let headers = headers(call.caller);
        let request = Request {
            method: call.method,
            target: &call.target,
            headers: &headers,
            body: &call.body,
            ambient: exchange.ambient,
        };
        let rate = |fault| if self.is_calm { 0 } else { self.setting.rate(fault) };
        let (fails, in_doubt) = (rate(Fault::Disk), rate(Fault::Doubt));
        let mut lines = Vec::new();
        let mut store = Unreliable::new(&mut self.disks[0], &mut self.chance, fails, in_doubt);
        let edge = &mut self.isolates[index].edge;
        let response = serve(edge, &mut store, &request, &mut |line| lines.push(line.record().to_json()));
        let (written, is_in_doubt) = (store.written, store.is_in_doubt);
        for write in &written {
            let held = self.model.committed(write, &call.events, self.setting.only_form_1, None, self.now_ms);
            self.hold(held);
            self.note_moves(write);
        }
        for line in &lines {
            self.log(line);
        }
        if self.meets(Fault::Crash) {
            let setting = self.isolates[index].setting;
            self.crash(index, setting);
            return None;
        }
        // A refusal could prove false; what was answered well is known.
        if is_in_doubt && response.status >= 500 {
            self.say(|| format!("#{id} gets no answer: its commit is in doubt"));
            return None;
        }
        self.answer(id, exchange, response)
    }
}
