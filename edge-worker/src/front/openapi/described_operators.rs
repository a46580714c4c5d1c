//! The same for the routes behind them, which are of operators: activations, upkeep, the document, health and metrics.

use super::parts::{Answer, DESTINATION, Described, ID, LIMIT, NEXT, NOTHING, answer, query};
use crate::error::Refusal;

/// In the order of the table of routes.
pub(super) const DESCRIBED_OPERATORS: &[Described] = &[
    Described {
        path: "/v1/audiences/{audience}/activations",
        id: "listUndeliveredActivations",
        summary: "Lists the activations that are not delivered, or those that are parked.",
        with: "(`?state=`)",
        text: "[activations](activations.md) that wait, or with `?state=parked` those that nobody tries any more → `activations`, `next`",
        parameters: &[
            query("state", false, "`waiting` or `parked`.").of(r#"{"enum": ["waiting", "parked"]}"#),
            LIMIT,
            NEXT,
        ],
        answers: &[answer("Activations", "A page of them, oldest first.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/v1/audiences/{audience}/activations/attempts",
        id: "listAttempts",
        summary: "Lists attempts to deliver activations.",
        text: "attempts of the last 30 days → `attempts`, `next`",
        parameters: &[LIMIT, NEXT],
        answers: &[answer("Attempts", "A page of them, latest first in each shard.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/audiences/{audience}/activations/retry",
        id: "retryActivations",
        summary: "Tries parked activations again, out of order.",
        with: "(`?id=`, `?destination=`)",
        text: "parked activations are tried again for a day → `tried`, `next`",
        parameters: &[ID, DESTINATION, NEXT],
        answers: &[answer("Tried", "How many will be tried.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/audiences/{audience}/activations/drain",
        id: "drainActivations",
        summary: "Has waiting activations attempted now.",
        with: "(`?id=`, `?destination=`)",
        text: "activations that wait for their next attempt have it now → `tried`, `next`",
        parameters: &[ID, DESTINATION, NEXT],
        answers: &[answer("Tried", "How many will be tried.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        method: "POST",
        path: "/v1/tick",
        id: "tick",
        summary: "Deletes a part of what is over its time.",
        with: "(`?shard=`)",
        key: "admin",
        text: "deletes a part of what is [over its time](operate.md#what-is-deleted-by-itself) → `purged`, `more`",
        parameters: &[query("shard", false, "The number of a shard, from 0; without it, all of them.")
            .of(r#"{"type": "integer", "minimum": 0}"#)],
        answers: &[answer("Upkeep", "What was done.")],
        refusals: &[Refusal::BODY_INVALID],
        ..NOTHING
    },
    Described {
        path: "/openapi.json",
        id: "openapi",
        summary: "These routes, as OpenAPI 3.1.",
        key: "none",
        text: "these routes as an OpenAPI 3.1 document, with every body, answer and refusal",
        answers: &[answer("Document", "This document.")],
        ..NOTHING
    },
    Described {
        path: "/healthz",
        id: "health",
        summary: "Tells the state of the edge.",
        key: "none",
        text: "`status`: `ok`, `degraded` (a bundle could not be read; the last good one answers) or, with 503, `unconfigured`; \
               `too_new`, with 503: a newer build wrote the data. `form` is the one that is [written](operate.md), `detail` says why it \
               is not the one that is set, or that the data are [elsewhere](cloudflare.md#jurisdiction), `warning` that a [shard](cloudflare.md#shards) \
               is nearly full, or was [restored alone](shards.md#lost-profiles)",
        answers: &[
            answer("Health", "`ok` or `degraded`."),
            Answer { status: 503, ..answer("Health", "`unconfigured` or `too_new`.") },
        ],
        ..NOTHING
    },
    Described {
        path: "/metrics",
        id: "metrics",
        summary: "Shows what this process counts.",
        key: "admin, or server with `metrics`",
        text: "counts of this process as Prometheus text: [operate.md](operate.md#metrics); 404 where a host keeps none",
        answers: &[answer("Metrics", "Prometheus text.")],
        refusals: &[Refusal::NOT_FOUND],
        ..NOTHING
    },
];
