//! The imports between the files of a crate, and between its rooms, as arrows.
//!
//! An arrow is a name that one file uses and another defines. A re-export is no use: the arrow goes from who uses the
//! name to the file that defines it. Declaring a module is no use either, nor is calling a method, which names no file.
//! Imports of tests are left out.

pub(crate) mod js;
pub(crate) mod rust;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One import: `from` uses something of `to`, first at this line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) line: usize,
    pub(crate) to: String,
}

/// The arrows between files, by the paths of the two; each has the first line that makes it.
#[derive(Debug, Default)]
pub(crate) struct Graph(BTreeMap<String, BTreeMap<String, usize>>);

impl Graph {
    pub(crate) fn new(arrows: impl IntoIterator<Item = Arrow>) -> Graph {
        let mut graph = Graph::default();
        for Arrow { from, line, to } in arrows {
            if from != to {
                let first = graph.0.entry(from).or_default().entry(to).or_insert(line);
                *first = line.min(*first);
            }
        }
        graph
    }

    pub(crate) fn arrows(&self) -> impl Iterator<Item = Arrow> {
        self.0.iter().flat_map(|(from, targets)| {
            targets.iter().map(|(to, line)| Arrow { from: from.clone(), line: *line, to: to.clone() })
        })
    }

    /// The circles, each by its shortest path: the arrows from a file back to itself.
    pub(crate) fn circles(&self) -> Vec<Vec<Arrow>> {
        let mut found: Vec<Vec<Arrow>> = Vec::new();
        for file in self.0.keys() {
            let is_known = found.iter().flatten().any(|arrow| arrow.from == *file);
            found.extend(self.way_back(file).filter(|_| !is_known));
        }
        found.sort_by_key(Vec::len);
        found
    }

    /// The shortest way from a file to itself, breadth first.
    fn way_back(&self, file: &str) -> Option<Vec<Arrow>> {
        let mut came_by: BTreeMap<&str, Arrow> = BTreeMap::new();
        let mut open = VecDeque::from([file]);
        while let Some(from) = open.pop_front() {
            for (to, line) in self.0.get(from).into_iter().flatten() {
                if came_by.contains_key(to.as_str()) {
                    continue;
                }
                came_by.insert(to, Arrow { from: from.to_owned(), line: *line, to: to.clone() });
                if to == file {
                    let mut way = vec![came_by[file].clone()];
                    while way[0].from != file {
                        way.insert(0, came_by[way[0].from.as_str()].clone());
                    }
                    return Some(way);
                }
                open.push_back(to);
            }
        }
        None
    }
}

/// A way of arrows in words: where each import stands.
pub(crate) fn shown(way: &[Arrow]) -> String {
    let steps = way.iter().map(|arrow| format!("{}:{} → {}", arrow.from, arrow.line, arrow.to));
    steps.collect::<Vec<_>>().join(", ")
}

/// Which rooms may import which: a row for each, `room → the rooms that it may import`. A row `(all) → rooms` names what
/// every room may import. Blank lines are no rows.
#[derive(Debug)]
pub(crate) struct Table<'t> {
    rows: BTreeMap<&'t str, BTreeSet<&'t str>>,
    for_all: BTreeSet<&'t str>,
}

impl<'t> Table<'t> {
    pub(crate) fn new(text: &'t str) -> Table<'t> {
        let mut table = Table { rows: BTreeMap::new(), for_all: BTreeSet::new() };
        for row in text.lines().filter(|row| !row.trim().is_empty()) {
            let (room, imports) = row.split_once('→').unwrap_or_else(|| panic!("a row has no arrow: {row}"));
            let imports = imports.split_whitespace().collect();
            if room.trim() == "(all)" {
                table.for_all = imports;
            } else {
                let twice = table.rows.insert(room.trim(), imports);
                assert!(twice.is_none(), "two rows for {room}");
            }
        }
        table
    }

    /// The differences between a graph and the table: arrows that no row has, and rows or parts of them that no import uses.
    /// `room` says where a file belongs; None: to no room, such as the root that only declares the others.
    pub(crate) fn differences(&self, graph: &Graph, room: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut used: BTreeSet<(String, String)> = BTreeSet::new();
        let mut found = Vec::new();
        for arrow in graph.arrows() {
            let (Some(from), Some(to)) = (room(&arrow.from), room(&arrow.to)) else { continue };
            if from == to {
                continue;
            }
            let allowed = self.rows.get(from.as_str()).is_some_and(|row| row.contains(to.as_str()));
            if !allowed && !self.for_all.contains(to.as_str()) {
                found.push(format!("{}: `{from}` may not import `{to}`", shown(&[arrow])));
            }
            used.insert((from, to));
        }
        for (from, row) in &self.rows {
            for to in row {
                if self.for_all.contains(to) {
                    found.push(format!("{from} → {to}: everybody may, so the row need not say it"));
                } else if !used.contains(&((*from).to_owned(), (*to).to_owned())) {
                    found.push(format!("{from} → {to}: no import uses this"));
                }
            }
        }
        for to in &self.for_all {
            if !used.iter().any(|(_, known)| known == to) {
                found.push(format!("(all) → {to}: no import uses this"));
            }
        }
        found
    }

    /// The circles between rooms that the table itself would allow.
    pub(crate) fn circles(&self) -> Vec<Vec<Arrow>> {
        let rows = self.rows.iter().flat_map(|(from, row)| row.iter().map(move |to| (*from, *to)));
        let for_all = self.for_all.iter();
        let all = for_all.flat_map(|to| {
            let rooms = self.rows.keys().filter(move |from| !self.for_all.contains(*from));
            rooms.map(move |from| (*from, *to))
        });
        let arrow = |(from, to): (&str, &str)| Arrow { from: from.to_owned(), line: 0, to: to.to_owned() };
        Graph::new(rows.chain(all).map(arrow)).circles()
    }
}
