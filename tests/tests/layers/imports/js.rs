//! Arrows of JavaScript: static imports of files beside it.

use super::Arrow;

/// The arrows of these files, by their paths.
pub(crate) fn arrows(files: &[(String, String)]) -> Vec<Arrow> {
    let mut found = Vec::new();
    for (path, text) in files {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, name) in imported(text) {
            let Some(to) = beside(folder, name) else { continue };
            // What is no file of these, such as the compiled module, is nobody's.
            if files.iter().any(|(known, _)| *known == to) {
                found.push(Arrow { from: path.clone(), line, to });
            }
        }
    }
    found
}

/// The line and the text of each module specifier: after `from`, `import` and `import(`.
fn imported(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut statement = false;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if start.starts_with("//") || start.starts_with('*') || start.starts_with("/*") {
            continue;
        }
        statement |=
            start.starts_with("import ") || start.starts_with("import{") || start.starts_with("export ");
        let specifier = match (line.rsplit_once(" from "), start.strip_prefix("import ")) {
            (Some((_, after)), _) if statement => quoted(after),
            (_, Some(after)) => quoted(after),
            _ => line.split_once("import(").and_then(|(_, after)| quoted(after)),
        };
        if let Some(specifier) = specifier {
            found.push((index + 1, specifier));
        }
        statement &= !line.contains(';');
    }
    found
}

/// The text between the quotes that something begins with.
fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text[1..].split_once(quote).map(|(inner, _)| inner)
}

/// The path that a relative specifier means in a folder.
fn beside(folder: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if !name.starts_with('.') {
        return None;
    }
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
