//! The alarm of a Durable Object: one time, for all that the object has to do by itself.

use std::cell::Cell;
use std::time::Duration;

use js_sys::{Date, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use worker::{Result, Storage};

use crate::javascript::{call, shown};
use crate::limits::STUCK_MS;
use crate::log;
use crate::objects::quiet;

/// The alarm. Times are Unix milliseconds, as JavaScript has them.
#[derive(Debug)]
pub(crate) struct Alarm {
    storage: Storage,
    /// The time that a commit has set, until it comes.
    soon_ms: Cell<f64>,
}

impl Alarm {
    pub(crate) fn of(storage: Storage) -> Alarm {
        Alarm { storage, soon_ms: Cell::new(f64::INFINITY) }
    }

    /// It came.
    pub(crate) fn came(&self) {
        self.soon_ms.set(f64::INFINITY);
    }

    /// Sets it, whatever it was.
    ///
    /// # Errors
    ///
    /// If storage fails.
    pub(crate) async fn set(&self, at_ms: f64) -> Result<()> {
        let at_ms = at_ms.max(Date::now());
        JsFuture::from(Promise::resolve(&self.begin(at_ms)?)).await?;
        Ok(())
    }

    /// Sets it, unless it comes before that.
    pub(crate) async fn within(&self, time: Duration) {
        let set = async {
            let now = Date::now();
            let at = self.storage.get_alarm().await?;
            #[expect(clippy::cast_precision_loss, reason = "JavaScript has it as a number, too")]
            let at = at.map(|at| at as f64);
            // A commit may have set it while this one was read.
            let wanted = (now + time.as_secs_f64() * 1_000.0).min(self.soon_ms.get());
            if at.is_some_and(|at| at >= now - STUCK_MS && at <= wanted) {
                Ok(())
            } else {
                self.set(wanted).await
            }
        };
        quiet("", "alarm_failed", set.await);
    }

    /// Sets it to the present, as a part of the commit that is made in this step.
    pub(crate) fn now(&self) {
        self.soon_ms.set(self.soon_ms.get().min(Date::now()));
        match self.begin(self.soon_ms.get()) {
            Ok(promise) => {
                let setting = JsFuture::from(Promise::resolve(&promise));
                spawn_local(async move {
                    if let Err(thrown) = setting.await {
                        log::fault("", "alarm_failed", &shown(&thrown));
                    }
                });
            }
            Err(thrown) => log::fault("", "alarm_failed", &shown(&thrown)),
        }
    }

    fn begin(&self, at_ms: f64) -> std::result::Result<JsValue, JsValue> {
        call(self.storage.as_raw(), "setAlarm", &[&JsValue::from_f64(at_ms)])
    }
}
