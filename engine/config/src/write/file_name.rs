//! File names of services: from their names, safe on every system, each once, and in the order of the services.

use std::collections::BTreeSet;

use crate::limits::FILE_STEM_CHARS_MAX;

/// Names that mean a device on some systems, or another file here.
const RESERVED: [&str; 8] = ["aux", "com", "con", "examples", "lpt", "nul", "prn", "rt_config"];

/// One name for each; sorted they stand as they do here.
pub(super) fn of<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let stems: Vec<String> = names.map(stem).collect();
    let plain: Vec<String> = stems.iter().map(|stem| format!("{stem}.yaml")).collect();
    // Some file systems do not tell small letters from capitals.
    let each_once = stems.iter().map(|stem| stem.to_ascii_lowercase()).collect::<BTreeSet<_>>().len();
    if plain.is_sorted() && each_once == stems.len() {
        return plain;
    }
    let width = stems.len().to_string().len();
    let numbered = |(index, stem): (usize, &String)| format!("{:0width$}_{stem}.yaml", index + 1);
    stems.iter().enumerate().map(numbered).collect()
}

/// The letters and digits of a name, and `_` for all else.
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
    // What begins with a dash is taken for an option.
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
