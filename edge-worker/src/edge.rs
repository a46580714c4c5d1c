//! The state of a process or isolate: its keys, and the running bundle of each audience. A bundle that does not compile
//! leaves the last good one running.

mod activations;
mod observed;
mod running;
mod shards;

pub(crate) use running::{ForDevices, Running};
use usher_engine::Plan;

use crate::bundle::{Bundle, Unrunnable};
use crate::destinations::Destinations;
#[cfg(feature = "control-plane")]
use crate::discovery::Discovery;
use crate::error::Refusal;
use crate::form::{Form, Written};
use crate::keys::{Keyring, granted, keyring_of};
use crate::limits::{PROBE_MS, PROFILE_DAYS, PROFILE_DAYS_MAX, STORAGE_DEGRADED_MS};
use crate::message::{self, GRANTED, NO_BUNDLE, OF_AUDIENCE, REVOKED};
use crate::metrics::{Count, Metrics};
use crate::plane::HAS_CONTROL_PLANE;
use crate::rates::{Meter, MeterMemory, Rates};
use crate::store::Pointer;

/// The keys of a deployment and the running bundles.
pub struct Edge {
    keyring: Result<Keyring, String>,
    /// Ascending by id. Few entries, so no map is needed.
    audiences: Vec<Audience>,
    /// The reason why the host cannot catch up with the control object.
    host_fault: Option<String>,
    /// Bundles with which shards were written and which the control object does not know, because it was lost.
    lost: Vec<Pointer>,
    written: Written,
    /// The reason why the data are not where the settings say.
    /// Programs for devices that may not be used any more, each with its audience.
    revoked_programs: Vec<String>,
    placement_fault: Option<String>,
    profile_days: u32,
    shards: u32,
    lost_begin_anew: bool,
    /// Or what is wrong with the setting.
    destinations: Result<Destinations, String>,
    storage: StorageHealth,
    /// The use of rates by callers with public keys.
    pub(crate) meter: Meter,
    /// Of hosts that keep them.
    pub(crate) metrics: Option<Box<Metrics>>,
    /// The same; the module for visitors keeps none.
    #[cfg(feature = "control-plane")]
    discovery: Option<Box<Discovery>>,
}

/// The faults of storage that this process met.
#[derive(Default)]
struct StorageHealth {
    /// Since somebody asked last.
    failed: bool,
    /// Unix milliseconds.
    degraded_until_ms: i64,
    /// When storage was written to for no other reason, Unix milliseconds.
    probed_ms: i64,
    /// True if a shard was met that had been restored to an earlier time than the others.
    is_restored: bool,
}

/// The state of one audience in this process.
#[derive(Default)]
struct Audience {
    id: String,
    running: Option<Running>,
    /// The reason why it does not run the bundle that it should.
    fault: Option<String>,
    /// True if a newer build wrote that bundle.
    is_too_new: bool,
    /// The number at which it was taken out, until a later bundle is published; 0: it was not.
    taken_out: u64,
}

/// The effect of installing a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// It runs now.
    New,
    /// It was running already, or a later one is.
    Same,
}

impl Edge {
    /// An edge without any bundle. `secret` is `USHER_KEYS`; with an unusable one every route but `/healthz` answers
    /// 503, and [`Edge::complaint`] gives the reason. `demo` accepts the keys of the demo, which are public.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_edge::Edge;
    ///
    /// let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
    /// assert_eq!(Edge::new(Some(&secret), false).complaint(), None);
    /// assert!(Edge::new(None, false).complaint().is_some());
    /// ```
    pub fn new(secret: Option<&str>, demo: bool) -> Edge {
        Edge::of_keyring(Keyring::read(secret, demo))
    }

    /// The same for a module that does not read the secret: with what [`read_keys`](crate::read_keys) gave.
    pub fn with_keys(keys: Result<&[u8], &str>) -> Edge {
        let keyring = |keys| keyring_of(keys).ok_or_else(|| "the keys were not handed over".to_owned());
        Edge::of_keyring(keys.map_err(str::to_owned).and_then(keyring))
    }

