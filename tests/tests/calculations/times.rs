//! Days and times, counted day by day.

pub const DAY_MS: i64 = 86_400_000;

fn days_of_year(year: i64) -> i64 {
    if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 366 } else { 365 }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => days_of_year(year) - 337,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The midnight of `YYYY-MM-DD` in UTC, in Unix milliseconds.
pub fn day_ms(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let years: i64 = if year >= 1970 {
        (1970..year).map(days_of_year).sum()
    } else {
        -(year..1970).map(days_of_year).sum::<i64>()
    };
    let months: i64 = (1..month).map(|month| days_of_month(year, month)).sum();
    Some((years + months + day - 1) * DAY_MS)
}

/// A time as RFC 3339 writes it, in Unix milliseconds.
pub fn time_ms(text: &str) -> Option<i64> {
    let (day, time) = text.split_once('T')?;
    let at = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at(at);
    let number = |text: &str| text.parse::<f64>().ok();
    let mut parts = time.split(':').map(number);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let minutes_ahead = match zone.split_once(':') {
        Some((hours, minutes)) => {
            let sign = if hours.starts_with('-') { -1.0 } else { 1.0 };
            sign * (number(hours)?.abs() * 60.0 + number(minutes)?)
        }
        None => 0.0,
    };
    let ms = ((hours * 60.0 + minutes - minutes_ahead) * 60.0 + seconds) * 1_000.0;
    Some(day_ms(day)? + ms.round() as i64)
}

/// A time that RFC 3339 can write: of the years 0 to 9999.
pub fn shown_ms(ms: i64) -> Option<i64> {
    (day_ms("0000-01-01")?..day_ms("10000-01-01")?).contains(&ms).then_some(ms)
}

/// A time in UTC.
pub fn rfc3339(ms: i64) -> String {
    let (mut day, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (mut year, mut month) = (1970, 1);
    while day < 0 {
        year -= 1;
        day += days_of_year(year);
    }
    while day >= days_of_year(year) {
        day -= days_of_year(year);
        year += 1;
    }
    while day >= days_of_month(year, month) {
        day -= days_of_month(year, month);
        month += 1;
    }
    let (seconds, ms) = (of_day / 1_000, of_day % 1_000);
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z", day + 1)
}
