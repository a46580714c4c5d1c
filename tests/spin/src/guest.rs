//! The state of an instance in the host, and the interfaces of the SDK in Rust.

use std::sync::Arc;

use http::Request;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::Result;
use crate::app::App;
use crate::outbound::{self, Sent};

wasmtime::component::bindgen!({
    path: ["wit/key-value.wit", "wit/sqlite.wit", "wit/variables.wit"],
    inline: "
        package usher:spin-host;
        world interfaces {
            import spin:key-value/key-value@3.0.0;
            import spin:sqlite/sqlite@3.1.0;
            import spin:variables/variables@3.0.0;
        }
    ",
    imports: { default: trappable },
    with: {
        "spin:key-value/key-value.store": crate::key_value::Store,
        "spin:sqlite/sqlite.connection": crate::sqlite::Connection,
    },
});

/// The state of one instance.
pub(crate) struct Guest {
    pub(crate) app: Arc<App>,
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
}

/// Allows the outbound connections of the manifest.
struct Outbound(Arc<App>);

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let app = Arc::clone(&self.0);
        Box::new(async move { outbound::send(&app.allowed_outbound_hosts, request).await })
    }
}

impl Guest {
    pub(crate) fn new(app: Arc<App>) -> Guest {
        let wasi = WasiCtxBuilder::new().inherit_stdout().inherit_stderr().build();
        let outbound = Outbound(Arc::clone(&app));
        Guest { app, table: ResourceTable::new(), wasi, http: WasiHttpCtx::new(), outbound }
    }

    /// Provides the imports of the component.
    pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
        wasmtime_wasi::p2::add_to_linker_async(linker)?;
        wasmtime_wasi::p3::add_to_linker(linker)?;
        wasmtime_wasi_http::p3::add_to_linker(linker)?;
        Interfaces::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}