    fn of_keyring(keyring: Result<Keyring, String>) -> Edge {
        Edge {
            keyring,
            audiences: Vec::new(),
            host_fault: None,
            lost: Vec::new(),
            written: Written::alone(),
            revoked_programs: Vec::new(),
            placement_fault: None,
            profile_days: PROFILE_DAYS,
            lost_begin_anew: false,
            shards: 1,
            destinations: Ok(Destinations::default()),
            storage: StorageHealth::default(),
            meter: Meter::default(),
            metrics: None,
            #[cfg(feature = "control-plane")]
            discovery: None,
        }
    }

    /// An edge without keys that runs one plan, as bundle 1.
    pub(crate) fn of_plan(plan: Plan) -> Edge {
        let mut edge = Edge::new(None, false);
        let id = plan.definition().audience.id.clone();
        let running = Running::new((1, String::new()), plan, Vec::new(), false);
        edge.audience_mut(&id).running = Some(running);
        edge
    }

    /// Sets the rates for callers by public keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
    /// # let mut edge = usher_edge::Edge::new(Some(&secret), false);
    /// // No bound on new profiles, twice the default of events.
    /// edge.set_rates(usher_edge::Rates { events: 200, new_profiles: 0 });
    /// ```
    pub fn set_rates(&mut self, rates: Rates) {
        self.meter.set_rates(rates);
    }

    /// Makes the memory in which the use of sources is counted, before any is; a host that replaces trapped instances copies it.
    /// The seed must be unpredictable, and the same for all of them.
    pub fn start_rates(&mut self, seed: [u8; 32]) -> MeterMemory {
        self.meter.start(seed)
    }

    /// The fault of the keys, for the operator's log.
    pub fn complaint(&self) -> Option<&str> {
        self.keyring.as_ref().err().map(String::as_str)
    }

    /// The keys; None: the deployment has no usable ones, or its data are elsewhere.
    pub(crate) fn keyring(&self) -> Option<&Keyring> {
        self.keyring.as_ref().ok().filter(|_| self.placement_fault.is_none())
    }

    /// Records that the settings do not say where the data are, and why: every route but `/healthz`, which shows the reason,
    /// and every message answers 503 from now on, because an edge that looks elsewhere finds nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # use usher_edge::store::memory::MemoryStore;
    /// # use usher_edge::{Ambient, Request, serve};
    /// # let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
    /// # let mut edge = usher_edge::Edge::new(Some(&secret), false);
    /// # let (mut store, ambient) = (MemoryStore::default(), Ambient { now_ms: 1_790_000_000_000, entropy: [7; 32] });
    /// edge.set_placement_fault("USHER_JURISDICTION: `mars` is none");
    /// let health = Request { method: "GET", target: "/healthz", headers: &[], body: b"", ambient };
    /// let response = serve(&mut edge, &mut store, &health, &mut |_line| ());
    /// assert_eq!(response.status, 503);
    /// assert!(String::from_utf8_lossy(&response.body).contains("`mars` is none"));
    /// ```
    pub fn set_placement_fault(&mut self, reason: &str) {
        self.placement_fault = Some(reason.to_owned());
    }

    /// That reason.
    pub(crate) fn placement_fault(&self) -> Option<&str> {
        self.placement_fault.as_deref()
    }

    /// The form in which messages, profiles and bundles are written.
    pub fn form(&self) -> Form {
        self.written.form()
    }

    /// Sets the form in which the deployment writes, from `USHER_FORM`: a number, or nothing. Nothing means
    /// [`Form::One`], unless storage is in a later form. An invalid setting leaves the edge unconfigured, and
    /// [`Edge::complaint`] gives the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
    /// # let mut edge = usher_edge::Edge::new(Some(&secret), false);
    /// edge.set_form("2");
    /// assert_eq!(edge.form(), usher_edge::Form::Two);
    /// edge.set_form("two");
    /// assert!(edge.complaint().is_some());
    /// ```
    pub fn set_form(&mut self, setting: &str) {
        match Form::of_setting(setting) {
            Ok(said) => self.written = Written::as_said(said),
            Err(complaint) => self.keyring = Err(complaint),
        }
    }

