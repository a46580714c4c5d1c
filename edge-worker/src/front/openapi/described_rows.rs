//! The same for the routes of rows of tables.

use super::parts::{Described, JSON, NOTHING, Parameter, answer, query};
use crate::error::Refusal;

const IMPORTING: &[Parameter] = &[
    query("mode", false, "`upsert` (default) rows by their keys, or `replace` the table.")
        .of(r#"{"enum": ["upsert", "replace"]}"#),
    query("load", false, "With `replace`: the name of a replacement that takes several requests."),
    query("last", false, "`true` in its last request, which switches to the new rows."),
];

/// In the order of the table of routes.
pub(super) const DESCRIBED_ROWS: &[Described] = &[
    Described {
        method: "PUT",
        path: "/v1/audiences/{audience}/tables/{name}/import",
        id: "importRows",
        summary: "Imports rows of a table, one in each line.",
        with: "(`?mode=upsert`, `replace`, `&load=<name>&last=true`)",
        key: "server with `import`",
        text: "a row a line, with the bounds of records → counts, `rejected` lines with columns and reasons: [tables.md](tables.md)",
        parameters: IMPORTING,
        body: Some((&["application/x-ndjson"], "Rows")),
        answers: &[answer("RowsImported", "Counts, and what was not taken.")],
        refusals: &[
            Refusal::BODY_INVALID,
            Refusal::QUERY_INVALID,
            Refusal::AUDIENCE_UNKNOWN,
            Refusal::ROWS_UNKNOWN,
            Refusal::CONFLICT,
            Refusal::ROWS_REJECTED,
            Refusal::NEEDS_FORM,
        ],
    },
    Described {
        path: "/v1/audiences/{audience}/tables/{name}/import",
        id: "rowColumns",
        summary: "Tells the columns that rows of a table have.",
        key: "server with `import`",
        text: "`key`, `version` and `columns` of the table, each with its types; `modes` of importing; `rows_max`, the most rows of one request",
        answers: &[answer("RowColumns", "Columns, modes and bounds.")],
        refusals: &[Refusal::QUERY_INVALID, Refusal::AUDIENCE_UNKNOWN, Refusal::ROWS_UNKNOWN],
        ..NOTHING
    },
    Described {
        path: "/v1/audiences/{audience}/tables/{name}/rows/{row}",
        id: "readRow",
        summary: "Reads the row of a key.",
        key: "server with `read`",
        text: "the row: `columns`, when it arrived, and the names of columns that are `withheld` because they are sensitive",
        answers: &[answer("Row", "The row.")],
        refusals: &[
            Refusal::QUERY_INVALID,
            Refusal::AUDIENCE_UNKNOWN,
            Refusal::ROWS_UNKNOWN,
            Refusal::ROW_UNKNOWN,
            Refusal::NEEDS_FORM,
        ],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/v1/audiences/{audience}/tables/{name}/rows/{row}",
        id: "deleteRow",
        summary: "Deletes the row of a key, if there is one.",
        key: "server with `import`",
        text: "`{\"deleted\": true}`",
        answers: &[answer("RowDeleted", "It is done.")],
        refusals: &[
            Refusal::QUERY_INVALID,
            Refusal::AUDIENCE_UNKNOWN,
            Refusal::ROWS_UNKNOWN,
            Refusal::ROW_UNKNOWN,
            Refusal::NEEDS_FORM,
        ],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/audiences/{audience}/pipelines/{name}",
        id: "enrich",
        summary: "Answers with the row that the query of a pipeline makes of a row.",
        key: "server with `personalize`",
        text: "`{\"row\": {…}}` → the row of the query, or null where WHERE is not true: [pipelines.md](pipelines.md#at-the-edge)",
        body: Some((JSON, "RowOfEvent")),
        answers: &[answer("Enriched", "The row, and what it lacks.")],
        refusals: &[
            Refusal::BODY_INVALID,
            Refusal::QUERY_INVALID,
            Refusal::AUDIENCE_UNKNOWN,
            Refusal::PIPELINE_UNKNOWN,
            Refusal::NEEDS_FORM,
        ],
        ..NOTHING
    },
];
