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

/// True if this build can be one shard of several. The linker drops what only they use.
pub(crate) const HAS_SHARDS: bool = cfg!(feature = "shards");

/// True if this build has journeys. The linker drops what only they use.
pub(crate) const HAS_JOURNEYS: bool = cfg!(feature = "journeys");

/// True if this build asks other shards, and answers them.
pub(crate) const DECIDES: bool = HAS_SHARDS && FOLDS_ALL;
