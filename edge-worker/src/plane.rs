//! The two planes: what visitors use, and the control plane, which publishes, rehearses, lists, imports and explains.
//!
//! A host may build each into a module of its own, so that what serves visitors stays small. A build without the control
//! plane answers [`Step::ControlPlane`](crate::Step::ControlPlane) to its requests, and
//! [`drive::needs_control_plane`](crate::drive::needs_control_plane) tells its messages; a build with it has both planes.

/// True if this build has the control plane. The linker drops what only the other case uses.
pub(crate) const HAS_CONTROL_PLANE: bool = cfg!(feature = "control-plane");

/// True if this build can be one shard of several. The linker drops what only they use.
pub(crate) const HAS_SHARDS: bool = cfg!(feature = "shards");

/// True if this build has journeys. The linker drops what only they use.
pub(crate) const HAS_JOURNEYS: bool = cfg!(feature = "journeys");

/// True if this build asks other shards, and answers them. One of several shards without the control plane folds what concerns
/// profiles of its own alone, and hands everything else over: that is rare, and takes as much code.
pub(crate) const DECIDES: bool = HAS_SHARDS && HAS_CONTROL_PLANE;