    /// Sets the time without an event after which a profile without a batch record is deleted: a number of days, or nothing
    /// for 400. An invalid setting leaves the edge unconfigured, and [`Edge::complaint`] gives the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
    /// # let mut edge = usher_edge::Edge::new(Some(&secret), false);
    /// edge.set_profile_days("90");
    /// assert_eq!(edge.complaint(), None);
    /// edge.set_profile_days("a while");
    /// assert!(edge.complaint().is_some());
    /// ```
    pub fn set_profile_days(&mut self, setting: &str) {
        let setting = setting.trim();
        match setting.parse() {
            Ok(days) if (1..=PROFILE_DAYS_MAX).contains(&days) => self.profile_days = days,
            _ if setting.is_empty() => {}
            _ => {
                let complaint = format!("USHER_PROFILE_DAYS: a number of days from 1 to {PROFILE_DAYS_MAX}");
                self.keyring = Err(complaint);
            }
        }
    }

    /// The time without an event after which a profile without a batch record is deleted, in days.
    pub(crate) fn profile_days(&self) -> u32 {
        self.profile_days
    }

    /// Takes the form of stored data into account (0: storage names none), and returns the form to write from now on.
    /// None: a newer build wrote it, and every route but `/healthz` answers 503.
    pub fn meet_form(&mut self, stored: i64) -> Option<Form> {
        self.written.meet(stored)
    }

    /// The reason why another form is written than the deployment sets, for the operator's log.
    pub fn form_complaint(&self) -> Option<String> {
        self.written.complaint()
    }

    /// True if a newer build wrote the stored data.
    pub(crate) fn storage_is_too_new(&self) -> bool {
        self.written.is_too_new()
    }

    /// The running bundle of an audience, if any.
    pub(crate) fn running(&self, audience: &str) -> Option<&Running> {
        self.audience(audience)?.running.as_ref()
    }

    /// True if an audience was taken out after the bundle of this number ran: it is not there for a message from a front
    /// that has not heard of that.
    pub(crate) fn was_taken_out_after(&self, audience: &str, number: u64) -> bool {
        self.audience(audience)
            .is_some_and(|known| known.running.is_none() && known.fault.is_none() && known.taken_out > number)
    }

    /// The running bundle of an audience, or the refusal that explains why there is none: a bundle that should run but
    /// does not is not the same as nothing published.
    pub(crate) fn running_or_refuse(&self, audience: &str) -> Result<&Running, Refusal> {
        let has_fault = self.audience(audience).is_some_and(|known| known.fault.is_some());
        let missing = match has_fault {
            true if self.is_too_new(audience) => Refusal::TOO_NEW,
            true => Refusal::STORAGE,
            false => Refusal::AUDIENCE_UNKNOWN,
        };
        self.running(audience).ok_or(missing)
    }

