//! Parts of a definition that become public because devices decide a personalization: anybody can read them there.

use usher_engine::Plan;
use usher_engine::definition::Definition;
use usher_engine::diagnostic::{Code, Diagnostic};

pub(super) fn lint(definition: &Definition, plan: Option<&Plan>, found: &mut Vec<Diagnostic>) {
    for (index, personalization) in definition.personalizations.iter().enumerate() {
        let Some(public) = plan.and_then(|plan| plan.published(index)) else { continue };
        let segments: Vec<&str> = public.segments.iter().map(String::as_str).collect();
        let parts = [
            ("sections", public.sections.as_slice()),
            ("attributes", public.attributes.as_slice()),
            ("key events", public.key_events.as_slice()),
            ("segments", segments.as_slice()),
        ];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = parts.map(|(what, names)| format!("{what} {}", quoted(names))).collect();
        let name = &personalization.name;
        let message = match parts.as_slice() {
            [] => format!("devices can decide nothing of `{name}`: only an edge can"),
            parts => format!("devices decide `{name}`, so these become public: {}", parts.join("; ")),
        };
        let help = match (public.undecided, parts.is_empty()) {
            (0, _) => {
                "constants and thresholds in them, too; leave out `device: true` if nobody may read them"
                    .to_owned()
            }
            (_, true) => {
                "leave out `device: true`: its sections read sensitive attributes or calculate, or an input names a key"
                    .to_owned()
            }
            (count, false) => format!(
                "{count} of its sections read sensitive attributes or calculate, and stay private: an edge decides them"
            ),
        };
        let at = format_args!("personalizations[{index}].device");
        found.push(Diagnostic::new(Code::Public, message).at(at).help(help));
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
