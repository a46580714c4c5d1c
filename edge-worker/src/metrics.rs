//! Counters for operators. Every series is a variant, so labels are bounded, and none is a word of a caller.
//!
//! The parts of the service do not count: a [`Response`](crate::Response) carries the counts of its request, and the host that
//! sends it hands it to [`front::count`](crate::front::count) then. So nothing counts that was not answered, and there is no
//! state beside the edge's own.

use crate::plane::HAS_CONTROL_PLANE;

/// True if lines of the log are counted here. The entry of the Worker counts them itself, and the module for visitors is smaller.
pub(crate) const COUNTS_LINES: bool = HAS_CONTROL_PLANE;

macro_rules! counts {
    ($($metric:literal, $help:literal { $($name:ident = $label:literal $value:literal),+ $(,)? })+) => {
        /// One series: something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Count {
            $($(#[doc = concat!("`", $metric, "`: ", $label, " ", $value)] $name,)+)+
        }

        /// The metrics, each with its help and its series: the variant, label and value of each; no label if that is empty.
        pub(crate) const METRICS: &[(&str, &str, &[(Count, &str, &str)])] =
            &[$(($metric, $help, &[$((Count::$name, $label, $value)),+])),+];

        /// The number of series.
        const SERIES: usize = [$($(Count::$name),+),+].len();
    };
}

counts! {
    "usher_decisions_total", "Offers by the reason for them, and answers without any." {
        TargetingMatch = "reason" "targeting_match",
        Default = "reason" "default",
        Stale = "reason" "stale",
        NoOffer = "reason" "none",
    }
    "usher_events_total", "Events by what came of them; a duplicate was counted before." {
        Accepted = "result" "accepted",
        Duplicate = "result" "duplicate",
        NotStored = "result" "not_stored",
        Invalid = "result" "invalid",
        EventTooLarge = "result" "profile_too_large",
        Unreadable = "result" "unreadable",
        EventUnavailable = "result" "unavailable",
        UnknownTable = "result" "unknown_table",
        Erased = "result" "erased",
    }
    "usher_snapshots_total", "Lookups by the source of the profile that answered." {
        FromMemory = "source" "memory",
        FromKv = "source" "kv",
        FromWriter = "source" "writer",
        FromStale = "source" "stale",
        FromNothing = "source" "none",
    }
    "usher_event_ids_forgotten_total", "Times that the bound on remembered ids let one go before its seven days: its event may count again." {
        EventIdsForgotten = "" "",
    }
    "usher_profiles_trimmed_total", "Full profiles that had to let go of what their attributes keep." {
        ProfileTrimmed = "" "",
    }
    "usher_profiles_made_room_total", "Full profiles that dropped only state that no attribute reads." {
        ProfileMadeRoom = "" "",
    }
    "usher_profiles_not_made_total", "Events whose new profile was over the bound of their source." {
        ProfileNotMade = "" "",
    }
    "usher_keys_evicted_total", "Keys that a profile lost over the bound on its keys." {
        KeyEvicted = "" "",
    }
    "usher_refused_total", "Parts of accepted events, and identity tokens of events, that were refused." {
        IdentityRefused = "part" "identity",
        KeyRefused = "part" "key",
        ValueRefused = "part" "value",
    }
    "usher_profiles_unreadable_total", "Stored profiles that were met and could not be read." {
        DamagedProfile = "reason" "damaged",
        ProfileTooNew = "reason" "too_new",
    }
    "usher_activation_attempts_total", "Attempts to deliver activations by their results, and activations without a destination." {
        ActivationDelivered = "result" "delivered",
        ActivationFailed = "result" "failed",
        ActivationParked = "result" "parked",
        ActivationRefused = "result" "not_allowed",
    }
    "usher_store_errors_total", "Reads and writes of storage that failed." {
        StoreError = "" "",
    }
}

impl Count {
    /// The count of a line of the log, if it is one.
    pub(crate) fn of_line(event: &str) -> Option<Count> {
        Some(match event {
            "event_ids_forgotten" => Count::EventIdsForgotten,
            "profile_trimmed" => Count::ProfileTrimmed,
            "profile_made_room" => Count::ProfileMadeRoom,
            "profile_not_made" => Count::ProfileNotMade,
            "key_evicted" => Count::KeyEvicted,
            "identity_refused" => Count::IdentityRefused,
            "key_refused" => Count::KeyRefused,
            "value_refused" => Count::ValueRefused,
            "damaged_profile" => Count::DamagedProfile,
            "profile_too_new" => Count::ProfileTooNew,
            _ => return None,
        })
    }
}

/// Upper ends of the buckets of durations, in microseconds.
pub(crate) const DURATIONS_US: [u64; 10] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];
/// Upper ends of the buckets of the service's own share of them, in microseconds.
pub(crate) const COMPUTED_US: [u64; 10] = [25, 50, 100, 200, 400, 600, 1_200, 1_800, 5_000, 25_000];
/// Upper ends of the buckets of a snapshot's age, in milliseconds.
pub(crate) const AGES_MS: [u64; 6] = [1_000, 5_000, 15_000, 60_000, 3_600_000, 86_400_000];
/// The statuses that are told apart; any other is `other`.
pub(crate) const STATUSES: [u16; 16] =
    [200, 204, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 429, 503];

