//! The use cases for which definitions are written.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum UseCase {
    /// Bring back an abandoned cart
    CartRecovery,
    /// Recommend products by what was looked at and bought
    ProductRecommendations,
    /// Choose what to read next
    ContentPersonalization,
    /// Tell your servers what is known of a customer
    UserProfile,
    /// Remind somebody of their cart by mail, step by step
    Journey,
    /// Join events with other topics, a row out for each
    Pipeline,
}

/// A file, what it is for, and its text.
pub(super) type Template = (&'static str, &'static str, &'static str);

macro_rules! templates {
    ($case:literal, $service:literal) => {
        templates!($case, $service, "sections and what they answer")
    };
    ($case:literal, $service:literal, $meaning:literal) => {
        [
            ("rt_config.yaml", "events, attributes, keys", include_str!(concat!($case, "/rt_config.yaml"))),
            ($service, $meaning, include_str!(concat!($case, "/service.yaml"))),
            ("visit.ndjson", "a visit to try it with", include_str!(concat!($case, "/visit.ndjson"))),
            ("profiles.ndjson", "a batch record for it", include_str!(concat!($case, "/profiles.ndjson"))),
        ]
    };
}

impl UseCase {
    pub(super) fn templates(self) -> [Template; 4] {
        match self {
            UseCase::CartRecovery => templates!("cart_recovery", "cart_recovery.yaml"),
            UseCase::ProductRecommendations => {
                templates!("product_recommendations", "product_recommendations.yaml")
            }
            UseCase::ContentPersonalization => {
                templates!("content_personalization", "content_personalization.yaml")
            }
            UseCase::UserProfile => templates!("user_profile", "user_profile.yaml"),
            UseCase::Journey => templates!("journey", "journeys.yaml", "stages, steps and what they send"),
            UseCase::Pipeline => [
                (
                    "pipeline.yaml",
                    "the query, its output and its state",
                    include_str!("pipeline/pipeline.yaml"),
                ),
                ("clicks.ndjson", "events", include_str!("pipeline/clicks.ndjson")),
                ("users.ndjson", "rows to join", include_str!("pipeline/users.ndjson")),
                ("products.ndjson", "rows to join", include_str!("pipeline/products.ndjson")),
            ],
        }
    }

    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    pub(super) fn meaning(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}
