//! The caller whose rate a request draws on.

use std::borrow::Cow;

/// The caller whose rate a request draws on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payer<'a> {
    /// A source, by public keys.
    Source(Cow<'a, str>),
    /// A server key with a rate of its own, wherever it is used.
    Key {
        /// The beginning of its hash.
        id: u64,
        /// Events per second.
        events: u32,
    },
}

impl Payer<'_> {
    /// As a message carries it.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Payer::Source(source) => source.clone().into_owned(),
            Payer::Key { id, events } => format!("{id} {events}"),
        }
    }

    /// As a message of a server, or of another caller, carries it. None for a server without a rate.
    pub(crate) fn of_text(text: String, is_server: bool) -> Option<Payer<'static>> {
        if !is_server {
            return Some(Payer::Source(text.into()));
        }
        let (id, events) = text.split_once(' ')?;
        Some(Payer::Key { id: id.parse().ok()?, events: events.parse().ok()? })
    }

    /// The same, for longer than its request.
    pub(crate) fn into_owned(self) -> Payer<'static> {
        match self {
            Payer::Source(source) => Payer::Source(source.into_owned().into()),
            Payer::Key { id, events } => Payer::Key { id, events },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_who_pays() {
        for (payer, is_server) in
            [(Payer::Source("198.51.100.1".into()), false), (Payer::Key { id: u64::MAX, events: 9 }, true)]
        {
            assert_eq!(Payer::of_text(payer.to_text(), is_server), Some(payer));
        }
        // A front of an earlier build says the source of a server, which has no rate.
        assert_eq!(Payer::of_text("198.51.100.1".to_owned(), true), None);
    }
}
