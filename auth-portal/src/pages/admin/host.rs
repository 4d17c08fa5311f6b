//! How the machine is, as meters: pure.

use control_api::host::HostView;

use crate::ledger::{Meter, of_limit};
use crate::text::{fill, texts};

/// Load, memory and disk; what the machine does not tell is left out.
pub(super) fn meters(host: &HostView) -> Vec<Meter> {
    let t = &texts().host;
    let used = |total: Option<u64>, free: Option<u64>| Some((total?.saturating_sub(free?), total?));
    let memory = used(host.memory_bytes, host.memory_available_bytes);
    let disk = used(host.disk_bytes, host.disk_free_bytes);
    load(host)
        .into_iter()
        .chain(memory.map(|(used, total)| of_limit(t.memory, used, total)))
        .chain(disk.map(|(used, total)| of_limit(t.disk, used, total)))
        .collect()
}

/// As many processes as processors are all that can run at once.
fn load(host: &HostView) -> Option<Meter> {
    let t = &texts().host;
    let ([one, five, fifteen], cpus) = (host.load?, host.cpus?);
    let (one_text, cpus_text) = (format!("{one:.2}"), cpus.to_string());
    let values = [
        ("one", one_text.as_str()),
        ("five", &format!("{five:.2}")),
        ("fifteen", &format!("{fifteen:.2}")),
        ("cpus", &cpus_text),
    ];
    let percent = format!("{:.0}", (one / f64::from(cpus.max(1)) * 100.0).clamp(0.0, 100.0));
    Some(Meter { name: t.load, text: fill(t.load_text, &values), percent: percent.parse().unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_shown_and_nothing_else() {
        let host = HostView {
            cpus: Some(4),
            load: Some([1.0, 0.5, 0.25]),
            memory_bytes: Some(4 << 30),
            memory_available_bytes: Some(1 << 30),
            disk_bytes: Some(100 << 30),
            disk_free_bytes: Some(90 << 30),
            queued: 0,
        };
        let shown = meters(&host);
        assert_eq!(shown.iter().map(|meter| meter.percent).collect::<Vec<_>>(), [25, 75, 10]);
        assert!(shown[0].text.contains("1.00") && shown[0].text.contains('4'), "{}", shown[0].text);
        assert!(shown[1].text.contains("3 GiB"), "{}", shown[1].text);
        assert!(meters(&HostView::default()).is_empty());
        let busy = HostView { load: Some([99.0, 1.0, 1.0]), ..host };
        assert_eq!(meters(&busy)[0].percent, 100);
    }
}
