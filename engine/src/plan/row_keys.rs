//! The key of a catalog attribute, and the facts that it has: found by names, before anything is compiled.

use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::plan::{Address, Part};
use crate::definition::{AttributeKind, Definition, ListPart};
use crate::expr::types::TypeSet;
use crate::syntax::Name;
use crate::value::DataType;

/// The thing that the key of a catalog attribute names.
pub(super) enum Source<'d> {
    /// A stitching key.
    Key,
    /// An attribute or a part of it; true: a list.
    Attribute(bool),
    /// A column of the event.
    Column(&'d str),
    /// A counter, a batch attribute, or another catalog.
    OtherKind,
    Unknown,
}

impl<'d> Source<'d> {
    pub(super) fn of(definition: &'d Definition, key: &'d str) -> Source<'d> {
        if let Some(column) = key.strip_prefix(Name::EVENT) {
            return Source::Column(column);
        }
        let identity = &definition.identity;
        let unlisted = [&identity.lookup_key, &identity.primary_key].into_iter().flatten();
        if identity.keys.iter().map(|rule| &rule.name).chain(unlisted).any(|known| known == key) {
            return Source::Key;
        }
        let named = |name: &str| definition.attributes.iter().find(|attribute| attribute.name == name);
        let (kind, part) = match (named(key), key.rsplit_once('.')) {
            (Some(attribute), _) => (&attribute.kind, None),
            (None, Some((name, part))) => match named(name) {
                Some(attribute) => (&attribute.kind, Some(part)),
                None => return Source::Unknown,
            },
            (None, None) => return Source::Unknown,
        };
        match (kind, part) {
            (AttributeKind::Single { .. }, None) => Source::Attribute(false),
            (AttributeKind::Single { .. }, Some(_)) => Source::Unknown,
            (AttributeKind::List { column, parts, .. }, part) => {
                let is_list = |part: &ListPart| part.aggregation.is_list();
                let named = part.and_then(|part| parts.iter().find(|known| known.name == part));
                match (part, named) {
                    (Some(_), Some(named)) => Source::Attribute(is_list(named)),
                    (Some("items"), None) if parts.is_empty() => Source::Attribute(true),
                    (Some(_), None) => Source::Unknown,
                    (None, _) => Source::Attribute(column.is_some() || parts.first().is_some_and(is_list)),
                }
            }
            _ => Source::OtherKind,
        }
    }

    pub(super) fn is_many(&self) -> bool {
        matches!(self, Source::Attribute(true))
    }
}

/// The facts of an attribute of this kind: a column each.
pub(super) fn addresses<'d>(definition: &'d Definition, kind: &'d AttributeKind) -> Vec<Address<'d>> {
    let AttributeKind::Catalog { table, key, columns, .. } = kind else { return Vec::new() };
    let table = definition.lookup_table(table);
    let many = Source::of(definition, key).is_many();
    let address = |name: &'d String, expected: Option<DataType>| {
        let column = table.and_then(|table| Some((table, table.column(name)?)));
        let declared = column.and_then(|(_, column)| column.data_type).or(expected);
        let types = declared.map_or(TypeSet::ANY, TypeSet::one);
        let lists = types.and_lists().without(TypeSet::ANY);
        // A name that no list holds is reported by `check_catalog`.
        let lists = if lists.is_empty() { TypeSet::LISTS } else { lists };
        let types = if many { lists } else { types };
        let sensitive = column.is_none_or(|(table, column)| table.is_sensitive(column));
        Address {
            name: Some(name),
            part: Part::Column(name.clone(), sensitive),
            types,
            shows: true,
            alias: false,
        }
    };
    columns.iter().map(|column| address(&column.name, column.data_type)).collect()
}