    /// The part of an audience's running bundle for devices; None: nothing may be there, or no longer.
    pub(crate) fn for_devices<'r>(&self, audience: &str, running: &'r Running) -> Option<&'r ForDevices> {
        let made = running.reduced()?;
        let is_of =
            |revoked: &String| revoked.split_once(OF_AUDIENCE) == Some((made.hash.as_str(), audience));
        (!self.revoked_programs.iter().any(is_of)).then_some(made)
    }

    /// The audiences that run a bundle, by id, ascending.
    pub(crate) fn all_running(&self) -> impl Iterator<Item = (&str, &Running)> {
        self.audiences.iter().filter_map(|known| Some((known.id.as_str(), known.running.as_ref()?)))
    }

    /// True if a bundle should run but does not.
    pub(crate) fn is_degraded(&self) -> bool {
        self.host_fault.is_some()
            || self.form_complaint().is_some()
            || !self.lost.is_empty()
            || self.audiences.iter().any(|known| known.fault.is_some())
    }

    /// Records that storage did not answer.
    pub fn note_storage_fault(&mut self) {
        self.note_damage();
        if let Some(metrics) = &mut self.metrics {
            metrics.add(Count::StoreError, 1);
        }
    }

    /// Records that storage holds what cannot be read.
    pub(crate) fn note_damage(&mut self) {
        self.storage.failed = true;
    }

    /// True if that was recorded since this was asked last: for hosts that answer `/healthz` from another edge.
    pub fn take_storage_fault(&mut self) -> bool {
        core::mem::take(&mut self.storage.failed)
    }

    /// True when storage failed within the last minutes, as far as this process has met it.
    pub(crate) fn storage_failed_lately(&self, now_ms: i64) -> bool {
        self.storage.failed || now_ms < self.storage.degraded_until_ms
    }

    /// True if it is time for a test write to storage. Anyone can ask for `/healthz`, and each write costs a sync.
    pub(crate) fn probe_is_due(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.storage.probed_ms).unsigned_abs() >= PROBE_MS
    }

    /// Records a test write, whose caller gets the faults that were noted until now.
    pub(crate) fn note_probe(&mut self, now_ms: i64) {
        self.storage.probed_ms = now_ms;
        if core::mem::take(&mut self.storage.failed) {
            self.storage.degraded_until_ms = now_ms.saturating_add(STORAGE_DEGRADED_MS);
        }
    }

    /// True if an audience should run a bundle but runs none: its tables are then unknown.
    pub(crate) fn lacks_a_bundle(&self) -> bool {
        self.audiences.iter().any(|known| known.running.is_none() && known.fault.is_some())
    }

    /// True if this audience may not run the bundle that it should.
    pub(crate) fn is_behind(&self, audience: &str) -> bool {
        self.host_fault.is_some() || self.audience(audience).is_some_and(|known| known.fault.is_some())
    }

    /// True if the host could not catch up with the control object when it tried last.
    pub fn is_cut_off(&self) -> bool {
        self.host_fault.is_some()
    }

    /// True if nothing runs because the control object could not be reached, which is not the same as nothing
    /// published.
    pub(crate) fn has_never_caught_up(&self) -> bool {
        self.all_running().next().is_none() && self.host_fault.is_some()
    }

    /// True if the control object's pointers lack a bundle that runs here, or there are none: it may be a new
    /// deployment, or the control object was lost. The newest bundles that wrote to the shards decide that
    /// ([`Edge::update_pointers`]).
    pub fn doubts(&self, pointers: &[Pointer]) -> bool {
        let runs_less = |(id, running): (&str, &Running)| {
            let pointer = pointers.iter().find(|pointer| pointer.audience == id);
            pointer.is_none_or(|pointer| pointer.number < running.number)
        };
        pointers.iter().all(|pointer| pointer.audience.starts_with(REVOKED))
            || self.all_running().any(runs_less)
    }

    /// The message that lets the control object go on from what it lost, before a bundle of this audience is published.
    pub(crate) fn restoring(&self, audience: &str) -> Option<Vec<u8>> {
        let lost = self.lost.iter().find(|lost| lost.audience == audience)?;
        Some(message::restore(audience, lost.number, &lost.hash, self.form()))
    }

    /// The audiences whose pointers are older than what wrote to a shard, each with the number above which the control
    /// object has to go on ([`message::raise`](crate::message::raise)).
    pub fn overtaken<'p>(pointers: &[Pointer], written: &'p [Pointer]) -> Vec<(&'p str, u64)> {
        let above = |seen: &'p Pointer| {
            let known = pointers.iter().find(|known| known.audience == seen.audience)?;
            // Equal content may have an equal number.
            let above = if known.hash == seen.hash { seen.number.saturating_sub(1) } else { seen.number };
            (known.number <= above && *known != *seen).then_some((seen.audience.as_str(), above))
        };
        written.iter().filter_map(above).collect()
    }

    /// Compares the control object's pointers with the running bundles, and returns those whose bundles have to be
    /// installed. A running bundle that was published again only takes its new number: profiles and fronts refer to it
    /// by number.
    ///
    /// `written` are the newest bundles that wrote to the shards, where the pointers were in doubt. A bundle that only
    /// a shard knows runs all the same, and `/healthz` says `degraded`.
    pub fn update_pointers(&mut self, mut pointers: Vec<Pointer>, written: Vec<Pointer>) -> Vec<Pointer> {
        self.lost.clear();
        for lost in written {
            if pointers.iter().all(|pointer| pointer.audience != lost.audience) {
                self.lost.push(lost.clone());
                pointers.push(lost);
            }
        }
        pointers.retain(|pointer| {
            if let Some(sha256) = pointer.audience.strip_prefix(REVOKED) {
                if let Some(record) = pointer.audience.strip_prefix(GRANTED) {
                    if let (Ok(keyring), Some(record)) = (&mut self.keyring, granted(record)) {
                        keyring.grant(record);
                    }
                } else if HAS_CONTROL_PLANE && sha256.contains(OF_AUDIENCE) {
                    if !self.revoked_programs.iter().any(|known| known == sha256) {
                        self.revoked_programs.push(sha256.to_owned());
                    }
                } else if let Ok(keyring) = &mut self.keyring {
                    keyring.revoke(sha256);
                }
                return false;
            }
            if pointer.hash == NO_BUNDLE {
                self.audience_mut(&pointer.audience).take_out(pointer.number);
                return false;
            }
            let Some(known) = self.audiences.iter_mut().find(|known| known.id == pointer.audience) else {
                return true;
            };
            // Its body may take a while to come.
            if pointer.number > known.taken_out {
                known.taken_out = 0;
            }
            // A pointer read before a later one took effect is stale.
            !known.takes_number_of(pointer)
                && known.running.as_ref().is_none_or(|running| running.is_before(pointer))
        });
        pointers
    }

    /// Installs a bundle, if its bytes have the pointer's hash and compile; otherwise the last good one keeps running
    /// and `/healthz` says `degraded`.
    ///
    /// # Errors
    ///
    /// Why it does not run, in one sentence for the log.
    pub fn install(&mut self, pointer: &Pointer, body: Vec<u8>) -> Result<Installed, String> {
        self.install_by(pointer, || {
            let plan = Bundle::stored_plan(&body, &pointer.hash, &pointer.audience)?;
            Ok((plan, body))
        })
    }

    /// The same for a module without the compiler: installs what [`Bundle::compile`] made of the pointer's bundle.
    ///
    /// # Errors
    ///
    /// As [`install`](Edge::install).
    pub fn install_compiled(
        &mut self,
        pointer: &Pointer,
        compiled: Result<&[u8], Unrunnable>,
    ) -> Result<Installed, String> {
        self.install_by(pointer, || Ok((Bundle::compiled_plan(compiled?)?, Vec::new())))
    }

    fn install_by(
        &mut self,
        pointer: &Pointer,
        plan: impl FnOnce() -> Result<(Plan, Vec<u8>), Unrunnable>,
    ) -> Result<Installed, String> {
        let known = self.audience_mut(&pointer.audience);
        if known.takes_number_of(pointer) {
            return Ok(Installed::Same);
        }
        // The body arrived after a later bundle, or after the rollback that replaced it.
        if known.running.as_ref().is_some_and(|running| !running.is_before(pointer)) {
            return Ok(Installed::Same);
        }
        match plan() {
            Ok((plan, body)) => {
                let (number, hash) = (pointer.number, pointer.hash.clone());
                known.running = Some(Running::new((number, hash), plan, body, false));
                known.fault = None;
                Ok(Installed::New)
            }
            Err(Unrunnable { reason, is_too_new }) => {
                let reason = format!("bundle {} of audience {}: {reason}", pointer.number, pointer.audience);
                known.fault = Some(reason.clone());
                known.is_too_new = is_too_new;
                Err(reason)
            }
        }
    }

    /// Runs an earlier bundle of the history under the number of the one that cannot run, if the audience runs nothing.
    /// `/healthz` says `degraded` until the right one is installed.
    ///
    /// # Errors
    ///
    /// Why this one does not run either, in one sentence for the log.
    pub fn stand_in(&mut self, pointer: &Pointer, hash: &str, body: Vec<u8>) -> Result<(), String> {
        self.stand_in_by(pointer, hash, || {
            let plan = Bundle::stored_plan(&body, hash, &pointer.audience)?;
            Ok((plan, body))
        })
    }

    /// The same for a module without the compiler: runs what [`Bundle::compile`] made of the earlier bundle.
    ///
    /// # Errors
    ///
    /// As [`stand_in`](Edge::stand_in).
    pub fn stand_in_compiled(&mut self, pointer: &Pointer, hash: &str, plan: &[u8]) -> Result<(), String> {
        self.stand_in_by(pointer, hash, || Ok((Bundle::compiled_plan(plan)?, Vec::new())))
    }

    fn stand_in_by(
        &mut self,
        pointer: &Pointer,
        hash: &str,
        plan: impl FnOnce() -> Result<(Plan, Vec<u8>), Unrunnable>,
    ) -> Result<(), String> {
        if self.running(&pointer.audience).is_some() {
            return Ok(());
        }
        let (plan, body) = plan().map_err(|unrunnable| unrunnable.reason)?;
        let (number, hash) = (pointer.number, hash.to_owned());
        let running = Running::new((number, hash), plan, body, true);
        self.audience_mut(&pointer.audience).running = Some(running);
        Ok(())
    }

    /// Records a fault found by the host: the reason why an audience does not run its bundle, or with an empty name why
    /// the edge cannot catch up with the control object at all. None clears it. `is_too_new`: a newer build wrote the
    /// audience's bundle.
    ///
    /// # Examples
    ///
    /// ```
    /// # let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
    /// # let mut edge = usher_edge::Edge::new(Some(&secret), false);
    /// edge.set_fault("7", Some("bundle 3 is damaged"), true);
    /// assert!(edge.is_too_new("7"));
    /// edge.set_fault("7", None, false);
    /// assert!(!edge.is_too_new("7"));
    /// ```
    pub fn set_fault(&mut self, audience: &str, reason: Option<&str>, is_too_new: bool) {
        let reason = reason.map(str::to_owned);
        if audience.is_empty() {
            self.host_fault = reason;
        } else {
            let known = self.audience_mut(audience);
            (known.fault, known.is_too_new) = (reason, is_too_new);
        }
    }

    /// True if criteria of what runs read facts of requests ([`EDGE_HEADERS`](crate::host::EDGE_HEADERS) and
    /// [`FACT_HEADERS`](crate::host::FACT_HEADERS)), for hosts where it costs something to ask for these.
    pub fn reads_facts(&self) -> bool {
        self.audiences
            .iter()
            .filter_map(|known| known.running.as_ref())
            .any(|running| running.plan.reads_edge())
    }

    /// True if an audience does not run its bundle because a newer build wrote that.
    pub fn is_too_new(&self, audience: &str) -> bool {
        self.audience(audience).is_some_and(|known| known.fault.is_some() && known.is_too_new)
    }

    fn audience(&self, id: &str) -> Option<&Audience> {
        self.audiences.iter().find(|known| known.id == id)
    }

    /// The audience of this id; a new one runs nothing.
    fn audience_mut(&mut self, id: &str) -> &mut Audience {
        let at = self.audiences.partition_point(|known| known.id.as_str() < id);
        if self.audiences.get(at).is_none_or(|known| known.id != id) {
            self.audiences.insert(at, Audience { id: id.to_owned(), ..Audience::default() });
        }
        &mut self.audiences[at]
    }
}

