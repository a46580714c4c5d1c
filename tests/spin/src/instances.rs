//! Instances as Spin runs them: each takes a number of requests, 16 at once, and ends after an idle second.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::Result;
use crate::app::App;
use crate::guest::Guest;

const CONCURRENT: usize = 16;
const IDLE: Duration = Duration::from_secs(1);

/// Makes instances of the component.
pub(crate) struct Instances {
    engine: Engine,
    pre: ProxyPre<Guest>,
    app: Arc<App>,
    reuse: usize,
}

impl Instances {
    #[expect(unsafe_code, reason = "wasmtime trusts compiled code, and this program compiled it")]
    pub(crate) fn new(engine: &Engine, compiled: &str, app: Arc<App>, reuse: usize) -> Result<Instances> {
        // Safety: `compile` wrote the file. A file of another version is refused.
        let component = unsafe { Component::deserialize_file(engine, compiled) }?;
        let mut linker = Linker::new(engine);
        Guest::link(&mut linker)?;
        let pre = ProxyPre::P3(ServicePre::new(linker.instantiate_pre(&component)?)?);
        Ok(Instances { engine: engine.clone(), pre, app, reuse })
    }
}

impl HandlerState for Instances {
    type StoreData = Guest;
    type WorkerExpiration = Idle;
    type WorkerState = Reuse;

    async fn instantiate(&self) -> Result<Instance<Guest, Idle, Reuse>> {
        let mut store = Store::new(&self.engine, Guest::new(Arc::clone(&self.app)));
        let proxy = self.pre.instantiate_async(&mut store).await?;
        let expiration = Idle(Box::pin(tokio::time::sleep(IDLE)));
        Ok(Instance { store, proxy, view: Guest::http, expiration, state: Reuse { requests: self.reuse } })
    }
}

/// Ends an instance after an idle second. Requests have no time limit, as by Spin's default.
pub(crate) struct Idle(Pin<Box<Sleep>>);

impl WorkerExpiration for Idle {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        if status != WorkerStatus::Idle {
            return Poll::Pending;
        }
        let end = (start + IDLE).into();
        if self.0.deadline() != end {
            self.0.as_mut().reset(end);
        }
        self.0.as_mut().poll(context)
    }
}

/// The number of requests of an instance.
pub(crate) struct Reuse {
    requests: usize,
}

impl WorkerState for Reuse {
    type StoreData = Guest;
    type RequestData = ();

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        match () {
            () if total >= self.requests => ShouldAccept::Never,
            () if concurrent >= CONCURRENT => ShouldAccept::No,
            () => ShouldAccept::Yes,
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Guest>,
        (): (),
        _: wasmtime::component::GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<Guest>, result: Result<()>) {
        if let Err(error) = result {
            eprintln!("an instance ended: {error:?}");
        }
        drop(store);
    }
}
