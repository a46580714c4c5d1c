//! Names of events and columns as they are compared and written.

/// Names of columns with a page's address, without marks, the first first.
pub(super) const PAGE: &[&str] =
    &["tdpath", "path", "pagepath", "pageurlpath", "pathname", "pagelocation", "url", "pageurl", "tdurl"];

/// A name in a definition: small letters, digits and underscores.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    let mut was_small = false;
    for letter in text.chars().take(60) {
        if letter.is_ascii_alphanumeric() {
            // `productId` and `Product Viewed` alike.
            if letter.is_ascii_uppercase() && was_small {
                slug.push('_');
            }
            was_small = letter.is_ascii_lowercase();
            slug.push(letter.to_ascii_lowercase());
        } else {
            was_small = false;
            if !slug.is_empty() && !slug.ends_with('_') {
                slug.push('_');
            }
        }
    }
    slug.trim_end_matches('_').to_owned()
}

/// A column by its last part, without marks: `properties.product_id`, `items[].productId` and `PRODUCT_ID` alike.
pub(super) fn bare(column: &str) -> String {
    let last = column.rsplit(['.', ']']).next().unwrap_or(column);
    last.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect()
}

/// A share as people write it.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "some".to_owned(), |share| format!("{:.0} %", share * 100.0))
}