impl Audience {
    /// Runs nothing any more, unless a later bundle runs already.
    fn take_out(&mut self, number: u64) {
        if self.running.as_ref().is_none_or(|running| running.number < number) {
            self.running = None;
            self.fault = None;
            self.taken_out = self.taken_out.max(number);
        }
    }

    /// True if the pointer's content runs already; it then takes the higher number.
    fn takes_number_of(&mut self, pointer: &Pointer) -> bool {
        match &mut self.running {
            Some(running) if running.hash == pointer.hash => {
                running.number = running.number.max(pointer.number);
                running.is_stand_in = false;
                self.fault = None;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use usher_engine::limits::EXAMPLES_MAX;

    use super::*;
    use crate::bundle::hash_of;
    use crate::rehearsal;

    const SHOP: &str = include_str!("../golden/shop.json");

    #[test]
    fn a_bundle_that_is_published_again_takes_its_new_number() {
        let shop = SHOP;
        let pointer =
            |number| Pointer { audience: "1069944".to_owned(), number, hash: hash_of(shop.as_bytes()) };
        let mut edge = Edge::new(None, false);
        assert_eq!(edge.update_pointers(vec![pointer(1)], Vec::new()), [pointer(1)]);
        assert_eq!(edge.install(&pointer(1), shop.as_bytes().to_vec()), Ok(Installed::New));
        // Another bundle ran in between, unknown to this edge.
        assert_eq!(edge.update_pointers(vec![pointer(3)], Vec::new()), []);
        assert_eq!(edge.running("1069944").map(|running| running.number), Some(3));
    }

    #[test]
    fn a_body_that_comes_late_runs_no_more() {
        let shop = SHOP;
        let other = format!("{shop} ");
        let pointer = |number, body: &str| Pointer {
            audience: "1069944".to_owned(),
            number,
            hash: hash_of(body.as_bytes()),
        };
        let mut edge = Edge::new(None, false);
        assert_eq!(edge.install(&pointer(1, shop), shop.as_bytes().to_vec()), Ok(Installed::New));
        assert_eq!(edge.update_pointers(vec![pointer(2, &other)], Vec::new()), [pointer(2, &other)]);
        // The bundle is rolled back while its body is on its way.
        assert_eq!(edge.update_pointers(vec![pointer(3, shop)], Vec::new()), []);
        for late in [other.as_bytes().to_vec(), Vec::new()] {
            assert_eq!(edge.install(&pointer(2, &other), late), Ok(Installed::Same));
            let running = edge.running("1069944").unwrap();
            assert_eq!((running.number, running.hash.clone()), (3, hash_of(shop.as_bytes())));
            assert!(!edge.is_behind("1069944"));
        }
    }

    #[test]
    fn the_number_at_which_an_audience_was_taken_out_is_known_until_it_is_published_again() {
        let pointer = |number, hash: String| Pointer { audience: "1069944".to_owned(), number, hash };
        let out = || vec![pointer(2, String::new())];
        let shop = || pointer(1, hash_of(SHOP.as_bytes()));
        let mut ran = Edge::new(None, false);
        assert_eq!(ran.install(&shop(), SHOP.as_bytes().to_vec()), Ok(Installed::New));
        assert!(!ran.was_taken_out_after("1069944", 0));
        // Another edge starts with the pointers, and never ran it.
        for mut edge in [ran, Edge::new(None, false)] {
            assert_eq!(edge.update_pointers(out(), Vec::new()), []);
            assert!(edge.was_taken_out_after("1069944", 1) && !edge.was_taken_out_after("1069944", 2));
            assert!(!edge.is_degraded() && !edge.lacks_a_bundle());
            // Published again: until it runs, its events wait for it.
            let again = pointer(3, shop().hash);
            assert_eq!(edge.update_pointers(vec![again.clone()], Vec::new()).len(), 1);
            assert!(!edge.was_taken_out_after("1069944", 1));
            assert!(edge.install(&again, Vec::new()).is_err());
            assert!(edge.is_behind("1069944") && !edge.was_taken_out_after("1069944", 1));
            assert_eq!(edge.install(&again, SHOP.as_bytes().to_vec()), Ok(Installed::New));
            // Pointers that were read before are stale.
            assert_eq!(edge.update_pointers(out(), Vec::new()), []);
            assert!(!edge.was_taken_out_after("1069944", 1));
            assert_eq!(edge.running("1069944").map(|running| running.number), Some(3));
        }
    }

    /// A module without the compiler gets the same bundles, the same reasons, and the same stand-ins.
    #[test]
    fn a_compiled_bundle_is_installed_as_its_body_is() {
        let newer = SHOP.replace("\"format\":1", "\"format\":9");
        let unfit = SHOP.replace("\"last\"", "\"lost\"");
        let pointer = |number, hash: &str, audience: &str| Pointer {
            audience: audience.to_owned(),
            number,
            hash: hash.to_owned(),
        };
        let cases = [
            (SHOP, None, "1069944"),
            (SHOP, Some("00"), "1069944"),
            (SHOP, None, "7"),
            (newer.as_str(), None, "1069944"),
            (unfit.as_str(), None, "1069944"),
            ("", None, "1069944"),
        ];
        for (body, hash, audience) in cases {
            let body = body.as_bytes();
            let hash = hash.map_or_else(|| hash_of(body), str::to_owned);
            let pointer = pointer(1, &hash, audience);
            let compiled = Bundle::compile(body, &hash, audience);
            let (mut one, mut other) = (Edge::new(None, false), Edge::new(None, false));
            let installed = one.install(&pointer, body.to_vec());
            assert_eq!(
                other.install_compiled(&pointer, compiled.as_deref().map_err(Clone::clone)),
                installed
            );
            assert_eq!(other.is_too_new(audience), one.is_too_new(audience));
            assert_eq!(other.is_behind(audience), one.is_behind(audience));
            let again = other.install_compiled(&pointer, compiled.as_deref().map_err(Clone::clone));
            assert_eq!(again, one.install(&pointer, body.to_vec()));
            let Ok(compiled) = compiled else { continue };
            let mut edge = Edge::new(None, false);
            let wanted = Pointer { number: 2, hash: "ff".to_owned(), ..pointer };
            assert_eq!(edge.stand_in_compiled(&wanted, &hash, &compiled), Ok(()));
            let running = edge.running(audience).unwrap();
            assert_eq!(
                (running.number, running.hash.as_str(), running.is_stand_in),
                (2, hash.as_str(), true)
            );
            let damaged = Edge::new(None, false).stand_in_compiled(&wanted, &hash, &compiled[1..]);
            assert!(damaged.unwrap_err().starts_with("the compiled plan "));
        }
    }

    #[test]
    fn examples_of_another_build_keep_nothing_from_running() {
        let shop = SHOP;
        let definition = shop.strip_prefix("{\"format\":1,").unwrap().trim_end().strip_suffix('}').unwrap();
        let with = |examples: &str| format!("{{\"format\":2,{definition},\"examples\":{examples}}}");
        let nobody = "{\"name\":\"n\",\"personalization\":\"web_personalization\",\"expect\":[]}";
        let many = format!("[{}]", vec![nobody; EXAMPLES_MAX + 1].join(","));
        // An unknown key, more examples than the bound, and an example that fails.
        for examples in ["[{\"device\":\"phone\"}]", &*many, &*format!("[{nobody}]")] {
            let body = with(examples).into_bytes();
            assert!(rehearsal::check(&body, "1069944").is_err(), "{examples}");
            let pointer = Pointer { audience: "1069944".to_owned(), number: 1, hash: hash_of(&body) };
            assert_eq!(Edge::new(None, false).install(&pointer, body), Ok(Installed::New), "{examples}");
        }
    }

    #[test]
    fn a_rule_of_a_newer_build_stops_nothing_that_was_published() {
        // A rule that a plan does not need to run: no name twice.
        let attributes = "\"attributes\":[";
        let at = SHOP.find(attributes).unwrap() + attributes.len();
        let end = at + SHOP[at..].find(",{\"name\"").unwrap();
        let body = format!("{}{},{}", &SHOP[..at], &SHOP[at..end], &SHOP[at..]).into_bytes();
        let refused = rehearsal::check(&body, "1069944").unwrap_err();
        assert!(refused.contains("E006"), "{refused}");
        let pointer = Pointer { audience: "1069944".to_owned(), number: 1, hash: hash_of(&body) };
        assert_eq!(Edge::new(None, false).install(&pointer, body), Ok(Installed::New));
    }
}
