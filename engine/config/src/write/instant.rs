//! Times as RFC 3339.

/// A time in Unix milliseconds as RFC 3339 in UTC, with a fraction unless it is a whole second. Years 0 to 9999.
///
/// # Examples
///
/// ```
/// assert_eq!(usher_config::rfc3339(1_790_000_000_000), "2026-09-21T14:13:20Z");
/// assert_eq!(usher_config::rfc3339(-1), "1969-12-31T23:59:59.999Z");
/// ```
pub fn rfc3339(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Years begin on the 1st of March here, so that a leap day is the last day of its year.
    let from = days + 719_468;
    let (era, day) = (from.div_euclid(146_097), from.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    let (second, milli) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}
