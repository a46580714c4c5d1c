//! The destinations of activations, and what is counted of their delivery.

use super::Edge;
use crate::destinations::Destinations;
use crate::metrics::Counts;
use crate::plane::HAS_CONTROL_PLANE;

impl Edge {
    /// Sets the destinations of activations, from `USHER_DESTINATIONS`: a list as JSON, or nothing for none. With a list that cannot
    /// be read nothing is delivered, and [`Edge::destinations_complaint`] gives the reason.
    pub fn set_destinations(&mut self, setting: &str) {
        if HAS_CONTROL_PLANE {
            let is_empty = setting.trim().is_empty();
            self.destinations =
                if is_empty { Ok(Destinations::default()) } else { Destinations::read(setting) };
        }
    }

    /// The fault of the destinations, for the operator's log.
    pub fn destinations_complaint(&self) -> Option<&str> {
        self.destinations.as_ref().err().map(String::as_str)
    }

    /// The destinations; `Err`: they cannot be read.
    pub(crate) fn destinations(&self) -> Result<&Destinations, &String> {
        self.destinations.as_ref()
    }

    /// Notes the number of activations that wait, the age of the oldest in milliseconds, and the number of parked ones, for
    /// `GET /metrics`.
    pub fn note_activations(&mut self, waiting: u64, oldest_ms: i64, parked: u64) {
        if let Some(metrics) = &mut self.metrics {
            metrics.activations = (waiting, oldest_ms.max(0), parked);
        }
    }

    /// Counts the results of attempts that a turn of delivery noted, for `GET /metrics`.
    pub fn count_attempts(&mut self, counts: &Counts) {
        if let Some(metrics) = &mut self.metrics {
            metrics.counted(counts);
        }
    }
}