/// The number of values in each bucket, and their sum.
#[derive(Clone, Debug)]
pub(crate) struct Histogram<const N: usize> {
    /// One for each upper end; the last one is for what is above.
    pub(crate) buckets: [u64; N],
    pub(crate) above: u64,
    pub(crate) sum: u64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Histogram<N> {
        Histogram { buckets: [0; N], above: 0, sum: 0 }
    }
}

impl<const N: usize> Histogram<N> {
    /// The number of values.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.above
    }

    fn add(&mut self, ends: &[u64; N], value: u64) {
        let bucket = ends.iter().zip(&mut self.buckets).find(|(end, _)| value <= **end);
        match bucket {
            Some((_, count)) => *count += 1,
            None => self.above += 1,
        }
        self.sum = self.sum.saturating_add(value);
    }
}

/// A route of the table: its method, and its path with the names of its parameters.
pub(crate) type Route = (&'static str, &'static str);

/// The time that an answer took, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// From the arrival of its request's head.
    pub whole_us: u64,
    /// The part of it in which the service computed: it read the request, folded and decided. Neither waiting, nor storage,
    /// nor the network.
    pub computing_us: u64,
}

/// The durations of one route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    pub(crate) whole: Histogram<{ DURATIONS_US.len() }>,
    pub(crate) computing: Histogram<{ COMPUTED_US.len() }>,
}

/// The counts of a process.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) counts: [u64; SERIES],
    /// By [`STATUSES`]; the last one is for any other.
    pub(crate) statuses: [u64; STATUSES.len() + 1],
    /// By route: its method and path in the table.
    pub(crate) durations: Vec<(Route, Durations)>,
    pub(crate) ages: Histogram<{ AGES_MS.len() }>,
    /// Merges under way between shards, and the age of the oldest in milliseconds, when they were counted last.
    pub(crate) merges: (u64, i64),
    /// Activations that wait, the age of the oldest in milliseconds, and those that are parked, when they were counted last.
    pub(crate) activations: (u64, i64, u64),
}

impl Default for Metrics {
    fn default() -> Metrics {
        let (counts, statuses) = ([0; SERIES], [0; STATUSES.len() + 1]);
        Metrics {
            counts,
            statuses,
            durations: Vec::new(),
            ages: Histogram::default(),
            merges: (0, 0),
            activations: (0, 0, 0),
        }
    }
}

impl Metrics {
    pub(crate) fn add(&mut self, count: Count, times: u64) {
        if let Some(series) = self.counts.get_mut(count as usize) {
            *series += times;
        }
    }

    pub(crate) fn of(&self, count: Count) -> u64 {
        self.counts.get(count as usize).copied().unwrap_or(0)
    }

    /// Counts what came of something that is no answer.
    pub(crate) fn counted(&mut self, counts: &Counts) {
        for place in &counts.series {
            if let Some(series) = self.counts.get_mut(usize::from(*place)) {
                *series += 1;
            }
        }
    }

