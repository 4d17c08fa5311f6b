//! From facts to findings: pure. Each check is always there, so that a program can look for it by its name.

use control_api::doctor::{DoctorCheck, DoctorStatus};

use super::facts::Facts;
use super::inventory::Inventory;
use crate::instance_files::WATERMARK_BYTES;
use crate::isolation::Verdict;

/// The services are on one machine: more than this and one of their clocks is wrong.
const CLOCK_TOLERANCE_MS: i64 = 5_000;
/// The router reports every 10 s.
const ROUTER_SILENCE_MS: i64 = 60_000;
/// An operation may take this much longer than its time: the reconciler ends it at its next look.
const OVERDUE_MS: i64 = 60_000;
/// More names than these are counted, not told.
const NAMED: usize = 10;

/// Every check.
pub(super) fn checks(facts: &Facts) -> Vec<DoctorCheck> {
    vec![
        docker(facts),
        networks(facts),
        addresses(facts),
        isolation(facts),
        disk(facts),
        quota(facts),
        tokens(facts),
        authz(facts),
        router(facts),
        clock(facts),
        database(facts),
        with_inventory(facts, "operations", |inventory| operations(inventory, facts.now)),
        with_inventory(facts, "orphans", |_| orphans(&facts.unaccounted.orphans)),
        with_inventory(facts, "missing", |_| missing(&facts.unaccounted.missing)),
    ]
}

fn ok(name: &str, detail: impl Into<String>) -> DoctorCheck {
    DoctorCheck { name: name.to_owned(), status: DoctorStatus::Ok, detail: detail.into(), remedy: None }
}

fn bad(name: &str, status: DoctorStatus, detail: impl Into<String>, remedy: &str) -> DoctorCheck {
    DoctorCheck { name: name.to_owned(), status, detail: detail.into(), remedy: Some(remedy.to_owned()) }
}

fn failing(name: &str, detail: impl Into<String>, remedy: &str) -> DoctorCheck {
    bad(name, DoctorStatus::Failing, detail, remedy)
}

fn warning(name: &str, detail: impl Into<String>, remedy: &str) -> DoctorCheck {
    bad(name, DoctorStatus::Warning, detail, remedy)
}

fn docker(facts: &Facts) -> DoctorCheck {
    match &facts.docker {
        Ok(version) => ok("docker", format!("Docker {version} answers through docker-guard")),
        Err(error) => failing(
            "docker",
            error.to_string(),
            "see that Docker runs (systemctl status docker) and docker-guard with it (scripts/logs.sh docker-guard)",
        ),
    }
}

fn networks(facts: &Facts) -> DoctorCheck {
    let faults: Vec<String> = facts
        .networks
        .iter()
        .filter_map(|(name, found)| match found {
            Ok(true) => None,
            Ok(false) => Some(format!("{name} is not there")),
            Err(error) => Some(format!("{name}: {error}")),
        })
        .collect();
    if faults.is_empty() {
        return ok("networks", format!("{} in use, as planned", facts.networks.len()));
    }
    failing(
        "networks",
        named(&faults),
        "a missing network is made at the next start of an instance; one that is another's must be removed or renamed",
    )
}

fn addresses(facts: &Facts) -> DoctorCheck {
    match &facts.overlap {
        None => ok("addresses", "no route of this machine overlaps the instances' networks"),
        Some((variable, route)) => failing(
            "addresses",
            format!("the network of {variable} overlaps a route of this machine, {route}"),
            "choose another network for that variable in .env and run scripts/up.sh",
        ),
    }
}

fn isolation(facts: &Facts) -> DoctorCheck {
    let remedy = "run scripts/firewall.sh as root, then ask again with --probe";
    match &facts.isolation {
        Verdict::Proven if facts.unisolated => warning(
            "isolation",
            "not proven, and allowed to be so by BEAVER_ALLOW_UNISOLATED",
            "unset BEAVER_ALLOW_UNISOLATED once the proof holds",
        ),
        Verdict::Proven => ok("isolation", "proven: an instance reaches the issuer and nothing else of ours"),
        Verdict::Pending(reason) => warning("isolation", reason.clone(), remedy),
        Verdict::Closed(reason) => failing("isolation", format!("sign-up is closed: {reason}"), remedy),
    }
}

