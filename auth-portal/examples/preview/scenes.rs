//! What can be looked at in the portal with made-up neighbours: people in every situation, each with a session whose
//! secret is `scene-NAME-0000`. The preview and the accessibility check share it.

use control_api::api_keys::{ApiKeyScope, ApiKeyState};
use control_api::authz::{OrderState, ProvisioningView};
use control_api::deploy::{CheckView, EventView, InstanceState, OperationState, ProviderSummary};
use control_api::invites::InviteState;
use control_api::people::Standing;
use control_api::rollout::{MemberState, RolloutRequest};

use crate::fakes::{Fakes, NOW, accepted, at};

/// Sets every scene.
pub(crate) fn set(fakes: &Fakes) {
    states(fakes);
    orders(fakes);
    administration(fakes);
    keys(fakes);
    sessions(fakes);
    rollout(fakes);
    // Somebody with a second factor, and few recovery codes left.
    let guarded = fakes.person("guarded", "scene-guarded-0000");
    fakes.guard(&guarded, 2);
    fakes.passkey(&guarded, "the key on the ring");
}

/// A rollout that has come to a halt half way.
fn rollout(fakes: &Fakes) {
    let rollout = fakes.rollout(RolloutRequest { image: None, failure_limit: Some(1) });
    let members = rollout.members.unwrap_or_default();
    let ends = [
        (MemberState::Done, "it runs the image already"),
        (MemberState::Failed, "the app did not answer GET /api/health within 60 s"),
        (MemberState::Skipped, "it is deleted"),
    ];
    for (member, (state, reason)) in members.iter().zip(ends) {
        fakes.member(member.instance_id, state, reason);
    }
}

/// A session for each state of an instance, all with names of their own.
fn states(fakes: &Fakes) {
    for state in InstanceState::ALL {
        let name = format!("in-{}", state.as_str());
        let user = fakes.person(&name, &format!("scene-{name}-0000"));
        let id = fakes.instance(&user, state).instance_id;
        let mut world = fakes.world();
        let instance = world.instances.get_mut(&id).expect("just made");
        let model = Some("claude-sonnet".to_owned());
        instance.provider = Some(ProviderSummary { kind: "anthropic".to_owned(), model, base_url: None });
        instance.reason = match state {
            InstanceState::Failed => Some("the app did not answer GET /api/health within 60 s".to_owned()),
            InstanceState::Stopped => Some("stopped on request".to_owned()),
            InstanceState::Unknown => Some("Docker cannot be reached".to_owned()),
            _ => None,
        };
    }
}

/// Sessions whose instance is on its way, or is not.
fn orders(fakes: &Fakes) {
    let steps: [(&str, &str, &str, u8); 2] = [
        ("scene-building-0000", "ready", "Starting the app", 60),
        ("scene-in-queue-0000", "queued", "Waiting for its turn", 0),
    ];
    for (secret, step, title, percent) in steps {
        let name = secret.trim_start_matches("scene-").trim_end_matches("-0000");
        let user = fakes.person(name, secret);
        let id = fakes.instance(&user, InstanceState::Creating).instance_id;
        let operation = fakes.operation(id, step, title, percent).operation_id;
        fakes.order(secret, accepted(Some(operation)));
        if step == "queued" {
            fakes.change(operation, |view| {
                view.state = OperationState::Queued;
                view.queue_position = Some(3);
                view.error = Some("Docker is stopping or starting: no answer".to_owned());
            });
        }
    }
    fakes.person("nothing", "scene-nothing-0000");
    fakes.person("refused", "scene-refused-0000");
    let order = |state, reason: &str| ProvisioningView {
        state,
        instance_id: None,
        operation_id: None,
        reason: Some(reason.to_owned()),
    };
    fakes.order(
        "scene-refused-0000",
        order(OrderState::Refused, "The name is taken. The slug refused is taken."),
    );
    fakes.person("waiting", "scene-waiting-0000");
    let reason = "The service that makes instances cannot be reached; it is tried again.";
    fakes.order("scene-waiting-0000", order(OrderState::Queued, reason));
}

