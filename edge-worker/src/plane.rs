//! The two planes: what visitors use, and the control plane, which publishes, rehearses, lists, imports and explains.
//!
//! A host may build each into a module of its own, so that what serves visitors stays small. A build without the control
//! plane answers [`Step::ControlPlane`](crate::Step::ControlPlane) to its requests, and
//! [`drive::needs_control_plane`](crate::drive::needs_control_plane) tells its messages; a build with it has both planes.

/// True if this build has the control plane. The linker drops what only the other case uses.
pub(crate) const HAS_CONTROL_PLANE: bool = cfg!(feature = "control-plane");

/// True if this build folds every event. Without the control plane it folds events of visitors whom it knows by all their keys and
/// who do not move in journeys, and whose profiles keep their size and shape. It hands everything else over: that is rare for each
/// visitor, and takes as much code.
pub(crate) const FOLDS_ALL: bool = HAS_CONTROL_PLANE;

/// A value that only a build with the control plane has. Others have nothing in its place, and no code that copies, compares or
/// drops it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InControlPlane<T>([Option<T>; HAS_CONTROL_PLANE as usize]);

impl<T> InControlPlane<T> {
    /// The value, which a build without the control plane drops.
    pub fn new(value: T) -> InControlPlane<T> {
        let mut value = Some(value);
        InControlPlane(core::array::from_fn(|_| value.take()))
    }

    /// None: it is empty, or this build has no control plane.
    pub fn get(&self) -> Option<&T> {
        self.0.first()?.as_ref()
    }

    /// The same to change it.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.first_mut()?.as_mut()
    }

    /// The value itself.
    pub fn into_inner(mut self) -> Option<T> {
        self.take()
    }

    /// The same, leaving it empty.
    pub fn take(&mut self) -> Option<T> {
        self.0.first_mut()?.take()
    }
}

impl<T> Default for InControlPlane<T> {
    /// Empty.
    fn default() -> InControlPlane<T> {
        InControlPlane(core::array::from_fn(|_| None))
    }
}

/// True if this build can be one shard of several. The linker drops what only they use.
pub(crate) const HAS_SHARDS: bool = cfg!(feature = "shards");

/// True if this build has journeys. The linker drops what only they use.
pub(crate) const HAS_JOURNEYS: bool = cfg!(feature = "journeys");

/// True if this build asks other shards, and answers them.
pub(crate) const DECIDES: bool = HAS_SHARDS && FOLDS_ALL;
