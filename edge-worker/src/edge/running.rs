//! A running bundle.

use std::sync::OnceLock;

use usher_engine::{Plan, Reduced, TableRows};

use crate::bundle::hash_of;
use crate::plane::InControlPlane;
use crate::store::Pointer;

/// A running bundle.
pub(crate) struct Running {
    pub(crate) number: u64,
    /// Empty for a plan without a bundle.
    pub(crate) hash: String,
    pub(crate) plan: Plan,
    /// The body of the bundle as published; empty in a module without the control plane, which alone reads it.
    pub(crate) body: Vec<u8>,
    /// True for an earlier bundle that runs while the stored body of the one with this number is damaged.
    pub(super) is_stand_in: bool,
    /// Made when it is first asked for; None within: nothing may be on devices.
    devices: OnceLock<Option<ForDevices>>,
    /// In the order of the definition, compiled when the first one is asked for; None within: this build cannot run it.
    pipelines: InControlPlane<OnceLock<Vec<Option<TableRows>>>>,
}

/// The part of a bundle for devices.
pub(crate) struct ForDevices {
    pub(crate) reduced: Reduced,
    pub(crate) program: Vec<u8>,
    /// The hash of the program, which names it.
    pub(crate) hash: String,
}

impl Running {
    pub(super) fn new(
        (number, hash): (u64, String),
        plan: Plan,
        body: Vec<u8>,
        is_stand_in: bool,
    ) -> Running {
        let pipelines = InControlPlane::new(OnceLock::new());
        Running { number, hash, plan, body, is_stand_in, devices: OnceLock::new(), pipelines }
    }

    /// The part for devices, also where it was revoked. The first call compiles the bundle again, so only the control plane
    /// calls it.
    pub(crate) fn reduced(&self) -> Option<&ForDevices> {
        let made = self.devices.get_or_init(|| {
            let plan = Plan::compile_published(self.plan.definition().clone()).ok()?;
            let reduced = Reduced::of(plan)?;
            let program = reduced.program();
            Some(ForDevices { hash: hash_of(&program), program, reduced })
        });
        made.as_ref()
    }

    /// The pipeline of this name.
    pub(crate) fn pipeline(&self, name: &str) -> Option<&TableRows> {
        let definition = self.plan.definition();
        let compiled = self.pipelines.get()?.get_or_init(|| {
            definition.pipelines.iter().map(|known| TableRows::compile(definition, known).ok()).collect()
        });
        compiled.get(definition.pipeline(name)?)?.as_ref()
    }

    /// True if the pointer's bundle replaces this one.
    pub(super) fn is_before(&self, pointer: &Pointer) -> bool {
        self.number < pointer.number || (self.is_stand_in && self.number == pointer.number)
    }
}
