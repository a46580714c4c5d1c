//! Lints of rows: those that no public route finds, because anybody could ask for them.

use usher_engine::definition::{AttributeKind, Definition};
use usher_engine::diagnostic::{Code, Diagnostic};

pub(super) fn lint(definition: &Definition, found: &mut Vec<Diagnostic>) {
    let identity = &definition.identity;
    let is_key = |name: &String| {
        let unlisted = [&identity.lookup_key, &identity.primary_key].into_iter().flatten();
        identity.keys.iter().map(|key| &key.name).chain(unlisted).any(|known| known == name)
    };
    for (index, attribute) in definition.attributes.iter().enumerate() {
        let AttributeKind::Catalog { table, key, .. } = &attribute.kind else { continue };
        let is_private = definition.lookup_table(table).is_some_and(|table| !table.public);
        if is_private && !is_key(key) {
            let message = format!(
                "on a public route `{}` is missing: anybody can send a `{key}`, and `{table}` is not public",
                attribute.name
            );
            let help = "look rows up by a stitching key, which is the visitor's own; or mark the table `public: true`, if \
                        everybody may read all of it";
            let at = format_args!("attributes[{index}].key");
            found.push(Diagnostic::new(Code::PrivateRows, message).at(at).help(help));
        }
    }
}
