//! Calls of the control API, as the control object gets them.

use crate::wire::frame::{FrameReader, FrameWriter};

/// A call of the control API.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Api {
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    pub(crate) entropy: [u8; 32],
    pub(crate) op: Op,
    /// Empty: that of the object, which is the first parameter.
    pub(crate) audience: String,
    /// The only audience that the caller may ask; None: all.
    pub(crate) covers: Option<String>,
    /// The account of new tokens.
    pub(crate) account: String,
    /// The parameters of the path after the audience; empty beyond the last.
    pub(crate) parameters: [String; 2],
    /// The target as sent, for its query.
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

impl Api {
    pub(super) fn write(&self, w: &mut FrameWriter) {
        w.long(self.now_ms);
        w.0.extend_from_slice(&self.entropy);
        w.byte(self.op.number()).text(&self.audience).text(&self.account);
        w.byte(u8::from(self.covers.is_some())).text(self.covers.as_deref().unwrap_or_default());
        let [first, second] = &self.parameters;
        w.text(first).text(second).text(&self.target).bytes(&self.body);
    }

    pub(super) fn read(r: &mut FrameReader<'_>) -> Option<Api> {
        let (now_ms, entropy) = (r.long()?, r.array()?);
        let op = Op::of_number(r.byte()?)?;
        let mut text = || r.text().map(str::to_owned);
        let (audience, account) = (text()?, text()?);
        let is_covered = r.byte()? != 0;
        let mut text = || r.text().map(str::to_owned);
        let covers = Some(text()?).filter(|_| is_covered);
        let (parameters, target) = ([text()?, text()?], text()?);
        let body = r.bytes()?.to_vec();
        Some(Api { now_ms, entropy, op, audience, covers, account, parameters, target, body })
    }
}

macro_rules! ops {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The work of a call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Op { $($(#[doc = $doc])+ $name,)+ }

        impl Op {
            /// In the order of their numbers in messages: new ones are added at the end.
            pub(crate) const ALL: &[Op] = &[$(Op::$name,)+];
        }
    };
}

ops! {
    /// The event tables, keys and batch attributes of an audience, and its status.
    SettingRead,
    /// Changes some of them.
    SettingPatch,
    /// Its key events.
    KeyEventList,
    /// A new key event.
    KeyEventCreate,
    /// One key event.
    KeyEventRead,
    /// Changes it.
    KeyEventPatch,
    /// Removes it.
    KeyEventDelete,
    /// The columns of its table.
    KeyEventColumns,
    /// The columns of an event table.
    TableColumns,
    /// Its attributes.
    AttributeList,
    /// A new attribute.
    AttributeCreate,
    /// One attribute.
    AttributeRead,
    /// Changes it.
    AttributePatch,
    /// Removes it.
    AttributeDelete,
    /// The batch columns that are imported.
    ImportedUpdate,
    /// Its personalization services.
    ServiceList,
    /// A new service.
    ServiceCreate,
    /// One service.
    ServiceRead,
    /// Changes it.
    ServicePatch,
    /// Removes it.
    ServiceDelete,
    /// A new token of a service.
    TokenCreate,
    /// Revokes a token.
    TokenDelete,
    /// The state of the newest configuration.
    VersionRead,
    /// The folders of an audience.
    FolderList,
    /// The same, as a list of resources.
    FolderTree,
    /// A new personalization entity.
    EntityCreate,
    /// One entity.
    EntityRead,
    /// Changes it.
    EntityPatch,
    /// Removes it.
    EntityDelete,
    /// The entities of an audience.
    EntityList,
    /// The attributes of an audience as resources.
    AttributeResources,
    /// The audience itself.
    AudienceRead,
    /// The draft, and those that were set aside.
    DraftRead,
    /// Publishes the draft now.
    DraftPublish,
    /// Removes the draft.
    DraftDiscard,
    /// Adds whole services to the draft, and publishes it.
    ServicePush,
    /// Publishes the draft that is due, for hosts with a timer.
    DraftDue,
    /// The journeys of an audience.
    JourneyList,
    /// A new journey.
    JourneyCreate,
    /// One journey.
    JourneyRead,
    /// Changes it.
    JourneyPatch,
    /// Removes it, with its activations.
    JourneyDelete,
    /// Checks a change of it, and keeps nothing.
    JourneyCheck,
    /// Its visitors stay where they are.
    JourneyPause,
    /// They go on.
    JourneyResume,
    /// A draft like it.
    JourneyCopy,
    /// The parts of the splits of an audience's journeys.
    JourneyVariants,
    /// The activations of an audience.
    ActivationsOfAudience,
    /// The activations of a journey.
    ActivationList,
    /// A new activation.
    ActivationCreate,
    /// One activation.
    ActivationRead,
    /// Changes it.
    ActivationPatch,
}

impl Op {
    /// Its number in messages.
    fn number(self) -> u8 {
        self as u8
    }

    /// The call of this number.
    fn of_number(number: u8) -> Option<Op> {
        Op::ALL.get(usize::from(number)).copied()
    }
}