/// API keys in each of their states.
fn keys(fakes: &Fakes) {
    let session = "scene-in-ready-0000";
    for name in ["laptop", "nightly backup of the whole house", "old phone", "dashboard"] {
        fakes.api_key(session, name);
    }
    fakes.change_keys(session, |keys| {
        keys[0].scopes = vec![ApiKeyScope::InstanceRead];
        keys[0].last_used_at = Some(at("2026-11-21T11:48:00Z"));
        keys[1].expires_at = at("2026-11-20T12:00:00Z");
        keys[1].state = ApiKeyState::Expired;
        keys[2].expires_at = at("2026-11-25T12:00:00Z");
        keys[2].last_used_at = Some(at("2026-11-19T12:00:00Z"));
        keys[3].state = ApiKeyState::Unused;
    });
}

/// Where the same person is signed in besides.
fn sessions(fakes: &Fakes) {
    let session = "scene-in-ready-0000";
    let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.5 Mobile/15E148 Safari/604.1";
    fakes.other_session(session, Some(phone), "203.0.113.9");
    fakes.other_session(
        session,
        Some("a-program-that-nobody-knows/1.0 (with a long story about itself)"),
        "2001:db8::17",
    );
    fakes.other_session(session, None, "198.51.100.20");
}

/// An administrator, and a ledger and a log for every instance.
fn administration(fakes: &Fakes) {
    fakes.admin("alice", "scene-alice-0000");
    for (action, target, name) in [
        ("register", "bob", None),
        ("make-admin", "01JDF3X5S8Q4M7R2V6T9W0YZAC", Some("alice")),
        ("login-failed", "al\\u{202e}ice", None),
        ("api-key-create", "01JDF3X5S8Q4M7R2V6T9W0YZAD", None),
        ("audit-trim", "1000 entries", None),
    ] {
        fakes.audit_entry(action, target, name);
    }
    fakes.audit_targets();
    fakes.account("bob", |_| {});
    fakes.account("carol", |account| account.state = Standing::PendingApproval);
    fakes.account("alice-two", |account| {
        account.state = Standing::Suspended;
        account.suspended_at = Some(at("2026-11-21T09:00:00Z"));
        account.suspended_reason = Some("sends spam".to_owned());
    });
    fakes.invite(|invite| "for the team".clone_into(&mut invite.note));
    fakes.invite(|invite| invite.state = InviteState::Withdrawn);
    fakes.invite(|invite| {
        (invite.state, invite.used_by) = (InviteState::Used, Some("bob".to_owned()));
    });
    let event = |seq, minute: i64, what: &str, cause: &str, evidence: Option<&str>, actor: &str| EventView {
        seq,
        at: at(NOW) - jiff::SignedDuration::from_mins(minute),
        what: what.to_owned(),
        cause: cause.to_owned(),
        evidence: evidence.map(str::to_owned),
        actor: actor.to_owned(),
    };
    let mut events = vec![
        event(90, 3, "ready", "somebody visited it", None, "router"),
        event(89, 4, "wake asked for", "on request", None, "router"),
        event(88, 95, "put to sleep", "nobody has used it for a while", None, "reconciler"),
        event(
            87,
            600,
            "lost",
            "the container ended by itself",
            Some("exit code 137, out of memory"),
            "docker",
        ),
        event(86, 900, "stop asked for", "on request", None, "operator"),
    ];
    events.extend((1..=30).rev().map(|seq| event(seq, 2000 - seq, "ready", "registered", None, "user")));
    let mut world = fakes.world();
    world.events = events;
    let line =
        |n: u32| format!("2026-11-21T11:59:{:02}Z INFO served GET /api/health in {n} ms <b>200</b>", n % 60);
    world.log = (1..=60).map(line).collect::<Vec<_>>().join("\n");
    let reason =
        "an instance can reach the host at the gateway (10.89.0.1:22); run scripts/firewall.sh as root";
    let check = CheckView { state: "failing".to_owned(), reason: Some(reason.to_owned()) };
    world.health.checks.insert("isolation".to_owned(), check);
    let check = CheckView { state: "warning".to_owned(), reason: Some("only 8 GiB are free".to_owned()) };
    world.health.checks.insert("disk".to_owned(), check);
}
