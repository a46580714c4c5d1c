//! A Rust Worker with a route of its own, and the service beside it.

use worker::{Context, Env, Request, Response, Result, event};

pub use usher_worker::UsherStore;

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    match request.path().as_str() {
        "/hello" => Response::ok("a route of my own\n"),
        _ => usher_worker::fetch(request, env, context).await,
    }
}
