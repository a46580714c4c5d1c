//! The control API of RT 2.0: each route hands its call to the control object.

use usher_engine::definition::Audience;
use usher_engine::value::Value;

use super::checked_head::CheckedHead;
use crate::control::auth;
use crate::edge::Edge;
use crate::error::{Refusal, Refused, Result};
use crate::host::Step;
use crate::keys::Kind;
use crate::message::{Api, Message, Op, ToControl};
use crate::wire::{query, read};

macro_rules! calls {
    ($($name:ident = $op:ident;)+) => {
        $(pub(super) fn $name(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
            call(edge, checked, body, Op::$op)
        })+
    };
}

calls! {
    audience_read = AudienceRead;
    setting_read = SettingRead;
    setting_patch = SettingPatch;
    attribute_list = AttributeList;
    attribute_create = AttributeCreate;
    attribute_read = AttributeRead;
    attribute_patch = AttributePatch;
    attribute_delete = AttributeDelete;
    imported_update = ImportedUpdate;
    key_event_list = KeyEventList;
    key_event_create = KeyEventCreate;
    key_event_read = KeyEventRead;
    key_event_patch = KeyEventPatch;
    key_event_delete = KeyEventDelete;
    key_event_columns = KeyEventColumns;
    table_columns = TableColumns;
    service_list = ServiceList;
    service_create = ServiceCreate;
    service_read = ServiceRead;
    service_patch = ServicePatch;
    service_delete = ServiceDelete;
    token_create = TokenCreate;
    token_delete = TokenDelete;
    version_read = VersionRead;
    folder_list = FolderList;
    folder_tree = FolderTree;
    entity_list = EntityList;
    attribute_resources = AttributeResources;
    journey_list = JourneyList;
    activations_of_audience = ActivationsOfAudience;
    draft_read = DraftRead;
    draft_discard = DraftDiscard;
    draft_publish = DraftPublish;
    service_push = ServicePush;
}

macro_rules! entity_calls {
    ($($name:ident = $op:ident;)+) => {
        $(pub(super) fn $name(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
            let [object, part, _] = checked.parameters;
            hand_over(edge, checked, body, Op::$op, "", [object, part])
        })+
    };
}

entity_calls! {
    entity_read = EntityRead;
    entity_patch = EntityPatch;
    entity_delete = EntityDelete;
    journey_read = JourneyRead;
    journey_patch = JourneyPatch;
    journey_delete = JourneyDelete;
    journey_check = JourneyCheck;
    journey_pause = JourneyPause;
    journey_resume = JourneyResume;
    activation_list = ActivationList;
    activation_create = ActivationCreate;
    activation_read = ActivationRead;
    activation_patch = ActivationPatch;
}

/// `POST /entities/realtime_personalizations`
pub(super) fn entity_create(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    create(edge, checked, body, Op::EntityCreate)
}

/// `POST /entities/realtime_journeys`
pub(super) fn journey_create(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    create(edge, checked, body, Op::JourneyCreate)
}

/// `POST /entities/realtime_journeys/duplicate`: the body names the journey.
pub(super) fn journey_copy(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let id = attribute_in(body, "id", "attributes.id is the id of a journey")?;
    hand_over(edge, checked, body, Op::JourneyCopy, "", [&id, ""])
}

/// `GET /entities/realtime_journeys/abtest_variants`: the query names the audience.
pub(super) fn journey_variants(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    let mut pairs = query::pairs(checked.head.target);
    let sent = pairs.find(|(name, _)| *name == "audience_id").and_then(|(_, id)| query::decoded(id));
    let Some(audience) = sent else {
        return Err(Refused::with_detail(Refusal::BODY_INVALID, "audience_id is the id of an audience"));
    };
    hand_over(edge, checked, body, Op::JourneyVariants, named(checked, &audience)?, ["", ""])
}

/// `POST /v4/streaming_task_auths`
pub(super) fn auth_create(edge: &Edge, _: &CheckedHead<'_>, body: &[u8]) -> Result<Step> {
    Ok(Step::Respond(auth(edge.destinations(), body)))
}

/// A new resource: its body names the audience.
fn create(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8], op: Op) -> Result<Step> {
    let audience = attribute_in(body, "audienceId", "attributes.audienceId is the id of an audience")?;
    hand_over(edge, checked, body, op, named(checked, &audience)?, ["", ""])
}

/// An audience that a body or a query names, if the caller may ask about it. Without an id it would be that of an object.
fn named<'n>(checked: &CheckedHead<'_>, audience: &'n str) -> Result<&'n str> {
    if !Audience::is_id(audience) {
        return Err(Refused::with_detail(Refusal::BODY_INVALID, NO_AUDIENCE));
    }
    checked.caller.covers(audience).then_some(audience).ok_or_else(|| Refusal::SCOPE.into())
}

const NO_AUDIENCE: &str = "an audience's id is letters, digits, -, _, . and ~";

/// A text among the attributes of a body.
fn attribute_in(body: &[u8], name: &str, otherwise: &'static str) -> Result<String> {
    let malformed = |detail| Refused::with_detail(Refusal::BODY_INVALID, detail);
    let value = read::document(body).map_err(|_| malformed("the body is not a JSON object"))?;
    let text = value.get("attributes").and_then(|it| it.get(name)).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| malformed(otherwise))
}

/// A call whose path names the audience.
fn call(edge: &Edge, checked: &CheckedHead<'_>, body: &[u8], op: Op) -> Result<Step> {
    let [audience, first, second] = checked.parameters;
    hand_over(edge, checked, body, op, audience, [first, second])
}

fn hand_over(
    edge: &Edge,
    checked: &CheckedHead<'_>,
    body: &[u8],
    op: Op,
    audience: &str,
    parameters: [&str; 2],
) -> Result<Step> {
    if !audience.is_empty() && !Audience::is_id(audience) {
        return Err(Refused::with_detail(Refusal::BODY_INVALID, NO_AUDIENCE));
    }
    if edge.restoring(audience).is_some() {
        let detail = "the control object lost what runs for this audience: push the whole definition once";
        return Err(Refused::with_detail(Refusal::STORAGE, detail));
    }
    // New tokens belong to the account of the audience's keys.
    let records = edge.keyring().into_iter().flat_map(|keyring| keyring.records());
    let mut accounts = records
        .filter(|record| matches!(record.kind, Kind::Write | Kind::Server) && record.covers(audience))
        .filter_map(|record| record.account.clone());
    let api = Api {
        now_ms: checked.head.ambient.now_ms,
        entropy: checked.head.ambient.entropy,
        op,
        audience: audience.to_owned(),
        covers: checked.caller.audience.as_deref().map(str::to_owned),
        account: accounts.next().unwrap_or_default(),
        parameters: parameters.map(str::to_owned),
        target: checked.head.target.to_owned(),
        body: body.to_vec(),
    };
    let message = Message::Control(ToControl::Api(Box::new(api)));
    Ok(Step::Control { message: message.encode(edge.form()) })
}
