//! A stored profile, read, met by an event, asked and explained, and stored again.

use usher_config::{Source, read};
use usher_engine::profile::codec::{decode, encode};
use usher_engine::value::{Number, Value};
use usher_engine::{Access, Asked, Event, Plan, Profile, ProfileId, Query};

use crate::Answer;

const NOW_MS: i64 = 1_790_000_000_000;

/// The example's plan.
pub(crate) struct Visitor {
    plan: Plan,
}

impl Visitor {
    pub(crate) fn start() -> Visitor {
        let texts = [
            include_str!("../../../../examples/shop/rt_config.yaml"),
            include_str!("../../../../examples/shop/web_personalization.yaml"),
            include_str!("../../../../examples/shop/product_recommendations.yaml"),
            include_str!("../../../../examples/shop/cart_recovery.yaml"),
        ];
        let source = |(index, text): (usize, &&str)| Source {
            name: format!("{index}.yaml"),
            text: (*text).to_owned(),
        };
        let sources: Vec<Source> = texts.iter().enumerate().map(source).collect();
        let plan = Plan::compile(&read(&sources).definition);
        assert!(plan.is_ok(), "the example compiles");
        Visitor { plan: plan.unwrap_or_else(|_| unreachable!("it was looked at")) }
    }

    pub(crate) fn profile(&self, bytes: &[u8]) -> Answer {
        let profile = match decode(bytes) {
            Ok(profile) => profile,
            Err(damage) => return Answer::new(format!("refused: {damage}"), ""),
        };
        stored(&profile);
        let mut content = format!("{profile:?}\n");
        // The one it is stitched with was there before or after, by its id.
        let mut known = Profile::new(ProfileId([0x80; 16]), NOW_MS - 1);
        let mut answers = 0;
        for (table, price) in [("pageviews", 5.5), ("add_to_cart", 1e15), ("formfills", -0.0)] {
            let Some(table) = self.plan.table("web", table) else { continue };
            let columns = [
                ("td_client_id", Value::from("anon-7")),
                ("customer_id", Value::from("c-1001")),
                ("td_path", Value::from("/product/P-207")),
                ("product_id", Value::from("P-207")),
                ("price", Value::Number(Number::Float(price))),
                ("uuid", Value::string(format!("e{table}"))),
                ("time", Value::from(1_789_999_999)),
            ];
            let columns = columns.map(|(name, value)| (name.to_owned(), value)).to_vec();
            let event = Event::resolve(table, columns, NOW_MS, "minted".to_owned());
            let keys = self.plan.keys(&event);
            let found = vec![profile.clone(), known];
            let mut stitched = self.plan.stitch(&keys.usable, found, ProfileId([9; 16]), NOW_MS);
            let ingested = self.plan.ingest(&mut stitched.profile, &event, NOW_MS);
            let access = Access { server_route: true, sensitive_scope: true };
            let query = Query {
                event: Some(&event),
                asked: Asked::Triggered,
                inputs: &[],
                edge: &[],
                access,
                blind: false,
            };
            let answer = self.plan.personalize(&stitched.profile, &query, NOW_MS);
            let explained = self.plan.explain(&stitched.profile, &query, NOW_MS);
            answers += answer.offers.len();
            content.push_str(&format!("{ingested:?}\n{answer:?}\n{explained:?}\n{:?}\n", stitched.journal));
            stored(&stitched.profile);
            known = stitched.profile;
        }
        let kinds: Vec<&str> = profile.attributes.iter().map(|(name, _)| name.as_str()).collect();
        Answer::new(
            format!("read {answers} {}", if kinds.len() < 6 { kinds.join(" ") } else { String::new() }),
            content,
        )
    }
}

/// What is written reads back.
fn stored(profile: &Profile) {
    let bytes = encode(profile);
    // Above the bound it is not stored.
    if bytes.len() <= usher_engine::limits::PROFILE_BYTES_MAX {
        assert!(decode(&bytes).as_ref() == Ok(profile), "a profile is the same when it is read again");
    }
}
