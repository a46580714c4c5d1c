//! The same for the routes of the control API.

use super::parts::{
    Answer, Described, JSON, NOTHING, PAGE_AFTER, PAGE_SIZE, Parameter, RESOURCE, answer, query,
};
use crate::error::Refusal;

const SORTED_BY: Parameter = query("sorted_by", false, "`name` or `id`, with `:asc` or `:desc`.")
    .of(r#"{"type": "string", "pattern": "^(name|id)(:(asc|desc))?$"}"#);

pub(super) const PAGED: &[Parameter] =
    &[PAGE_SIZE, PAGE_AFTER, SORTED_BY, query("name_include", false, "A part of the name.")];

const TYPED: &[Parameter] = &[
    PAGE_SIZE,
    PAGE_AFTER,
    SORTED_BY,
    query("name_include", false, "A part of the name."),
    query("types", false, "Types, separated by commas."),
];

/// In the order of the table of routes.
pub(super) const DESCRIBED_API: &[Described] = &[
    Described {
        path: "/audiences/{audience}",
        id: "readAudience",
        summary: "Reads an audience.",
        text: "its `id`, `name` and `attributes`, as a parent segment has them",
        answers: &[answer("Audience", "The answer.")],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_setting",
        id: "readSetting",
        summary: "Reads event tables, keys, batch attributes and the status.",
        text: "tables, keys, imported columns; `status` is `not_initialized`, `updating`, `ok` or `inconsistent`, with findings in `statusDetailed`",
        answers: &[answer("Setting", "The answer.")],
        ..NOTHING
    },
    Described {
        method: "PATCH",
        path: "/audiences/{audience}/realtime_setting",
        id: "changeSetting",
        summary: "Changes the fields that the body has.",
        text: "each field whole: `eventTables`, `keyColumns`, `extLookupKey`, `batchAttributes`; ours are `primaryKey`, `placeholderList`, `eventIdColumn`, `discover`: `on` or `off`, and `publish`: `auto` or `manual`",
        body: Some((JSON, "SettingChange")),
        answers: &[answer("Setting", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_attributes",
        id: "listAttributes",
        summary: "Lists the attributes.",
        text: "a page of attributes",
        parameters: TYPED,
        answers: &[answer("AttributePage", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/audiences/{audience}/realtime_attributes",
        id: "makeAttribute",
        summary: "Makes an attribute.",
        text: "an attribute → itself in `data`, with its id",
        body: Some((JSON, "AttributeBody")),
        answers: &[Answer { status: 201, ..answer("AttributeData", "It is done.") }],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_attributes/{attribute}",
        id: "readAttribute",
        summary: "Reads an attribute.",
        text: "one attribute",
        answers: &[answer("ApiAttribute", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "PATCH",
        path: "/audiences/{audience}/realtime_attributes/{attribute}",
        id: "changeAttribute",
        summary: "Changes an attribute.",
        text: "`name`, `description`, `duration`, `fields`, `maxItems`, `actions`, `aggregations`, `subDurations`, `sensitive`; the rest cannot change",
        body: Some((JSON, "AttributeBody")),
        answers: &[answer("ApiAttribute", "The answer.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/audiences/{audience}/realtime_attributes/{attribute}",
        id: "removeAttribute",
        summary: "Removes an attribute.",
        text: "`{}`",
        answers: &[answer("Nothing", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/audiences/{audience}/realtime_imported_attributes/bulk_update",
        id: "importColumns",
        summary: "Says which batch columns are imported.",
        text: "`{\"columns\": […]}` → the imported attributes in `data`",
        body: Some((JSON, "Columns")),
        answers: &[answer("AttributeList", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_key_events",
        id: "listKeyEvents",
        summary: "Lists the key events.",
        text: "a page of key events",
        parameters: PAGED,
        answers: &[answer("KeyEventPage", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/audiences/{audience}/realtime_key_events",
        id: "makeKeyEvent",
        summary: "Makes a key event.",
        text: "a key event → itself, with its id",
        body: Some((JSON, "KeyEventBody")),
        answers: &[Answer { status: 201, ..answer("ApiKeyEvent", "It is done.") }],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_key_events/{key_event}",
        id: "readKeyEvent",
        summary: "Reads a key event.",
        text: "one key event",
        answers: &[answer("ApiKeyEvent", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "PATCH",
        path: "/audiences/{audience}/realtime_key_events/{key_event}",
        id: "changeKeyEvent",
        summary: "Changes a key event.",
        text: "the fields that the body has; a rename keeps the id, and what refers to it follows",
        body: Some((JSON, "KeyEventBody")),
        answers: &[answer("ApiKeyEvent", "The answer.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/audiences/{audience}/realtime_key_events/{key_event}",
        id: "removeKeyEvent",
        summary: "Removes a key event.",
        text: "`{}`",
        answers: &[answer("Nothing", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_key_events/{key_event}/columns",
        id: "listColumnsOfKeyEvent",
        summary: "Lists the known columns of its table.",
        text: "the columns that the draft knows",
        answers: &[answer("TableColumns", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_event_tables/{database}/{table}/columns",
        id: "listColumns",
        summary: "Lists the known columns of an event table.",
        text: "the columns that the draft knows",
        answers: &[answer("TableColumns", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_personalization_services",
        id: "listServices",
        summary: "Lists the personalization services.",
        text: "a page of services, with their tokens",
        parameters: PAGED,
        answers: &[answer("ServicePage", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/audiences/{audience}/realtime_personalization_services",
        id: "makeService",
        summary: "Makes a service, which holds tokens.",
        text: "`name`, `description`, `public` → the service; a file pushes its sections",
        body: Some((JSON, "ServiceBody")),
        answers: &[Answer { status: 201, ..answer("ApiService", "It is done.") }],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_personalization_services/{service}",
        id: "readService",
        summary: "Reads a service.",
        text: "one service",
        answers: &[answer("ApiService", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "PATCH",
        path: "/audiences/{audience}/realtime_personalization_services/{service}",
        id: "changeService",
        summary: "Changes name or description of a service.",
        text: "`name`, `description`; a rename keeps the id",
        body: Some((JSON, "ServiceBody")),
        answers: &[answer("ApiService", "The answer.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/audiences/{audience}/realtime_personalization_services/{service}",
        id: "removeService",
        summary: "Removes a service without tokens, with its sections.",
        text: "`{}`",
        answers: &[answer("Nothing", "The answer.")],
        refusals: &[Refusal::NOT_FOUND, Refusal::CONFLICT],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/audiences/{audience}/realtime_personalization_services/{service}/tokens",
        id: "makeToken",
        summary: "Makes a token of a service.",
        text: "`name`, `description`, and `origins` for public ones → the token; its `value` is told once",
        body: Some((JSON, "TokenBody")),
        answers: &[Answer { status: 201, ..answer("ApiToken", "It is done.") }],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND, Refusal::UNPROCESSABLE],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/audiences/{audience}/realtime_personalization_services/{service}/tokens/{token}",
        id: "removeToken",
        summary: "Revokes a token, everywhere within 60 seconds.",
        text: "`{}`",
        answers: &[answer("Nothing", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/realtime_configuration_versions/current",
        id: "readVersion",
        summary: "Reads the state of the newest configuration.",
        text: "`id` is the number of the bundle, `status` `finished`, or `queueing` while a draft is open; null where nothing runs",
        answers: &[answer("ConfigurationVersion", "The answer.")],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/folders",
        id: "listFolders",
        summary: "Lists the folders: one root.",
        text: "a list of the root",
        answers: &[answer("Folders", "The answer.")],
        ..NOTHING
    },
    Described {
        path: "/tree/audiences/{audience}/segment_folders",
        id: "listFolderResources",
        summary: "Lists the folders as resources.",
        text: "the root in `data`",
        answers: &[answer("Resources", "The answer.")],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/entities/realtime_personalizations",
        id: "makeEntity",
        summary: "Makes a personalization entity; its attributes name the audience.",
        text: "`{\"attributes\": …, \"relationships\": …}` → the resource in `data`",
        body: Some((RESOURCE, "EntityBody")),
        answers: &[Answer { status: 201, ..answer("EntityData", "It is done.") }],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/entities/realtime_personalizations/{entity}",
        id: "readEntity",
        summary: "Reads an entity.",
        text: "the resource in `data`",
        answers: &[answer("EntityData", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "PATCH",
        path: "/entities/realtime_personalizations/{entity}",
        id: "changeEntity",
        summary: "Changes the attributes that the body has.",
        text: "`{\"attributes\": …}`; a rename keeps the id",
        body: Some((RESOURCE, "EntityBody")),
        answers: &[answer("EntityData", "The answer.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/entities/realtime_personalizations/{entity}",
        id: "removeEntity",
        summary: "Removes an entity.",
        text: "`{}`",
        answers: &[answer("Nothing", "The answer.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
    Described {
        path: "/entities/parent_segments/{audience}/realtime_personalizations",
        id: "listEntities",
        summary: "Lists the entities of an audience.",
        text: "a page of resources",
        parameters: PAGED,
        answers: &[answer("Resources", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/entities/parent_segments/{audience}/realtime_attributes",
        id: "listAttributeResources",
        summary: "Lists the attributes of an audience as resources.",
        text: "a page of resources",
        parameters: TYPED,
        answers: &[answer("Resources", "The answer.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/audiences/{audience}/draft",
        id: "readDraft",
        summary: "Reads the draft, and those that were set aside.",
        text: "ours: `status`, `findings`, `definition`, `set_aside`",
        answers: &[answer("Draft", "The answer.")],
        ..NOTHING
    },
    Described {
        method: "DELETE",
        path: "/audiences/{audience}/draft",
        id: "discardDraft",
        summary: "Removes the draft.",
        text: "ours: → `discarded`",
        answers: &[answer("Discarded", "The answer.")],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/audiences/{audience}/draft/publish",
        id: "publishDraft",
        summary: "Publishes the draft now.",
        text: "ours: → the bundle that runs; 409 where no draft is open, 422 with a fault for each finding",
        body: Some((JSON, "Empty")),
        answers: &[answer("Release", "The answer.")],
        refusals: &[Refusal::CONFLICT, Refusal::UNPROCESSABLE],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/audiences/{audience}/draft/services",
        id: "pushServices",
        summary: "Adds services to the draft, and publishes it.",
        text: "ours: a bundle with services alone → the bundle that runs; those of the same names are replaced",
        body: Some((JSON, "Bundle")),
        answers: &[answer("Release", "The answer.")],
        refusals: &[Refusal::BODY_INVALID, Refusal::UNPROCESSABLE],
        ..NOTHING
    },
];
