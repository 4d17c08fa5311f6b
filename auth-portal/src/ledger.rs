//! The reason ledger and the use of resources in the words of a page: pure, from what deploy-control tells.

use control_api::deploy::{EventView, StatsView};
use jiff::Timestamp;

use crate::moment::{Moment, moment};
use crate::text::{fill, services, texts};

/// What ends the run of an instance, as the ledger calls it.
const ENDS: [&str; 5] = ["stopped", "put to sleep", "lost", "start failed", "given up"];

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Owner,
    Admin,
}

/// One entry.
pub(crate) struct Row {
    pub(crate) at: Moment,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) who: String,
    pub(crate) evidence: Option<String>,
}

/// The entries as they are shown.
pub(crate) fn rows(events: &[EventView], reader: Reader, now: Timestamp) -> Vec<Row> {
    let row = |event: &EventView| Row {
        at: moment(event.at, now),
        what: capital(&services::said(&event.what)),
        why: capital(&services::said(&event.cause)),
        who: actor(&event.actor, reader),
        evidence: event.evidence.as_deref().map(services::said),
    };
    events.iter().map(row).collect()
}

/// Why it last stopped, of entries that are newest first.
pub(crate) fn last_stop(events: &[EventView], now: Timestamp) -> Option<(String, Moment)> {
    let event = events.iter().find(|event| ENDS.contains(&event.what.as_str()))?;
    let what = capital(&services::said(&event.what));
    let text = format!("{what}{}{}", texts().common.colon, services::said(&event.cause));
    Some((text, moment(event.at, now)))
}

fn actor(actor: &str, reader: Reader) -> String {
    let t = &texts().ledger;
    let words = match (actor, reader) {
        ("user", Reader::Owner) => t.you,
        ("user", Reader::Admin) => t.user,
        // deploy-control tells people who ask through the portal and by script alike by this word.
        ("operator", Reader::Owner) => t.operator_or_you,
        ("operator", Reader::Admin) => t.operator,
        ("router", _) => t.router,
        ("reconciler", _) => t.reconciler,
        ("docker", _) => t.docker,
        (other, _) => return capital(other),
    };
    words.to_owned()
}

/// The ledger's words begin small; a cell of a table begins with a capital.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Use of one thing that has a limit.
pub(crate) struct Meter {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    /// 0 to 100.
    pub(crate) percent: u64,
}

/// Processor, memory and disk.
pub(crate) fn meters(stats: &StatsView) -> Vec<Meter> {
    let t = &texts().usage;
    // Of one core; a limit of more than one is not told here.
    let cpu = format!("{:.0}", stats.cpu_percent.clamp(0.0, 100_000.0));
    vec![
        Meter {
            name: t.cpu,
            text: fill(t.cpu_text, &[("n", &cpu)]),
            percent: cpu.parse().unwrap_or(0).min(100),
        },
        of_limit(t.memory, stats.memory_bytes, stats.memory_limit_bytes),
        of_limit(t.disk, stats.disk_bytes, stats.disk_limit_bytes),
    ]
}

/// So many bytes of so many.
pub(crate) fn of_limit(name: &'static str, used: u64, limit: u64) -> Meter {
    Meter {
        name,
        text: fill(texts().usage.of, &[("used", &size(used)), ("limit", &size(limit))]),
        percent: used.saturating_mul(100).checked_div(limit).unwrap_or(0).min(100),
    }
}

/// Bytes in the largest unit that leaves a whole number in front.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, bytes_in) in UNITS {
        if bytes >= bytes_in {
            let tenths = bytes % bytes_in * 10 / bytes_in;
            return match tenths {
                0 => format!("{} {unit}", bytes / bytes_in),
                _ => format!("{}.{tenths} {unit}", bytes / bytes_in),
            };
        }
    }
    format!("{bytes} B")
}

/// A stranger's output without what could steer a terminal or turn text around: control characters other than
/// the end of a line, and direction marks (Unicode, UAX 9). Escaping is the template's.
pub(crate) fn plain(text: &str) -> String {
    let safe = |c: char| match c {
        '\n' | '\t' => Some(c),
        '\r' => None,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some('\u{fffd}'),
        c if c.is_control() => Some('\u{fffd}'),
        c => Some(c),
    };
    text.chars().filter_map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(what: &str, cause: &str) -> EventView {
        let at = "2026-11-21T11:59:00Z".parse().expect("a time");
        EventView { seq: 1, at, what: what.into(), cause: cause.into(), evidence: None, actor: "user".into() }
    }

    #[test]
    fn the_last_stop_is_the_newest_end_of_a_run() {
        let now = "2026-11-21T12:00:00Z".parse().expect("a time");
        let events =
            [event("ready", "woken"), event("put to sleep", "nobody has used it"), event("lost", "x")];
        let (text, at) = last_stop(&events, now).expect("an end");
        assert_eq!((text.as_str(), at.text.as_str()), ("Put to sleep: nobody has used it", "1 min ago"));
        assert!(last_stop(&events[..1], now).is_none());
    }

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        for (bytes, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (256 << 20, "256 MiB"), (1 << 30, "1 GiB")]
        {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn what_has_no_limit_is_not_full() {
        let stats = StatsView {
            cpu_limit_percent: 100.0,
            pids_limit: 256,
            cpu_percent: 250.4,
            memory_bytes: 64 << 20,
            memory_limit_bytes: 256 << 20,
            pids: 3,
            disk_bytes: 5,
            disk_limit_bytes: 0,
        };
        let percents: Vec<u64> = meters(&stats).iter().map(|meter| meter.percent).collect();
        assert_eq!(percents, [100, 25, 0]);
    }

    #[test]
    fn output_cannot_steer_or_turn_around() {
        assert_eq!(plain("a\r\nb\u{1b}[31m\tc\u{202e}d"), "a\nb\u{fffd}[31m\tc\u{fffd}d");
    }

    #[test]
    fn the_owner_reads_you() {
        let now = "2026-11-21T12:00:00Z".parse().expect("a time");
        let who = |reader| rows(&[event("ordered", "")], reader, now)[0].who.clone();
        assert_eq!(who(Reader::Owner), "You");
        assert_eq!(who(Reader::Admin), "The owner");
    }
}
