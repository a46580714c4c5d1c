//! Every bound of the service, in one place. Bounds of the engine stand in `usher_engine::limits`.

/// Time after which a visitor in a journey that does not run is looked at again, in milliseconds.
pub const PARKED_MS: i64 = 60 * 60 * 1_000;
/// Time for which attempts are kept, and messages of journeys that were not delivered, in milliseconds.
pub const SENDING_MS: i64 = 30 * DAY_MS;
/// Most bytes of unsent messages that a merge of two shards takes along: together with a profile they fit into a row of a Durable
/// Object, which has 2 MB.
pub const HANDED_OVER_BYTES_MAX: usize = 1024 * 1024;
/// Most destinations of a deployment.
pub const DESTINATIONS_MAX: usize = 64;
/// Attempts a second at a destination, unless it says otherwise; the shards share them.
pub const DESTINATION_RATE: u32 = 100;
/// Most attempts a second that a destination may have.
pub const DESTINATION_RATE_MAX: u32 = 10_000;
/// Attempts of a shard at one destination at the same time, at most, unless its rate is over 160 a second.
pub const DESTINATION_ATTEMPTS: u32 = 16;
/// The same for the fastest destinations: a quarter of what a native host has at the same time is left to others.
pub const DESTINATION_ATTEMPTS_MAX: u32 = 48;
/// Largest body of an activation, in bytes.
pub const SENT_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of an answer, or of the reason for a failed attempt, that are kept.
pub const ANSWER_KEPT_BYTES_MAX: usize = 1_024;
/// Bytes of a destination's answer that are read, at most.
pub const ANSWER_READ_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of how the delivery of a message stands: the last result, the destination and numbers.
pub const DELIVERY_BYTES_MAX: usize = ANSWER_KEPT_BYTES_MAX + 256;
/// Time from the commit of an activation's step, or from its retry by hand, to the last attempt, in milliseconds.
pub const ATTEMPTS_MS: i64 = DAY_MS;
/// Time for which an attempt has its message for itself, in milliseconds; attempts end before.
pub const ATTEMPT_LEASE_MS: i64 = 60_000;
/// Time for one attempt, in milliseconds: from the look-up of the host to the end of the answer.
pub const ATTEMPT_MS: u64 = 20_000;
/// The longest pause before the second attempt, in milliseconds; it doubles with each further one.
pub const ATTEMPT_PAUSE_MS: i64 = 2_000;
/// The longest pause between two attempts, in milliseconds.
pub const ATTEMPT_PAUSE_MAX_MS: i64 = 60 * 60 * 1_000;
/// Time after which a message behind another one is looked at again, in milliseconds, should nothing wake it before.
pub const BEHIND_MS: i64 = 10 * 60 * 1_000;
/// Most messages, of each kind and destination, that one turn of delivery looks at.
pub const SENDING_ROWS_MAX: usize = 64;
/// Most messages that one call looks at to try them again.
pub const RETRIED_MAX: u32 = 500;
/// Most rows of a list of activations or attempts.
pub const ACTIVATIONS_PAGE_MAX: u32 = 200;
/// Largest body of an ingestion batch or import, in bytes, after inflation.
pub const BATCH_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Most events in a batch.
pub const BATCH_EVENTS_MAX: usize = 500;
/// Largest event, in bytes of compact JSON.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Most keys in an event, and in each object of an array in it, nested ones included.
pub const EVENT_KEYS_MAX: usize = 256;
/// Deepest nesting of an event; the event itself is the first level.
pub const EVENT_DEPTH_MAX: usize = 16;
/// Most values in the body of a batch, at any name: memory is proportional to it, and an isolate has little.
pub const BATCH_VALUES_MAX: usize = 200_000;
/// Most values in an event, list items included.
pub const EVENT_VALUES_MAX: usize = 8_192;
/// Largest body of a native data-plane request, in bytes.
pub const NATIVE_BYTES_MAX: usize = 64 * 1024;
/// Largest bundle, in bytes: stored, it is a row with its hash, and a row of a Durable Object has at most 2 MB.
pub const BUNDLE_BYTES_MAX: usize = 1_900_000;
/// Most personalizations that one body of `/v1/e` asks for.
pub const ASKED_NAMES_MAX: usize = 64;
/// Number of an audience's bundles that are stored for rollbacks, including the running one; each is at most
/// [`BUNDLE_BYTES_MAX`].
pub const BUNDLES_KEPT: u64 = 20;
/// Largest state of the control API for an audience, in bytes: it is a row, too.
pub const CONTROL_STATE_BYTES_MAX: usize = 1_900_000;
/// Largest body of a call of the control API, in bytes.
pub const CONTROL_BYTES_MAX: usize = 256 * 1024;
/// Time without an edit after which a draft is published, in milliseconds.
pub const DRAFT_REST_MS: i64 = 2_000;
/// Most drafts that are kept aside for an audience.
pub const DRAFTS_ASIDE_MAX: usize = 3;
/// Most faults in the answer to one call of the control API.
pub const FAULTS_MAX: usize = 50;
/// Objects of a page of a list, where the query does not say how many.
pub const PAGE_ITEMS: usize = 100;
/// Most objects of a page of a list.
pub const PAGE_ITEMS_MAX: usize = 1_000;
/// Most tokens of a personalization service.
pub const TOKENS_OF_SERVICE_MAX: usize = 50;
/// Deepest nesting of a bundle; criteria take two levels for each of theirs.
pub const DOCUMENT_DEPTH_MAX: usize = 120;
/// Most names in one object of a document: each is compared with those before it.
pub const OBJECT_KEYS_MAX: usize = 1_024;
/// Most folds of a batch's events, to find those that make a profile too large.
pub const FOLDS_MAX: usize = 8;
/// Most folds of a message whose commit failed because of other writers; then the answer is that of a storage failure.
pub const COMMITS_MAX: usize = 8;
/// Most bytes of the stored profiles that are read at once, unless one event names more. Reading, changing and writing them
/// takes some ten times as much memory, of which an isolate has 128 MB, beside its bundles and the message.
pub const PART_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most keys whose profiles are read without a look at their sizes: they fit a part, however large each is.
pub const UNSIZED_KEYS_MAX: usize = PART_BYTES_MAX / usher_engine::limits::PROFILE_BYTES_MAX;
/// Most rows of an import that a shard hands to another in one message, unless more have one key.
pub const IMPORT_PIECE_ROWS: usize = 500;
/// Most rounds of questions to other shards for one message; then the answer is that of a storage failure.
pub const ROUNDS_MAX: usize = 8;
/// Most shards that hand on one event or row, each to the next.
pub const HOPS_MAX: u8 = 8;
/// Most shards that are asked for the bundles that wrote to them, where the control object may be lost: one that is not asked
/// says so when it is written to.
pub const WITNESSES_MAX: u32 = 32;
/// Most messages that a shard sends to others at once.
pub const DUE_MAX: usize = 32;
/// Most shards of a deployment.
pub const SHARDS_MAX: u32 = 4_096;
/// Time that a message waits for a merge, in milliseconds.
pub const MERGE_MS: i64 = 2_000;
/// The size of a shard from which `/healthz` warns, in bytes: 80 % of 8 GB, of the 10 GB that a Durable Object can have.
pub const SHARD_BYTES_WARNED: i64 = 6_400_000_000;
/// Most bytes of the keys in one statement; a batch with more reads by several. A Durable Object takes 2 MB a parameter.
pub const ASKED_BYTES_MAX: usize = 1_000_000;
/// Most snapshots that one message makes a host forget by name; beyond that it forgets all.
pub const FORGOTTEN_NAMES_MAX: usize = 64;
/// Minimum time between two writes of `/healthz` to storage, in milliseconds.
pub const PROBE_MS: u64 = 5_000;
/// Time for which `/healthz` says `degraded` after storage failed, in milliseconds.
pub const STORAGE_DEGRADED_MS: i64 = 5 * 60 * 1_000;
/// Most rows in one import request. New profiles take some 5 KB each until they are written, so that these and a body of
/// [`BATCH_BYTES_MAX`] fit an isolate's memory, beside its bundles.
pub const IMPORT_ROWS_MAX: usize = 10_000;
/// Most rows that every writer takes while form 1 is written: one of release 0.1.0 may be the one that gets them.
pub const IMPORT_ROWS_OF_FORM_1: usize = 2_000;
/// Most values in all rows together: 2,000 flat rows, each with as many columns as allowed.
pub const IMPORT_VALUES_MAX: usize = 2_000 * (EVENT_KEYS_MAX + 1);
/// Most rejected rows that an import names; further ones are only counted.
pub const IMPORT_REJECTIONS_MAX: usize = 1_000;
/// Most values of a wrong type that an import names; further ones are only counted.
pub const IMPORT_REFUSALS_MAX: usize = 1_000;
/// Most columns without an attribute that an import names; an answer that names fewer than there are says so.
pub const IMPORT_IGNORED_MAX: usize = 100;
/// Most rows of replaced tables that a commit deletes.
pub const TABLE_ROWS_DROPPED_MAX: usize = 5_000;
/// Time for which a copy may say that a table has no such row, in milliseconds.
pub const ROW_MISS_MS: i64 = 30_000;
/// Most reads of rows for one message: which rows it needs may change when its profile does.
pub const ROW_READS_MAX: usize = 3;
/// Longest name of a replacement of a table, in bytes.
pub const LOAD_BYTES_MAX: usize = 64;
/// Longest request target, in bytes.
pub const TARGET_BYTES_MAX: usize = 4 * 1024;