fn disk(facts: &Facts) -> DoctorCheck {
    let remedy = "free some space, or move runtime/ to a larger disk";
    match &facts.free {
        Err(error) => warning("disk", format!("free space cannot be read: {error}"), remedy),
        Ok(free) if *free < WATERMARK_BYTES => {
            failing("disk", format!("only {} MiB are free: no new instance is made", free >> 20), remedy)
        }
        Ok(free) if *free < 4 * WATERMARK_BYTES => {
            warning("disk", format!("only {} MiB are free", free >> 20), remedy)
        }
        Ok(free) => ok("disk", format!("{} GiB are free", free >> 30)),
    }
}

/// Not having them is no fault, but an operator should know what the limit of the disk is worth.
fn quota(facts: &Facts) -> DoctorCheck {
    match &facts.quota {
        Some((kind, true)) => ok(
            "disk-quota",
            format!("{kind} with project quotas: the limit can be enforced as it is written to"),
        ),
        Some((kind, false)) => ok(
            "disk-quota",
            format!(
                "{kind} without project quotas: the limit is enforced by putting a full instance to sleep"
            ),
        ),
        None => ok("disk-quota", "not known; the limit is enforced by putting a full instance to sleep"),
    }
}

fn tokens(facts: &Facts) -> DoctorCheck {
    if facts.equal_tokens {
        return failing(
            "tokens",
            "two of BEAVER_DEPLOY_TOKEN, BEAVER_AUTHZ_INTERNAL_TOKEN and BEAVER_ROUTER_TOKEN are equal",
            "give each a value of its own in .env and run scripts/up.sh",
        );
    }
    ok("tokens", "each caller has its own")
}

fn authz(facts: &Facts) -> DoctorCheck {
    match &facts.authz {
        Ok(()) => ok("authz-service", "answers, and takes our token"),
        Err(error) => failing(
            "authz-service",
            error.clone(),
            "scripts/logs.sh authz-service; where a token does not match, scripts/up.sh gives all the one of .env",
        ),
    }
}

fn router(facts: &Facts) -> DoctorCheck {
    let remedy = "scripts/logs.sh router-proxy; while it does not report nobody is put to sleep";
    match facts.router_reported_at.map(|at| facts.now.saturating_sub(at)) {
        Some(ago) if ago <= ROUTER_SILENCE_MS => ok("router-proxy", format!("reported {} s ago", ago / 1000)),
        Some(ago) => warning("router-proxy", format!("has not reported for {} s", ago / 1000), remedy),
        None => warning("router-proxy", "has never reported", remedy),
    }
}

fn clock(facts: &Facts) -> DoctorCheck {
    match facts.clock_ahead {
        Some(ahead) if ahead.abs() > CLOCK_TOLERANCE_MS => warning(
            "clock",
            format!("authz-service's clock differs from this one by {} s", ahead / 1000),
            "set this machine's clock by NTP (timedatectl set-ntp true)",
        ),
        // The header has whole seconds.
        Some(_) => ok("clock", "the services agree on the time"),
        None => warning("clock", "authz-service did not tell its time", "see the check authz-service"),
    }
}

fn database(facts: &Facts) -> DoctorCheck {
    match &facts.database {
        Ok(count) => ok("database", format!("whole; {count} instances on record, deleted ones included")),
        Err(error) => failing(
            "database",
            error.clone(),
            "stop deploy-control and run scripts/doctor.sh --rebuild, or put a backup back",
        ),
    }
}

fn with_inventory(facts: &Facts, name: &str, judge: impl FnOnce(&Inventory) -> DoctorCheck) -> DoctorCheck {
    match &facts.inventory {
        Some(inventory) => judge(inventory),
        None => warning(
            name,
            "could not be looked at: Docker's list, the database or the folders cannot be read",
            "see the checks docker and database",
        ),
    }
}

fn operations(inventory: &Inventory, now: i64) -> DoctorCheck {
    let overdue: Vec<String> = inventory
        .operations
        .iter()
        .filter(|operation| now > operation.deadline.saturating_add(OVERDUE_MS))
        .map(|operation| format!("{} of {}", operation.id, operation.instance_id))
        .collect();
    if overdue.is_empty() {
        let waiting: Vec<String> = inventory.operations.iter().filter_map(|o| o.waiting.clone()).collect();
        let told = if waiting.is_empty() { String::new() } else { format!(": {}", named(&waiting)) };
        return ok("operations", format!("{} under way{told}", inventory.operations.len()));
    }
    failing("operations", format!("past their time: {}", named(&overdue)), "scripts/logs.sh deploy-control")
}

