//! Arrows of a Rust crate: every path in it, resolved to the file that defines what the path names.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::Arrow;

/// The arrows of a crate whose root is the first of these files that ends in `lib.rs` or `main.rs`; files by their paths.
pub(crate) fn arrows(files: &[(String, String)]) -> Vec<Arrow> {
    let is_root = |path: &str| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
    let (root, _) = files.iter().find(|(path, _)| is_root(path)).expect("a crate has a root");
    let texts: BTreeMap<&str, &str> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let mut modules = Modules::default();
    modules.read(&texts, root, Vec::new());
    modules.arrows()
}

/// The other crates of the workspace that a file names, each at the first line.
pub(crate) fn crates(path: &str, text: &str, known: &[&str]) -> Vec<Arrow> {
    let mut module = Module::default();
    module.tokens(tokens(path, text), &mut Vec::new());
    let uses = module.paths.iter().map(|(path, line)| (path, *line));
    let uses = uses.chain(module.imports.iter().map(|import| (&import.path, import.line)));
    let mut found = Vec::new();
    for (named, line) in uses {
        if let Some(name) = named.first().filter(|name| known.contains(&name.as_str())) {
            found.push(Arrow { from: path.to_owned(), line, to: name.clone() });
        }
    }
    found
}

fn tokens(path: &str, text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A module's path from the root of its crate.
type Path = Vec<String>;

/// The declarations and uses of one module.
#[derive(Debug, Default)]
struct Module {
    file: String,
    imports: Vec<Import>,
    /// Paths that stand in the code, and their lines.
    paths: Vec<(Path, usize)>,
    /// Every word of the code outside of imports.
    words: BTreeSet<String>,
    /// Names of what it declares or defines.
    defines: BTreeSet<String>,
    /// Modules in files of their own.
    declared: Vec<String>,
}

/// `use path as name`; `*` for all of a module.
#[derive(Debug)]
struct Import {
    path: Path,
    name: String,
    line: usize,
    reexports: bool,
}

const DEFINERS: [&str; 9] =
    ["struct", "enum", "union", "trait", "type", "fn", "const", "static", "macro_rules"];

impl Module {
    /// Reads the code of a module. Modules within it, in braces, become a part of it, with `inner` as their path.
    fn tokens(&mut self, code: TokenStream, inner: &mut Path) {
        let mut rest: Vec<TokenTree> = code.into_iter().collect();
        rest.reverse();
        let mut follows_pub = false;
        while let Some(tree) = rest.pop() {
            let is_public = std::mem::take(&mut follows_pub);
            match tree {
                TokenTree::Ident(word) if word == "pub" => {
                    // The visibility `pub(in path)` names a module and uses nothing of it.
                    if matches!(rest.last(), Some(TokenTree::Group(group)) if is_visibility(group)) {
                        rest.pop();
                    }
                    follows_pub = true;
                }
                TokenTree::Punct(sign) if sign.as_char() == '#' => {
                    if let Some(TokenTree::Group(group)) = rest.last()
                        && group.delimiter() == Delimiter::Bracket
                    {
                        let is_test = is_of_tests(&group.stream());
                        assert!(!is_path(&group.stream()), "{}: a module with a path of its own", self.file);
                        rest.pop();
                        if is_test {
                            skip_item(&mut rest);
                        }
                    }
                }
                TokenTree::Ident(word) if word == "use" => {
                    let line = word.span().start().line;
                    let mut tree = Vec::new();
                    while let Some(next) = rest.pop() {
                        if matches!(&next, TokenTree::Punct(sign) if sign.as_char() == ';') {
                            break;
                        }
                        tree.push(next);
                    }
                    self.import(&tree, &Vec::new(), line, is_public, inner);
                }
                TokenTree::Ident(word) if word == "mod" => {
                    let Some(TokenTree::Ident(name)) = rest.pop() else { continue };
                    match rest.last() {
                        Some(TokenTree::Punct(sign)) if sign.as_char() == ';' => {
                            self.declared.push(name.to_string());
                        }
                        Some(TokenTree::Group(group)) => {
                            let code = group.stream();
                            rest.pop();
                            inner.push(name.to_string());
                            self.tokens(code, inner);
                            inner.pop();
                        }
                        _ => {}
                    }
                    self.defines.insert(name.to_string());
                }
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    let word = word.to_string();
                    if DEFINERS.contains(&word.as_str()) {
                        if matches!(rest.last(), Some(TokenTree::Punct(sign)) if sign.as_char() == '!') {
                            rest.pop();
                        }
                        if let Some(TokenTree::Ident(name)) = rest.last() {
                            self.defines.insert(name.to_string());
                        }
                    }
                    let path = path_from(word, &mut rest);
                    if path.len() > 1 {
                        self.paths.push((relative(path.clone(), inner), line));
                    }
                    self.words.extend(path);
                }
                TokenTree::Group(group) => self.tokens(group.stream(), inner),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// The leaves of a tree of imports.
    fn import(&mut self, tree: &[TokenTree], before: &Path, line: usize, reexports: bool, inner: &Path) {
        let mut path = before.clone();
        let mut name = None;
        let mut trees = tree.iter().peekable();
        while let Some(tree) = trees.next() {
            match tree {
                TokenTree::Ident(word) if word == "as" => {
                    name = trees.next().map(ToString::to_string);
                }
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Punct(sign) if sign.as_char() == '*' => path.push("*".to_owned()),
                TokenTree::Group(group) => {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    let is_comma =
                        |tree: &TokenTree| matches!(tree, TokenTree::Punct(sign) if sign.as_char() == ',');
                    for part in inside.split(is_comma).filter(|part| !part.is_empty()) {
                        let line = part[0].span().start().line;
                        self.import(part, &path, line, reexports, inner);
                    }
                    return;
                }
                _ => {}
            }
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let Some(last) = path.last().cloned() else { return };
        let name = name.unwrap_or(last);
        self.imports.push(Import { path: relative(path, inner), name, line, reexports });
    }
}

/// True if parentheses after `pub` belong to it, and not to a tuple.
fn is_visibility(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Parenthesis
        && matches!(first, Some(TokenTree::Ident(word))
            if ["in", "crate", "super", "self"].iter().any(|known| word == known))
}

/// A path as the module around `inner` would write it.
fn relative(mut path: Path, inner: &Path) -> Path {
    let mut depth = inner.len();
    while depth > 0 && path.first().is_some_and(|first| first == "super") {
        path.remove(0);
        depth -= 1;
        if path.first().is_none_or(|first| first != "super") {
            let mut whole = vec!["self".to_owned()];
            whole.extend(inner[..depth].iter().cloned());
            whole.append(&mut path);
            return whole;
        }
    }
    path
}

/// The path that goes on behind its first word.
fn path_from(first: String, rest: &mut Vec<TokenTree>) -> Path {
    let mut path = vec![first];
    loop {
        let [.., TokenTree::Ident(word), TokenTree::Punct(b), TokenTree::Punct(a)] = rest.as_slice() else {
            return path;
        };
        if a.as_char() != ':' || b.as_char() != ':' {
            return path;
        }
        path.push(word.to_string());
        rest.truncate(rest.len() - 3);
    }
}

/// True if the item after an attribute is for tests alone.
fn is_of_tests(attribute: &TokenStream) -> bool {
    let condition = attribute.to_string().replace(' ', "");
    condition == "cfg(test)" || condition.starts_with("cfg(all(test,")
}

fn is_path(attribute: &TokenStream) -> bool {
    attribute.to_string().replace(' ', "").starts_with("path=")
}

/// Drops an item: up to its semicolon, or its braces.
fn skip_item(rest: &mut Vec<TokenTree>) {
    while let Some(tree) = rest.pop() {
        match tree {
            TokenTree::Punct(sign) if sign.as_char() == ';' || sign.as_char() == ',' => return,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            _ => {}
        }
    }
}

/// The modules of a crate, by their paths.
#[derive(Debug, Default)]
struct Modules(BTreeMap<Path, Module>);

impl Modules {
    fn read(&mut self, texts: &BTreeMap<&str, &str>, file: &str, path: Path) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        module.tokens(tokens(file, texts[file]), &mut Vec::new());
        let (folder, name) = file.rsplit_once('/').expect("a path");
        let folder = match name {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            name => format!("{folder}/{}", name.trim_end_matches(".rs")),
        };
        for child in module.declared.clone() {
            let candidates = [format!("{folder}/{child}.rs"), format!("{folder}/{child}/mod.rs")];
            let found = candidates.iter().find(|file| texts.contains_key(file.as_str()));
            let found = found.unwrap_or_else(|| panic!("{file}: no file for the module `{child}`"));
            let mut path = path.clone();
            path.push(child);
            self.read(texts, found, path);
        }
        self.0.insert(path, module);
    }

    fn arrows(&self) -> Vec<Arrow> {
        let mut found = Vec::new();
        for (at, module) in &self.0 {
            let mut add = |path: &Path, line: usize| {
                let to = self.absolute(at, path, 0).and_then(|path| self.definer(&path, 0));
                if let Some(to) = to.filter(|to| *to != module.file) {
                    found.push(Arrow { from: module.file.clone(), line, to: to.to_owned() });
                }
            };
            for import in &module.imports {
                // To import a module is no use of it; its paths are. What is handed on is used by whoever takes it.
                let names_module =
                    self.absolute(at, &import.path, 0).is_some_and(|path| self.0.contains_key(&path));
                if !names_module && (!import.reexports || module.words.contains(&import.name)) {
                    add(&import.path, import.line);
                }
            }
            for (path, line) in &module.paths {
                add(path, *line);
            }
        }
        found
    }

    /// A path from the crate's root; None for what is of another crate, or no path at all.
    fn absolute(&self, at: &Path, path: &Path, depth: usize) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => return Some([at.as_slice(), rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let base = at.len().checked_sub(ups)?;
                return Some([&at[..base], &path[ups..]].concat());
            }
            _ => {}
        }
        let child = [at.as_slice(), std::slice::from_ref(first)].concat();
        if self.0.contains_key(&child) {
            return Some([at.as_slice(), path.as_slice()].concat());
        }
        let import = self.0.get(at)?.imports.iter().find(|import| import.name == *first)?;
        if depth > MOST_HOPS || import.path.first() == Some(first) {
            return None;
        }
        let mut whole = self.absolute(at, &import.path, depth + 1)?;
        whole.extend_from_slice(rest);
        Some(whole)
    }

    /// The file that defines what a path names: that of the deepest module in it, or where this has the name from.
    fn definer(&self, path: &Path, depth: usize) -> Option<&str> {
        if depth > MOST_HOPS {
            return None;
        }
        let (at, module) =
            (0..=path.len()).rev().find_map(|length| Some((length, self.0.get(&path[..length])?)))?;
        let Some(name) = path.get(at) else { return Some(&module.file) };
        if !module.defines.contains(name) {
            for import in module.imports.iter().filter(|import| import.name == *name || import.name == "*") {
                let mut target = import.path.clone();
                if import.name == "*" {
                    target.pop();
                    target.push(name.clone());
                }
                let from = path[..at].to_vec();
                let Some(target) = self.absolute(&from, &target, 0).filter(|target| *target != path[..=at])
                else {
                    continue;
                };
                if import.name == "*" && !self.has(&target) {
                    continue;
                }
                return self.definer(&target, depth + 1);
            }
        }
        Some(&module.file)
    }

    /// True if the module of a path declares, defines or re-exports its last name.
    fn has(&self, path: &Path) -> bool {
        let Some((name, module)) = path.split_last() else { return false };
        self.0.get(module).is_some_and(|module| {
            module.defines.contains(name) || module.imports.iter().any(|import| import.name == *name)
        })
    }
}

/// Maximum number of re-exports of a name; more is a circle.
const MOST_HOPS: usize = 16;
