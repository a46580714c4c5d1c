//! The two modules of the worker.

/// True for the module of the control plane, which the entry asks for what the other one does not have.
pub(crate) const IS_CONTROL_PLANE: bool = cfg!(feature = "control-plane");
