//! Times as people tell them.

use jiff::Timestamp;

use crate::text::{fill, texts};

/// A time, for people and for programs.
pub(crate) struct Moment {
    pub(crate) text: String,
    pub(crate) iso: String,
}

/// How long ago, up to a month; then the date.
pub(crate) fn moment(at: Timestamp, now: Timestamp) -> Moment {
    let t = &texts().account;
    let seconds = (now.as_second() - at.as_second()).max(0);
    let ago = |text: &str, unit: i64| fill(text, &[("n", &(seconds / unit).to_string())]);
    let text = match seconds {
        0..60 => t.just_now.to_owned(),
        60..3_600 => ago(t.minutes, 60),
        3_600..172_800 => ago(t.hours, 3_600),
        172_800..2_592_000 => ago(t.days, 86_400),
        _ => date(at),
    };
    Moment { text, iso: iso(at) }
}

/// How soon, up to a month; then the date.
pub(crate) fn coming(at: Timestamp, now: Timestamp) -> Moment {
    let t = &texts().api_keys;
    let days = (at.as_second() - now.as_second()).max(0) / 86_400;
    let text = match days {
        0 => t.today.to_owned(),
        1..=30 => fill(t.coming, &[("n", &days.to_string())]),
        _ => date(at),
    };
    Moment { text, iso: iso(at) }
}

/// How soon: in minutes, hours, then as [`coming`].
pub(crate) fn soon(at: Timestamp, now: Timestamp) -> Moment {
    let t = &texts().security;
    let seconds = (at.as_second() - now.as_second()).max(0);
    let within = |text: &str, unit: i64| {
        let text = fill(text, &[("n", &(seconds / unit).max(1).to_string())]);
        Moment { text, iso: iso(at) }
    };
    match seconds {
        0..3_600 => within(t.minutes, 60),
        3_600..172_800 => within(t.hours, 3_600),
        _ => coming(at, now),
    }
}

fn date(at: Timestamp) -> String {
    at.strftime(texts().common.date).to_string()
}

fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let now = at("2026-11-21T12:00:00Z");
        for (then, expected) in [
            ("2026-11-21T11:59:30Z", "just now"),
            ("2026-11-21T12:00:30Z", "just now"),
            ("2026-11-21T11:15:00Z", "45 min ago"),
            ("2026-11-20T12:00:00Z", "24 h ago"),
            ("2026-11-18T12:00:00Z", "3 days ago"),
            ("2026-01-02T12:00:00Z", "2 January 2026"),
        ] {
            assert_eq!(moment(at(then), now).text, expected, "{then}");
        }
    }

    #[test]
    fn what_ends_soon_is_told_in_minutes_and_hours() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let now = at("2026-11-21T12:00:00Z");
        for (then, expected) in [
            ("2026-11-21T11:00:00Z", "in 1 min"),
            ("2026-11-21T12:59:59Z", "in 59 min"),
            ("2026-11-21T13:00:00Z", "in 1 h"),
            ("2026-11-22T00:00:00Z", "in 12 h"),
            ("2026-12-21T12:00:00Z", "in 30 days"),
        ] {
            assert_eq!(soon(at(then), now).text, expected, "{then}");
        }
    }

    #[test]
    fn what_is_to_come_is_told_in_days_and_then_by_its_date() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let now = at("2026-11-21T12:00:00Z");
        for (then, expected) in [
            ("2026-11-20T12:00:00Z", "within a day"),
            ("2026-11-22T11:00:00Z", "within a day"),
            ("2026-11-23T12:00:00Z", "in 2 days"),
            ("2026-12-21T12:00:00Z", "in 30 days"),
            ("2027-02-19T12:00:00Z", "19 February 2027"),
        ] {
            assert_eq!(coming(at(then), now).text, expected, "{then}");
        }
    }
}
