//! The hosts that run vectors.

mod memory;
mod process;
mod sharded;

pub use memory::InProcess;
pub use process::{Native, Spin, Tab, Workerd};
pub use sharded::Sharded;

/// One host, started empty.
pub trait Target {
    /// Sends a request and waits for the answer.
    fn call(&mut self, call: &Call<'_>) -> Answer;

    /// True if its clock is the real one: it takes no time from requests.
    fn live(&self) -> bool {
        false
    }

    /// What it has written into the operator's log until now, without lines of its platform.
    fn log(&self) -> String;
}

/// A request of a vector.
pub struct Call<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Unix seconds at which it happens, for hosts that take their time from requests.
    pub now: i64,
}

/// An answer of a host.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a header.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