/// What is there and on no record.
fn orphans(found: &[String]) -> DoctorCheck {
    if found.is_empty() {
        return ok("orphans", "nothing is there that is on no record");
    }
    warning(
        "orphans",
        named(found),
        "where the database was lost or is an old one, scripts/doctor.sh --rebuild; else look at them and remove them",
    )
}

/// What is on record and not there.
fn missing(found: &[String]) -> DoctorCheck {
    if found.is_empty() {
        return ok("missing", "all that is on record is there");
    }
    warning(
        "missing",
        named(found),
        "what is wanted awake is made again within a minute; a sleeper's container at its next request; a folder that \
         is gone has to come from a backup",
    )
}

fn named(all: &[String]) -> String {
    let shown = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::inventory::Unaccounted;
    use crate::engine::EngineError;

    fn facts() -> Facts {
        Facts {
            docker: Ok("29.0".to_owned()),
            networks: vec![("edge-0".to_owned(), Ok(true))],
            overlap: None,
            isolation: Verdict::Proven,
            unisolated: false,
            free: Ok(100 << 30),
            quota: Some(("ext4".to_owned(), false)),
            authz: Ok(()),
            equal_tokens: false,
            clock_ahead: Some(300),
            router_reported_at: Some(99_000),
            now: 100_000,
            database: Ok(3),
            inventory: Some(Inventory::default()),
            unaccounted: Unaccounted::default(),
        }
    }

    fn named_here(orphans: &[&str], missing: &[&str]) -> Unaccounted {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Unaccounted { orphans: owned(orphans), missing: owned(missing) }
    }

    fn status(facts: &Facts, name: &str) -> DoctorStatus {
        let checks = checks(facts);
        let check = checks.iter().find(|check| check.name == name).expect("the check is always there");
        assert_eq!(check.remedy.is_some(), check.status != DoctorStatus::Ok, "{check:?}");
        check.status
    }

    #[test]
    fn a_healthy_installation_has_nothing_to_complain_about() {
        assert!(checks(&facts()).iter().all(|check| check.status == DoctorStatus::Ok));
    }

    #[test]
    fn each_fault_is_found_by_its_own_check() {
        use DoctorStatus::{Failing, Warning};
        let away = || EngineError::Unreachable("no such socket".to_owned());
        let cases: [(&str, DoctorStatus, Facts); 17] = [
            ("docker", Failing, Facts { docker: Err(away()), ..facts() }),
            ("networks", Failing, Facts { networks: vec![("edge-0".to_owned(), Ok(false))], ..facts() }),
            ("networks", Failing, Facts { networks: vec![("edge-0".to_owned(), Err(away()))], ..facts() }),
            (
                "addresses",
                Failing,
                Facts { overlap: Some(("BEAVER_NET", "10.89.0.0/16 on wg0".to_owned())), ..facts() },
            ),
            ("isolation", Failing, Facts { isolation: Verdict::Closed("open".to_owned()), ..facts() }),
            ("isolation", Warning, Facts { isolation: Verdict::Pending("not yet".to_owned()), ..facts() }),
            ("isolation", Warning, Facts { unisolated: true, ..facts() }),
            ("disk", Failing, Facts { free: Ok(1 << 20), ..facts() }),
            ("disk", Warning, Facts { free: Ok(2 * WATERMARK_BYTES), ..facts() }),
            ("tokens", Failing, Facts { equal_tokens: true, ..facts() }),
            ("authz-service", Failing, Facts { authz: Err("401".to_owned()), ..facts() }),
            ("router-proxy", Warning, Facts { router_reported_at: Some(1), ..facts() }),
            ("clock", Warning, Facts { clock_ahead: Some(-6_000), ..facts() }),
            ("database", Failing, Facts { database: Err("malformed".to_owned()), ..facts() }),
            ("missing", Warning, Facts { inventory: None, ..facts() }),
            ("orphans", Warning, Facts { unaccounted: named_here(&["route carol.json"], &[]), ..facts() }),
            ("missing", Warning, Facts { unaccounted: named_here(&[], &["route bob.json"]), ..facts() }),
        ];
        for (name, expected, facts) in cases {
            assert_eq!(status(&facts, name), expected, "{name}");
        }
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let all: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        assert_eq!(named(&all), "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; and 2 more");
    }
}