/// Greatest age at which any copy of a snapshot is used, in milliseconds; also its lifetime in KV.
pub const SNAPSHOT_MS: i64 = 60_000;
/// Greatest age at which it is used when the writer fails, in milliseconds.
pub const STALE_SNAPSHOT_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most memory for copies of snapshots in a process, in bytes; an isolate has 128 MB for everything.
pub const COPIES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The memory of a copy besides twice its bytes: what answers read of it is decoded beside it.
pub const COPY_BYTES: usize = 768;
/// The time for which a device may answer from an extract, in milliseconds.
pub const DEVICE_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most ids of events that a request for an extract asks about: the most that a page keeps.
pub const DEVICE_IDS_MAX: usize = 200;
/// Longest life of a preview token, in seconds.
pub const PREVIEW_SECONDS_MAX: i64 = 24 * 60 * 60;
/// Largest identity token, in bytes.
pub const IDENTITY_BYTES_MAX: usize = 4 * 1024;
/// Most audiences that an identity token names.
pub const IDENTITY_AUDIENCES_MAX: usize = 16;
/// Most keys that an identity token vouches for.
pub const IDENTITY_KEYS_MAX: usize = 16;
/// Most identity keys of an audience that are tried: two for each of some issuers.
pub const IDENTITY_KEYS_OF_AUDIENCE_MAX: usize = 8;
/// Most signatures of an identity token that are verified, over all its audiences: each takes a fraction of a millisecond.
pub const IDENTITY_TRIES_MAX: usize = 32;
/// Longest life of an identity token, in seconds.
pub const IDENTITY_SECONDS_MAX: f64 = 3_600.0;
/// The most that the clock of an identity token's issuer may be ahead, in seconds.
pub const IDENTITY_SKEW_SECONDS: f64 = 60.0;
/// Length of a shared secret for identity tokens, in bytes: not shorter than the hash (RFC 7518 §3.2).
pub const IDENTITY_SECRET_BYTES: core::ops::RangeInclusive<usize> = 32..=512;
/// The burst of a source, in seconds of its rate.
pub const RATE_SECONDS: u64 = 60;
/// Number of sources whose rates are tracked, 32 bytes each; beyond it the least recently seen are dropped.
pub const SOURCES_MAX: usize = 8_192;
/// Most lines that one request logs; further ones are counted.
pub const LOG_LINES_MAX: usize = 10;
/// Digits of a key's hash by which operators name it: 48 bits tell all keys of a deployment apart.
pub const KEY_TAG_DIGITS: usize = 12;
/// Most keys and tokens of a deployment.
pub const KEYS_MAX: usize = 1_000;
/// Time for which the journal of merges is kept, in milliseconds.
pub const JOURNAL_MS: i64 = 400 * 24 * 60 * 60 * 1_000;
/// Time for which older events and imports of an erased key are refused, in milliseconds.
pub const SUPPRESSION_MS: i64 = 400 * DAY_MS;
/// Time without an event after which a profile without a batch record is deleted, in days, unless it is set.
pub const PROFILE_DAYS: u32 = 400;
/// Longest time that can be set.
pub const PROFILE_DAYS_MAX: u32 = 36_500;
/// Most profiles, and most rows of each other table, that one turn of upkeep deletes or looks at.
pub const UPKEEP_ROWS_MAX: usize = 200;
/// Most rows about other shards, of each kind, that one turn finds to be of no more use.
pub const AGED_ROWS_MAX: usize = 5_000;
/// Time between two turns of upkeep, in milliseconds, if nothing is left to do.
pub const UPKEEP_MS: i64 = DAY_MS;
/// The same if something is left.
pub const UPKEEP_MORE_MS: i64 = 1_000;
/// The same if more visitors wait no longer than one turn leads on: they are late already, and requests are served in between.
pub const WAITS_MORE_MS: i64 = 10;
/// Time for which a turn of upkeep keeps others off, in milliseconds, should it end early.
pub const UPKEEP_LEASE_MS: i64 = 30_000;
/// Age at which an erased profile's copies are replaced once more, in milliseconds: by then no lookup that was under way at its
/// erasure writes one.
pub const ENTOMB_AGAIN_MS: i64 = 60_000;
/// Time between two renewals of the tables of visitors, in milliseconds. With the time that one takes, no removed row is in a
/// file for longer than in the platform's own recovery copies, which are 30 days.
pub const RENEWAL_MS: i64 = 21 * DAY_MS;
/// Largest database that is renewed, in bytes: it takes twice as much meanwhile, and to drop a table takes some seconds.
pub const RENEWAL_BYTES_MAX: i64 = 1 << 30;
/// Most rows that one turn of a renewal copies.
pub const RENEWAL_ROWS_MAX: u32 = 200;
/// Most megabytes of zeros that one turn of a renewal writes.
pub const RENEWAL_ZEROS_MAX: u32 = 8;
/// A day, in milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most of its rows that one profile keeps, the newest ones: how often keys move is the choice of senders.
pub const JOURNAL_OF_PROFILE_MAX: usize = 100;
/// Most of its rows that an explanation shows, the newest ones.
pub const JOURNAL_ROWS_MAX: usize = 100;
/// Most event tables of which columns are known.
pub const DISCOVERED_TABLES_MAX: usize = 64;
/// Most columns that are known of a table.
pub const DISCOVERED_COLUMNS_MAX: usize = 200;
/// The depth within objects to which columns are looked for.
pub const DISCOVERED_DEPTH_MAX: usize = 4;
/// Longest name of a column that is kept, in bytes.
pub const COLUMN_NAME_BYTES_MAX: usize = 256;
/// Events of a table that are all read for their columns.
pub const TABLE_EVENTS_WHOLE: u64 = 256;
/// Behind those, one request of so many is.
pub const ONE_REQUEST_OF: u64 = 64;
