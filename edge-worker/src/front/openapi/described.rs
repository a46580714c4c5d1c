//! Parameters, bodies and answers of each route, for people and for machines. The table of routes has the rest.

use super::parts::{
    Answer, Described, IF_MATCH, JSON, NOTHING, OF_LOOKUPS, PUBLISHING, SEEN, TOKEN, answer, query,
};
use crate::error::Refusal;

/// In the order of the table of routes.
pub(super) const DESCRIBED: &[Described] = &[
    Described {
        method: "POST",
        path: "/public/{database}/{table}",
        id: "personalizePage",
        summary: "Takes one event of a page, and answers with offers: the stock SDK's `fetchPersonalization`.",
        key: "write, with a public token, from an allowed page",
        text: "one event → offers",
        body: Some((JSON, "Event")),
        answers: &[Answer { headers: SEEN, ..answer("Offers", "The offers after the event.") }],
        refusals: &[Refusal::AUDIENCE_UNKNOWN, Refusal::TABLE_UNKNOWN],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/{database}/{table}",
        id: "personalize",
        summary: "Takes one event of a server, and answers with offers.",
        with: "with `WP13n-Token`",
        key: "write or server, with a private token",
        text: "one event → offers",
        parameters: &[TOKEN],
        body: Some((JSON, "Event")),
        answers: &[Answer { headers: SEEN, ..answer("Offers", "The offers after the event.") }],
        refusals: &[Refusal::AUDIENCE_UNKNOWN, Refusal::TABLE_UNKNOWN],
    },
    Described {
        method: "POST",
        path: "/{database}/{table}",
        id: "ingest",
        summary: "Takes a batch of events: the stock SDK's `trackEvent`, `trackPageview` and `addRecord`.",
        key: "write or server",
        text: "`{\"events\": […]}`, at most 500 and 5 MiB → receipts",
        body: Some((JSON, "Batch")),
        answers: &[Answer { headers: SEEN, ..answer("Receipts", "One receipt for each event, in order.") }],
        refusals: &[Refusal::EVENTS_MISSING, Refusal::TABLE_UNKNOWN],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/personalizations/{personalization}",
        id: "outputsByPath",
        summary: "Looks a visitor up, and answers with the outputs of the first section that matches.",
        with: "(`?<name>=<value>`)",
        key: "server with `personalize`",
        text: "a lookup, with keys and inputs in the query → the outputs of the first section, by name; 404 where none matched",
        parameters: &[query("<name>", false, "Each key or input, as HTML forms encode them.")],
        answers: &[Answer { headers: SEEN, ..answer("Outputs", "Outputs by name.") }],
        refusals: &[
            Refusal::QUERY_INVALID,
            Refusal::INPUT_MISSING,
            Refusal::AUDIENCE_UNKNOWN,
            Refusal::PERSONALIZATION_UNKNOWN,
            Refusal::NO_SECTION,
        ],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/audiences/{audience}/personalization",
        id: "outputsByBody",
        summary: "The same, with keys and inputs in the body.",
        key: "server with `personalize`",
        text: "`{\"<input>\": …}`, and `service_name` where there are several personalizations → the same",
        body: Some((JSON, "Inputs")),
        answers: &[Answer { headers: SEEN, ..answer("Outputs", "Outputs by name.") }],
        refusals: &[
            Refusal::BODY_INVALID,
            Refusal::INPUT_MISSING,
            Refusal::AUDIENCE_UNKNOWN,
            Refusal::PERSONALIZATION_UNKNOWN,
            Refusal::NO_SECTION,
        ],
        ..NOTHING
    },
    Described {
        path: "/cdp/lookup/collect/segments",
        id: "fetchUserSegments",
        summary: "Looks a visitor up for a page: the stock SDK's `fetchUserSegments`.",
        with: "(`?version=2&token=…&key.<name>=<value>`)",
        key: "public token in the query, from an allowed page",
        text: "`fetchUserSegments` → segments and outputs",
        parameters: &[
            query("version", false, "2; it is not read."),
            query("key.<name>", false, "Each key; a `+` is a plus."),
        ],
        answers: &[Answer {
            headers: SEEN,
            ..answer("Segments", "One element, or none for an unknown visitor.")
        }],
        refusals: &[
            Refusal::QUERY_INVALID,
            Refusal::BODY_INVALID,
            Refusal::INPUT_MISSING,
            Refusal::AUDIENCE_UNKNOWN,
            Refusal::PERSONALIZATION_UNKNOWN,
        ],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/e",
        id: "sendEvents",
        summary: "Takes events of several tables from a page, and answers with receipts and offers.",
        with: "(`?key=…`)",
        key: "write, in the query or the header; offers with a public token, from an allowed page",
        text: "events of several tables → receipts, and offers if they are asked for",
        body: Some((&["text/plain", "application/json"], "MixedBatch")),
        answers: &[Answer {
            headers: &["usher-seen", "usher-wire"],
            ..answer(
                "MixedReceipts",
                "One receipt for each event, in order, and offers if they were asked for.",
            )
        }],
        refusals: &[
            Refusal::EVENTS_MISSING,
            Refusal::BODY_INVALID,
            Refusal::AUDIENCE_UNKNOWN,
            Refusal::NEEDS_FORM,
        ],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/personalize",
        id: "lookUp",
        summary: "Looks a visitor up, and answers with the offers of a personalization.",
        key: "server with `personalize`; or write, with a public token, from an allowed page",
        text: "a lookup → offers and `meta`",
        body: Some((JSON, "Lookup")),
        answers: &[Answer { headers: SEEN, ..answer("OffersAndMeta", "Offers, and how they came about.") }],
        refusals: OF_LOOKUPS,
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/explain",
        id: "explain",
        summary: "Answers like a lookup, with the reason of each offer, section and condition.",
        key: "server with `explain`; or a preview token",
        text: "a lookup → offers and why",
        body: Some((JSON, "Lookup")),
        answers: &[Answer { headers: SEEN, ..answer("Explanation", "Offers, profile and reasons.") }],
        refusals: OF_LOOKUPS,
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/device",
        id: "takeToDevice",
        summary: "Gives the part of the visitor's profile that may be on the visitor's device.",
        key: "server with `personalize`; or write, with a public token, from an allowed page",
        text: "a lookup with the `seen` of the last answer → the hash of a program, and an extract for it: [device.md](device.md)",
        body: Some((JSON, "ExtractRequest")),
        answers: &[answer("Extract", "The extract; that of an unknown visitor without a valid `seen`.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::AUDIENCE_UNKNOWN],
        ..NOTHING
    },
    Described {
        path: "/v1/audiences/{audience}/programs/{program}",
        id: "readProgram",
        summary: "Reads the program of the running bundle for devices.",
        with: "(`?token=…`)",
        key: "public token in the query, from an allowed page",
        text: "the program of this hash, as bytes",
        answers: &[answer("Program", "Bytes for the engine on devices.")],
        refusals: &[Refusal::AUDIENCE_UNKNOWN, Refusal::PROGRAM_UNKNOWN],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/v1/audiences/{audience}/programs/{program}",
        id: "revokeProgram",
        summary: "Revokes the program of the running bundle for devices for ever, everywhere within 60 seconds.",
        text: "devices may not use this program any more ([device.md](device.md#revoking-a-program)) → `tag`, `revoked_ms`, `changed`",
        answers: &[answer("Revocation", "The program is revoked; `changed` is false if it was before.")],
        refusals: &[Refusal::AUDIENCE_UNKNOWN, Refusal::PROGRAM_UNKNOWN],
        ..NOTHING
    },
    Described {
        path: "/v1/audiences",
        id: "listAudiences",
        summary: "Lists the audiences that run here.",
        text: "which audiences run here, with bundle number, hash and status",
        answers: &[answer("Audiences", "The audiences that the key covers.")],
        ..NOTHING
    },
    Described {
        path: "/v1/audiences/{audience}/bundle",
        id: "readBundle",
        summary: "Reads the bundle that runs.",
        text: "the bundle that runs; `ETag` is its hash",
        answers: &[Answer {
            headers: &["etag", "usher-bundle", "usher-status"],
            ..answer("Bundle", "The bundle as it was published.")
        }],
        refusals: &[Refusal::AUDIENCE_UNKNOWN],
        ..NOTHING
    },
    Described {
        method: "PUT",
        path: "/v1/audiences/{audience}/bundle",
        id: "publish",
        summary: "Publishes a bundle, which runs from now on.",
        text: "a bundle, at most 1,900,000 bytes → its number; `If-Match` says which one it replaces: a tag, a list, `*` for any; \
               weak tags match none; `If-None-Match: *` says that it is the first one; `?draft=discard` sets an open [draft](control-api.md#drafts) aside",
        parameters: PUBLISHING,
        body: Some((JSON, "Bundle")),
        answers: &[Answer { headers: &["etag"], ..answer("Release", "The bundle that runs.") }],
        refusals: &[
            Refusal::BUNDLE_INVALID,
            Refusal::NEEDS_FORM,
            Refusal::DRAFT_OPEN,
            Refusal::BUNDLE_CHANGED,
        ],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/v1/audiences/{audience}/bundle",
        id: "unpublish",
        summary: "Takes an audience out: it runs nothing from now on.",
        text: "takes the audience out: it runs nothing, its tables are unknown; history and profiles stay, a push or rollback brings \
               it back; `If-Match` as above",
        parameters: &[IF_MATCH],
        answers: &[Answer {
            headers: &["etag"],
            ..answer("Release", "The number under which it was taken out.")
        }],
        refusals: &[Refusal::AUDIENCE_UNKNOWN, Refusal::BUNDLE_CHANGED, Refusal::NEEDS_FORM],
        ..NOTHING
    },
    Described {
        path: "/v1/audiences/{audience}/bundles",
        id: "listBundles",
        summary: "Lists the last bundles that ran, the running one first.",
        text: "the last 20 that ran, the running one first",
        answers: &[answer("Bundles", "The bundles that are kept.")],
        refusals: &[Refusal::AUDIENCE_UNKNOWN],
        ..NOTHING
    },
    Described {
        path: "/v1/audiences/{audience}/bundles/{which}",
        id: "readKeptBundle",
        summary: "Reads one of the last bundles that ran.",
        text: "one of them: `previous`, a number or a hash",
        answers: &[Answer {
            headers: &["etag", "usher-bundle"],
            ..answer("Bundle", "The bundle as it was published.")
        }],
        refusals: &[Refusal::AUDIENCE_UNKNOWN, Refusal::BUNDLE_UNKNOWN],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/audiences/{audience}/rollback",
        id: "rollBack",
        summary: "Runs one of the last bundles again.",
        text: "`{\"number\": n}` or `{\"hash\": \"…\"}`, else the previous → it runs again",
        parameters: &[IF_MATCH],
        body: Some((JSON, "Rollback")),
        answers: &[Answer { headers: &["etag"], ..answer("Release", "The bundle that runs.") }],
        refusals: &[
            Refusal::BODY_INVALID,
            Refusal::AUDIENCE_UNKNOWN,
            Refusal::BUNDLE_UNKNOWN,
            Refusal::BUNDLE_CHANGED,
            Refusal::NEEDS_FORM,
        ],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/audiences/{audience}/profiles/import",
        id: "import",
        summary: "Imports batch records, one in each line.",
        with: "(`?mode=replace`, `patch`)",
        key: "server with `import`",
        text: "a record a line, at most 10,000 with 514,000 values in 5 MiB → counts, `rejected` \
               lines and `refused` values, each with its reason; the first 1,000 of either are named; `ignored_columns` names 100, and \
               `more_ignored_columns` says that there are others",
        parameters: &[query("mode", false, "`replace` (default) the older record, or `patch`: add to it.")
            .of(r#"{"enum": ["replace", "patch"]}"#)],
        body: Some((&["application/x-ndjson"], "Records")),
        answers: &[answer("Imported", "Counts, and what was not taken.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::AUDIENCE_UNKNOWN, Refusal::NEEDS_FORM],
    },
    Described {
        path: "/v1/audiences/{audience}/profiles/import",
        id: "recordColumns",
        summary: "Tells the columns of batch records that the running bundle reads.",
        key: "server with `import`",
        text: "`key` and `columns` of records that the running bundle reads, each with its types; `modes` of importing; `rows_max`, the \
               most rows of one request",
        answers: &[answer("RecordColumns", "Columns, modes and bounds.")],
        refusals: &[Refusal::AUDIENCE_UNKNOWN],
        ..NOTHING
    },
    Described {
        path: "/v1/audiences/{audience}/profiles/{key}/{value}",
        id: "readProfile",
        summary: "Reads everything that is stored of a visitor.",
        key: "server with `read`",
        text: "everything that is stored of a visitor: [below](#profiles)",
        answers: &[answer("Profile", "The profile.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::PROFILE_UNKNOWN, Refusal::NEEDS_FORM],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/v1/audiences/{audience}/profiles/{key}/{value}",
        id: "eraseProfile",
        summary: "Erases a visitor.",
        key: "server with `erase`",
        text: "the visitor is forgotten → `erased`, and the number of its `keys`; asked again 0 of them",
        answers: &[answer("Erased", "It is erased.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::PROFILE_UNKNOWN, Refusal::NEEDS_FORM],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/v1/audiences/{audience}/suppressions/{key}/{value}",
        id: "readmitKey",
        summary: "Takes imports of an erased key again.",
        key: "server with `erase`",
        text: "imports of an erased key are taken again → `lifted`, false if they were not refused",
        answers: &[answer("Lifted", "They are taken.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::PROFILE_UNKNOWN, Refusal::NEEDS_FORM],
        ..NOTHING
    },
    Described {
        path: "/v1/audiences/{audience}/keys",
        id: "listKeys",
        summary: "Lists the keys of an audience, without anything that is secret.",
        text: "the keys of the audience: `tag`, `kind`, `name`, what each may do, whether it is revoked",
        answers: &[answer("Keys", "In the order of the deployment's secret.")],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/v1/audiences/{audience}/keys/{tag}",
        id: "revokeKey",
        summary: "Revokes a key for ever, everywhere within 60 seconds.",
        text: "the key of this tag is [revoked](keys.md#revocation), everywhere within 60 s → `tag`, `revoked_ms`, `changed`",
        answers: &[answer("Revocation", "The key is revoked; `changed` is false if it was before.")],
        refusals: &[Refusal::KEY_UNKNOWN],
        ..NOTHING
    },
];
