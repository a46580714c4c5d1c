//! File names of services. They are made from the services' names, safe on every system, unique, and sorted in the
//! order of the services.

use std::collections::BTreeSet;

use crate::limits::FILE_STEM_CHARS_MAX;

/// Names of devices on some systems, and of the other files.
const RESERVED: [&str; 9] = ["aux", "com", "con", "examples", "journeys", "lpt", "nul", "prn", "rt_config"];

/// One file name for each service name.
pub(super) fn of<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let stems: Vec<String> = names.map(stem).collect();
    let plain: Vec<String> = stems.iter().map(|stem| format!("{stem}.yaml")).collect();
    // Some file systems ignore case.
    let distinct = stems.iter().map(|stem| stem.to_ascii_lowercase()).collect::<BTreeSet<_>>().len();
    if plain.is_sorted() && distinct == stems.len() {
        return plain;
    }
    let width = stems.len().to_string().len();
    let numbered = |(index, stem): (usize, &String)| format!("{:0width$}_{stem}.yaml", index + 1);
    stems.iter().enumerate().map(numbered).collect()
}

/// The name with `_` for every character that is no letter, digit or hyphen.
fn stem(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let mut stem: String = name.chars().take(FILE_STEM_CHARS_MAX).map(kept).collect();
    if !stem.contains(|c: char| c.is_ascii_alphanumeric()) {
        "service".clone_into(&mut stem);
    }
    let word = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    if RESERVED.iter().any(|name| word.eq_ignore_ascii_case(name)) {
        stem.push('_');
    }
    // A command would read a name that begins with a hyphen as an option.
    if stem.starts_with('-') { format!("_{stem}") } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_in_order() {
        let of = |names: &[&str]| of(names.iter().copied());
        assert_eq!(of(&["home", "sale"]), ["home.yaml", "sale.yaml"]);
        assert_eq!(of(&["sale", "home"]), ["1_sale.yaml", "2_home.yaml"]);
        assert_eq!(of(&["Home", "home"]), ["1_Home.yaml", "2_home.yaml"]);
        assert_eq!(of(&["../../etc/passwd"]), ["______etc_passwd.yaml"]);
        assert_eq!(of(&["a b", "a/b"]), ["1_a_b.yaml", "2_a_b.yaml"]);
        assert_eq!(of(&["日本"]), ["service.yaml"]);
        assert_eq!(of(&["", "."]), ["1_service.yaml", "2_service.yaml"]);
        assert_eq!(of(&["rt_config"]), ["rt_config_.yaml"]);
        assert_eq!(of(&["COM1"]), ["COM1_.yaml"]);
        assert_eq!(of(&["-rf"]), ["_-rf.yaml"]);
        assert_eq!(of(&[&"x".repeat(300)])[0].len(), FILE_STEM_CHARS_MAX + ".yaml".len());
        let many: Vec<String> = (0..12).rev().map(|number| format!("s{number}")).collect();
        let many = super::of(many.iter().map(String::as_str));
        assert_eq!(many[0], "01_s11.yaml");
        assert!(many.is_sorted());
    }
}
