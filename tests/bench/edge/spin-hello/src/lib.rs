//! The least that a Spin component can do.

use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Fields, Request, Response, Trailers};
use spin_sdk::wasip3::{spawn, wit_future, wit_stream};

/// The component.
#[derive(Debug)]
pub struct Hello;

impl Guest for Hello {
    async fn handle(_: Request) -> Result<Response, ErrorCode> {
        let (mut writer, contents) = wit_stream::new();
        let (end, ended) = wit_future::new(|| Ok(None::<Trailers>));
        let (response, _) = Response::new(Fields::new(), Some(contents), ended);
        spawn(async move {
            writer.write_all(b"hello".to_vec()).await;
            drop(writer);
            let _ = end.write(Ok(None)).await;
        });
        Ok(response)
    }
}

// The exported name has characters that other linkers refuse.
#[cfg(target_arch = "wasm32")]
spin_sdk::wasip3::http::service::export!(Hello);
