//! The same for the routes of event tables and journeys.

use super::described_api::PAGED;
use super::parts::{
    Answer, Described, JSON, NOTHING, PAGE_AFTER, PAGE_SIZE, Parameter, RESOURCE, answer, query,
};
use crate::error::Refusal;

/// An audience's.
const AUDIENCE_ID: &str = r#"{"type": "string", "pattern": "^[0-9A-Za-z._~-]+$"}"#;

const VARIANTS: &[Parameter] =
    &[query("audience_id", true, "The audience's id.").of(AUDIENCE_ID), PAGE_SIZE, PAGE_AFTER];

/// In the order of the table of routes.
pub(super) const DESCRIBED_REST: &[Described] = &[
    Described {
        path: "/v3/database/list",
        id: "listDatabases",
        summary: "Lists the databases of event tables.",
        text: "`databases`, each with its number of tables",
        answers: &[answer("Databases", "The answer.")],
        ..NOTHING
    },
    Described {
        path: "/v3/table/list/{database}",
        id: "listTables",
        summary: "Lists the event tables of a database.",
        text: "`tables`, each with its `schema` as a text, and the events that were read",
        answers: &[answer("EventTables", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/v3/table/show/{database}/{table}",
        id: "showTable",
        summary: "Shows an event table with its columns.",
        text: "the table with its `columns`: types, share of events, share of different values",
        answers: &[answer("EventTable", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/entities/realtime_journeys",
        id: "makeJourney",
        summary: "Makes a journey; its attributes name the audience.",
        text: "`{\"attributes\": …, \"relationships\": …}` → the resource in `data`, with the ids of its stages",
        body: Some((RESOURCE, "JourneyBody")),
        answers: &[Answer { status: 201, ..answer("EntityData", "It is done.") }],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/entities/realtime_journeys/duplicate",
        id: "copyJourney",
        summary: "Makes a draft like a journey, with its activations.",
        text: "`{\"attributes\": {\"id\", \"name\"}}` → the resource in `data`",
        body: Some((RESOURCE, "JourneyCopyBody")),
        answers: &[Answer { status: 201, ..answer("EntityData", "It is done.") }],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/entities/realtime_journeys/abtest_variants",
        id: "listVariants",
        summary: "Lists the parts of the splits of an audience's journeys.",
        text: "`audience_id` → a page of resources",
        parameters: VARIANTS,
        answers: &[answer("Variants", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/entities/realtime_journeys/{journey}",
        id: "readJourney",
        summary: "Reads a journey.",
        text: "the resource in `data`",
        answers: &[answer("EntityData", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "PATCH",
        path: "/entities/realtime_journeys/{journey}",
        id: "changeJourney",
        summary: "Changes the attributes that the body has; stages as a whole.",
        text: "`{\"attributes\": …}`; `\"state\": \"launched\"` launches it",
        body: Some((RESOURCE, "JourneyBody")),
        answers: &[answer("EntityData", "The answer.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/entities/realtime_journeys/{journey}",
        id: "removeJourney",
        summary: "Removes a journey, with its activations.",
        text: "`{}`",
        answers: &[answer("Nothing", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/entities/realtime_journeys/{journey}/detail",
        id: "checkJourney",
        summary: "Checks a change as if it was launched, and keeps nothing.",
        text: "`{\"attributes\": …}` → the journey as it would be, or a fault for each finding",
        body: Some((RESOURCE, "JourneyBody")),
        answers: &[answer("EntityData", "The answer.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "PATCH",
        path: "/entities/realtime_journeys/{journey}/pause",
        id: "pauseJourney",
        summary: "Lets the visitors of a journey stay where they are.",
        text: "the resource in `data`; 409 for a draft",
        body: Some((RESOURCE, "Empty")),
        answers: &[answer("EntityData", "The answer.")],
        refusals: &[Refusal::NOT_FOUND, Refusal::CONFLICT],
        ..NOTHING
    },
    Described {
        method: "PATCH",
        path: "/entities/realtime_journeys/{journey}/resume",
        id: "resumeJourney",
        summary: "Lets them go on.",
        text: "the resource in `data`; 409 for a draft",
        body: Some((RESOURCE, "Empty")),
        answers: &[answer("EntityData", "The answer.")],
        refusals: &[Refusal::NOT_FOUND, Refusal::CONFLICT],
        ..NOTHING
    },
    Described {
        path: "/entities/realtime_journeys/{journey}/activations",
        id: "listActivations",
        summary: "Lists the activations of a journey.",
        text: "a page of resources",
        parameters: PAGED,
        answers: &[answer("Resources", "The answer.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/entities/realtime_journeys/{journey}/activations",
        id: "makeActivation",
        summary: "Makes an activation, which a step of the journey may send.",
        text: "`{\"attributes\": …}` → the resource in `data`",
        body: Some((RESOURCE, "ActivationBody")),
        answers: &[Answer { status: 201, ..answer("EntityData", "It is done.") }],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/entities/realtime_journeys/{journey}/activations/{activation}",
        id: "readActivation",
        summary: "Reads an activation.",
        text: "the resource in `data`",
        answers: &[answer("EntityData", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "PATCH",
        path: "/entities/realtime_journeys/{journey}/activations/{activation}",
        id: "changeActivation",
        summary: "Changes the attributes that the body has.",
        text: "`{\"attributes\": …}`",
        body: Some((RESOURCE, "ActivationBody")),
        answers: &[answer("EntityData", "The answer.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/entities/parent_segments/{audience}/realtime_journeys",
        id: "listJourneys",
        summary: "Lists the journeys of an audience.",
        text: "a page of resources",
        parameters: PAGED,
        answers: &[answer("Resources", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/entities/parent_segments/{audience}/realtime_activations",
        id: "listActivationsOfAudience",
        summary: "Lists the activations of an audience.",
        text: "a page of resources",
        parameters: PAGED,
        answers: &[answer("Resources", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v4/streaming_task_auths",
        id: "findDestination",
        summary: "Names the destination of the deployment's settings that is at an address.",
        text: "`{\"auth\": {\"url_prefix\"}}` → the destination's `id`, the `connectionId` of activations; no secret of the body is kept",
        body: Some((JSON, "AuthBody")),
        answers: &[answer("Auth", "The destination.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::UNPROCESSABLE],
        ..NOTHING
    },
];
