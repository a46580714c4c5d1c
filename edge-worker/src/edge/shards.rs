//! The shards that hold profiles, and what becomes of those that one of them has lost.

use super::Edge;
use crate::form::Form;
use crate::limits::SHARDS_MAX;
use crate::plane::HAS_SHARDS;

impl Edge {
    /// Sets the number of shards that hold profiles, 1 to [`SHARDS_MAX`]. Several need form 2, and a host that carries their
    /// questions. An invalid number leaves the edge unconfigured, and [`Edge::complaint`] gives the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
    /// # let mut edge = usher_edge::Edge::new(Some(&secret), false);
    /// edge.set_form("2");
    /// edge.set_shards(64);
    /// assert_eq!((edge.shards(), edge.complaint()), (64, None));
    /// edge.set_shards(0);
    /// assert!(edge.complaint().is_some());
    /// ```
    pub fn set_shards(&mut self, shards: u32) {
        if shards > 1 && !HAS_SHARDS {
            self.keyring = Err("this build is for one shard".to_owned());
        } else if shards == 0 || shards > SHARDS_MAX {
            self.keyring = Err(format!("the number of shards is 1 to {SHARDS_MAX}"));
        } else if shards > 1 && self.form() < Form::Two {
            self.keyring = Err("several shards need USHER_FORM 2".to_owned());
        } else {
            self.shards = shards;
        }
    }

    /// The number of shards that hold profiles.
    pub fn shards(&self) -> u32 {
        self.shards
    }

    /// Says what becomes of visitors whose profiles were in a shard that was restored to an earlier time than the others: with `anew`
    /// they are taken for nobody, and their next event begins a new profile; with nothing, they are refused. An invalid setting
    /// leaves the edge unconfigured, and [`Edge::complaint`] gives the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # let secret = format!(r#"{{"signing_key": "{}", "keys": []}}"#, "07".repeat(32));
    /// # let mut edge = usher_edge::Edge::new(Some(&secret), false);
    /// edge.set_lost("anew");
    /// assert_eq!(edge.complaint(), None);
    /// edge.set_lost("found");
    /// assert!(edge.complaint().is_some());
    /// ```
    pub fn set_lost(&mut self, setting: &str) {
        self.lost_begin_anew = setting.trim() == "anew";
        if !self.lost_begin_anew && !setting.trim().is_empty() {
            self.keyring = Err("USHER_LOST: anew, or nothing".to_owned());
        }
    }

    /// True if visitors whom a restored shard has lost are taken for nobody.
    pub(crate) fn lost_begin_anew(&self) -> bool {
        self.lost_begin_anew
    }

    /// Records that a shard was restored to an earlier time than the others, which ends with this process alone: all shards are to
    /// be restored to one time.
    pub(crate) fn note_restored(&mut self) {
        self.storage.is_restored = true;
    }

    /// True if that was recorded.
    pub(crate) fn met_restored(&self) -> bool {
        self.storage.is_restored
    }
}