    /// Counts an answer, and how long it took by its route, if it has one.
    pub(crate) fn answered(&mut self, status: u16, counts: &Counts, route: Option<Route>, took: Took) {
        let place = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        if let Some(series) = self.statuses.get_mut(place) {
            *series += 1;
        }
        if let Some(route) = route {
            let known = self.durations.iter().position(|(known, _)| *known == route);
            let known = known.unwrap_or_else(|| {
                self.durations.push((route, Durations::default()));
                self.durations.len() - 1
            });
            if let Some((_, durations)) = self.durations.get_mut(known) {
                durations.whole.add(&DURATIONS_US, took.whole_us);
                durations.computing.add(&COMPUTED_US, took.computing_us);
            }
        }
        self.counted(counts);
        if let Some(age_ms) = counts.age_ms {
            self.ages.add(&AGES_MS, u64::try_from(age_ms).unwrap_or(0));
        }
    }
}

/// The counts of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The series of each thing that was counted, by its place: a byte for each costs less than a number for each series.
    pub(crate) series: Vec<u8>,
    /// The age of the snapshot that answered, in milliseconds.
    pub(crate) age_ms: Option<i64>,
}

impl Counts {
    pub(crate) fn add(&mut self, count: Count) {
        self.series.push(count as u8);
    }

    /// The series of each thing that was counted, by its place in the list of all: for hosts that hand counts on to a service
    /// of their platform.
    pub fn series(&self) -> &[u8] {
        &self.series
    }

    /// The age of the snapshot that answered, in milliseconds, if the visitor is known.
    pub fn age_ms(&self) -> Option<i64> {
        self.age_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_stands_where_its_variant_does() {
        let all = METRICS.iter().flat_map(|(_, _, series)| series.iter());
        for (place, (count, label, value)) in all.enumerate() {
            assert_eq!(*count as usize, place, "{label} {value}");
        }
    }

    #[test]
    fn the_entry_of_the_worker_lists_the_series_in_their_order() {
        let entry = include_str!("../cloudflare/entry/metrics.js");
        let (_, list) = entry.split_once("const SERIES = [").unwrap();
        let (list, _) = list.split_once("];").unwrap();
        let listed: Vec<&str> = list.split("[\"").skip(1).filter_map(|row| row.split('"').next()).collect();
        let known = METRICS.iter().flat_map(|(metric, _, series)| {
            let name = metric.trim_start_matches("usher_").trim_end_matches("_total");
            series.iter().map(move |(_, _, value)| format!("{name} {value}").trim_end().to_owned())
        });
        assert_eq!(listed, known.collect::<Vec<_>>());
    }

    #[test]
    fn values_fall_into_the_bucket_whose_end_they_reach() {
        let mut histogram = Histogram::default();
        for value in [0, 1_000, 1_001, 86_400_000, 86_400_001] {
            histogram.add(&AGES_MS, value);
        }
        assert_eq!((histogram.buckets, histogram.above, histogram.sum), ([2, 1, 0, 0, 0, 1], 1, 172_802_002));
    }

    #[test]
    fn an_answer_counts_by_its_status_and_route() {
        let mut metrics = Metrics::default();
        let mut counts = Counts { age_ms: Some(7), ..Counts::default() };
        counts.add(Count::Accepted);
        counts.add(Count::Accepted);
        let took = Took { whole_us: 400, computing_us: 30 };
        metrics.answered(200, &counts, Some(("GET", "/healthz")), took);
        metrics.answered(200, &Counts::default(), Some(("GET", "/healthz")), took);
        metrics.answered(418, &counts, None, Took { whole_us: 3_000_000, computing_us: 0 });
        assert_eq!((metrics.statuses[0], metrics.statuses[STATUSES.len()]), (2, 1));
        let durations = &metrics.durations[0].1;
        assert_eq!(
            (metrics.durations.len(), durations.whole.buckets[0], durations.computing.buckets[1]),
            (1, 2, 2)
        );
        assert_eq!((metrics.of(Count::Accepted), metrics.ages.buckets[0]), (4, 2));
    }
}
