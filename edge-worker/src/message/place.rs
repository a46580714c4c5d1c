//! Names of what several rooms speak of: keys, profiles and shards.

/// A stitching key of one audience.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyOf {
    /// The audience's id.
    pub audience: String,
    /// The stitching key's name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The shard that a message is for, among all of a deployment. A shard refuses what was routed by another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The number of the recipient, from 0.
    pub shard: u32,
    /// The number of shards.
    pub shards: u32,
}

impl Route {
    /// The only shard of a deployment: its messages name none.
    pub const ONLY: Route = Route { shard: 0, shards: 1 };
}

/// A profile and the shard that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The profile's id.
    pub id: [u8; 16],
    /// The shard's number.
    pub shard: u32,
}
