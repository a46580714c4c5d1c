//! `spin:variables`: the component's settings.

use wasmtime::component::{Accessor, HasSelf};

use crate::Result;
use crate::guest::Guest;
use crate::guest::spin::variables::variables::{Error, Host, HostWithStore};

impl<T> HostWithStore<T> for HasSelf<Guest> {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<Result<String, Error>> {
        let value = accessor.with(|mut access| access.get().app.variables.get(&name).cloned());
        Ok(value.ok_or(Error::Undefined(name)))
    }
}

impl Host for Guest {}
