//! The one list of what is looked at: every page, in each situation in which it looks different.

use control_api::authz::{RegistrationMode, Role};
use control_api::deploy::InstanceState;
use control_api::upstream::UpstreamArrival;

use crate::fakes::{Fakes, World};

/// One thing to look at.
pub(crate) struct View {
    /// Names it in reports and is the screenshot's name.
    pub(crate) name: &'static str,
    /// Path and query.
    pub(crate) path: String,
    /// The scene whose session is at the browser.
    pub(crate) scene: Option<&'static str>,
    /// A cookie besides.
    pub(crate) cookie: Option<(&'static str, &'static str)>,
    /// What is set at the neighbours before and taken back after.
    pub(crate) with: Option<fn(&mut World)>,
    /// A form that is sent first: what is looked at is its answer.
    pub(crate) form: Option<Form>,
}

/// A form to send, whatever its fields demand.
pub(crate) struct Form {
    /// Its `action`.
    pub(crate) action: &'static str,
    pub(crate) fields: &'static [(&'static str, &'static str)],
}

impl View {
    fn of(name: &'static str, path: impl Into<String>) -> Self {
        Self { name, path: path.into(), scene: None, cookie: None, with: None, form: None }
    }

    fn scene(self, scene: &'static str) -> Self {
        Self { scene: Some(scene), ..self }
    }

    fn with(self, with: fn(&mut World)) -> Self {
        Self { with: Some(with), ..self }
    }

    fn sending(self, action: &'static str, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { form: Some(Form { action, fields }), ..self }
    }
}

/// Whose instance runs and who has keys and sessions.
const OWNER: &str = "in-ready";
/// Who administers.
const ADMIN: &str = "alice";

/// Everything.
pub(crate) fn views(fakes: &Fakes) -> Vec<View> {
    let mut all = visitors();
    all.extend(links());
    all.extend(second_factor(fakes));
    all.extend(upstream());
    all.extend(account());
    all.extend(progress());
    all.extend(administration(fakes));
    all.extend(failures());
    all
}

fn visitors() -> Vec<View> {
    vec![
        View::of("landing", "/"),
        View::of("login", "/login"),
        View::of("login-signed-out", "/login?signed-out=1"),
        View::of("login-wrong", "/login").sending("/login", &[("login", "alice"), ("password", "wrong")]),
        View::of("register", "/register"),
        View::of("register-faults", "/register")
            .sending("/register", &[("username", "a"), ("email", "alice"), ("password", "short")]),
        View::of("register-invite", "/register").with(|w| w.settings.registration = RegistrationMode::Invite),
        View::of("register-approval", "/register")
            .with(|w| w.settings.registration = RegistrationMode::Approval),
        View::of("register-closed", "/register").with(|w| w.settings.registration = RegistrationMode::Closed),
        View::of("setup", "/setup").with(|w| w.settings.setup_open = true),
        View::of("setup-closed", "/setup"),
        View::of("landing-setup-open", "/").with(|w| {
            w.settings.setup_open = true;
            "Maintenance on Sunday from 02:00 to 03:00 UTC.".clone_into(&mut w.settings.banner);
        }),
    ]
}

/// Sign-in by two steps, and the page that sets it up.
fn second_factor(fakes: &Fakes) -> Vec<View> {
    let passkey = {
        let world = fakes.world();
        let first = world.passkeys.of.values().flatten().next();
        format!("/account/passkeys/remove?id={}", first.expect("a scene").passkey_id)
    };
    let pending = Some(("beaver_pending", "pending-sign-in-of-guarded"));
    let second = |name| View { cookie: pending, ..View::of(name, "/login/second") };
    let page = |name, scene| View::of(name, "/account/second-factor").scene(scene);
    vec![
        second("login-second"),
        second("login-second-wrong").sending("/login/second", &[("code", "000000")]),
        page("second-factor-off", OWNER),
        page("second-factor-setup", OWNER).sending("/account/second-factor/begin", &[]),
        page("second-factor-needed", ADMIN).with(|w| {
            let sessions = w.sessions.values_mut().filter(|view| view.role == Role::Admin);
            sessions.for_each(|view| view.second_factor_needed = true);
        }),
        page("second-factor-on", "guarded"),
        page("second-factor-faults", "guarded").sending(
            "/account/second-factor/recovery-codes",
            &[("current_password", "wrong"), ("code", "000000")],
        ),
        View::of("passkey-new", "/account/passkeys/new").scene("guarded"),
        View::of("passkey-new-faults", "/account/passkeys/new")
            .scene("guarded")
            .sending("/account/passkeys/new", &[("name", ""), ("current_password", "wrong"), ("code", "0")]),
        View::of("passkey-remove", passkey).scene("guarded"),
        // The last: it renews the session.
        page("second-factor-codes", "guarded").sending(
            "/account/second-factor/recovery-codes",
            &[("current_password", "password of guarded"), ("code", Fakes::CODE)],
        ),
    ]
}

/// Sign-in at another issuer. The page that leads there leaves by itself, and so cannot be looked at.
fn upstream() -> Vec<View> {
    fn set(world: &mut World) {
        world.settings.upstream = Some("Home".to_owned());
    }
    fn arrived(world: &mut World) {
        set(world);
        world.upstream.arrival = Some(UpstreamArrival {
            username: "carol".to_owned(),
            email: "carol@example.com".to_owned(),
            registration: RegistrationMode::Invite,
        });
    }
    let cookie = Some(("beaver_upstream", "browser-of-somebody-who-comes-from-far-away"));
    let name = |name| View { cookie, ..View::of(name, "/login/upstream/name").with(arrived) };
    let security = |name| View::of(name, "/account/security").scene(OWNER);
    vec![
        View::of("login-upstream", "/login").with(set),
        View::of("register-upstream", "/register").with(set),
        View::of("upstream-refused", "/login/upstream/callback?code=c&state=s").with(set),
        name("upstream-name"),
        name("upstream-name-faults").sending("/login/upstream/name", &[("username", "a"), ("email", "x")]),
        security("security-upstream").with(set),
        security("security-upstream-faults")
            .with(set)
            .sending("/account/upstream/link", &[("upstream_password", "wrong")]),
        security("security-no-password").with(|w| {
            set(w);
            w.upstream.no_password = true;
        }),
        View::of("password-needed", "/account/delete").scene(OWNER).with(|w| w.upstream.no_password = true),
    ]
}

/// Forgotten passwords, and where links in mails lead.
fn links() -> Vec<View> {
    let link = |path: &str| format!("{path}?token={}", Fakes::LINK);
    vec![
        View::of("forgot", "/forgot"),
        View::of("forgot-faults", "/forgot").sending("/forgot", &[("login", "")]),
        View::of("forgot-sent", "/forgot").sending("/forgot", &[("login", "alice")]),
        View::of("forgot-no-mail", "/forgot").with(|w| w.mail.sends = false),
        View::of("reset", link("/reset")),
        View::of("reset-faults", link("/reset")).sending("/reset", &[("new_password", "short")]),
        View::of("reset-dead-link", "/reset"),
        View::of("confirm", link("/confirm")),
        View::of("confirm-done", link("/confirm")).sending("/confirm", &[]),
        View::of("confirm-dead-link", "/confirm?token=of-long-ago").sending("/confirm", &[]),
    ]
}

fn account() -> Vec<View> {
    let client =
        "client_id=notes&redirect_uri=http%3A%2F%2Falice.localhost%3A8088%2Foauth%2Fcallback&state=s";
    let states = [
        ("account-pending", "in-pending"),
        ("account-creating", "in-creating"),
        ("account-starting", "in-starting"),
        ("account-asleep", "in-asleep"),
        ("account-stopped", "in-stopped"),
        ("account-failed", "in-failed"),
        ("account-deleting", "in-deleting"),
        ("account-unknown", "in-unknown"),
        ("account-nothing", "nothing"),
        ("account-refused", "refused"),
        ("account-waiting", "waiting"),
    ];
    assert_eq!(InstanceState::ALL.len(), 9, "a state is not looked at");
    let mut all: Vec<_> =
        states.into_iter().map(|(name, scene)| View::of(name, "/account").scene(scene)).collect();
    all.extend([
        View::of("account-ready", "/account").scene(OWNER),
        View::of("account-key-faults", "/account").scene(OWNER).sending("/account/keys", &[("name", "")]),
        View::of("account-new-key", "/account").scene("in-stopped").sending(
            "/account/keys",
            &[("name", "laptop"), ("scopes", "instance:read"), ("expires_in_days", "90")],
        ),
        View::of("account-no-deploy", "/account").scene(OWNER).with(|w| w.deploy_down = true),
        View::of("security", "/account/security").scene(OWNER),
        View::of("security-done", "/account/security?done=password").scene(OWNER),
        View::of("security-faults", "/account/security")
            .scene(OWNER)
            .sending("/account/password", &[("current_password", "wrong"), ("new_password", "short")]),
        View::of("security-email-faults", "/account/security")
            .scene(OWNER)
            .sending("/account/email", &[("email", "alice"), ("email_password", "wrong")]),
        View::of("instance-more", "/account/instance").scene(OWNER),
        View::of("instance-more-faults", "/account/instance")
            .scene(OWNER)
            .sending("/account/instance/delete", &[("confirm", "bob")]),
        View::of("leave", "/account/delete").scene(OWNER),
        View::of("leave-faults", "/account/delete")
            .scene(OWNER)
            .sending("/account/delete", &[("username", "bob"), ("password", "wrong")]),
        View::of("provider", "/onboarding/provider").scene(OWNER),
        View::of("provider-faults", "/onboarding/provider").scene(OWNER).sending("/onboarding/provider", &[]),
        View::of("consent", format!("/oauth/authorize?{client}")).scene(OWNER),
        View::of("sign-in-again", format!("/oauth/authorize?{client}&prompt=login")).scene(OWNER),
        View::of("sign-out", "/oauth/logout").scene(OWNER),
    ]);
    all
}

fn progress() -> Vec<View> {
    let handoff = |slug: &str| {
        format!("/app/authorize?slug={slug}&state=abcdefghijklmnop&code_challenge={}", "x".repeat(43))
    };
    vec![
        View::of("provisioning", "/provisioning?live=1").scene("building"),
        View::of("provisioning-queue", "/provisioning?live=1").scene("in-queue"),
        View::of("provisioning-waiting", "/provisioning?live=1").scene("waiting"),
        View::of("provisioning-refused", "/provisioning").scene("refused"),
        View::of("waking", handoff("in-starting")).scene("in-starting"),
        View::of("waking-stuck", handoff("in-failed")).scene("in-failed"),
        View::of("not-yours", handoff("in-asleep")).scene(OWNER),
        View::of("no-such-instance", handoff("carol")).scene(OWNER),
    ]
}

fn administration(fakes: &Fakes) -> Vec<View> {
    let instance = |slug: &str| {
        let world = fakes.world();
        let found = world.instances.values().find(|instance| instance.slug.as_str() == slug);
        format!("/admin/instances/{}", found.expect("a scene").instance_id)
    };
    let person = |name: &str| {
        let world = fakes.world();
        let found = world.accounts.iter().find(|account| account.username.as_str() == name);
        format!("/admin/people/{}", found.expect("a scene").user_id)
    };
    let rollout = format!("/admin/rollouts/{}", fakes.world().machine.rollouts[0].rollout_id);
    vec![
        View::of("admin", "/admin").scene(ADMIN),
        View::of("admin-by-state", "/admin?state=asleep").scene(ADMIN),
        View::of("admin-instance", instance("in-ready")).scene(ADMIN),
        View::of("admin-instance-at-work", instance("building")).scene(ADMIN),
        View::of("admin-instance-not-confirmed", instance("in-failed"))
            .scene(ADMIN)
            .sending("/delete", &[("confirm", "bob")]),
        View::of("admin-audit", "/admin/audit").scene(ADMIN),
        View::of("admin-audit-faults", "/admin/audit?since=yesterday").scene(ADMIN),
        View::of("admin-forwarding", "/admin/audit/forwarding").scene(ADMIN),
        View::of("admin-settings", "/admin/settings").scene(ADMIN),
        View::of("admin-settings-faults", "/admin/settings")
            .scene(ADMIN)
            .sending("/admin/settings/instances", &[("idle_sleep", "soon"), ("pids", "1")]),
        View::of("admin-people", "/admin/people").scene(ADMIN),
        View::of("admin-person", person("bob")).scene(ADMIN),
        View::of("admin-person-pending", person("carol")).scene(ADMIN),
        View::of("admin-person-suspended", person("alice-two")).scene(ADMIN),
        View::of("admin-person-faults", person("bob"))
            .scene(ADMIN)
            .sending("/delete", &[("confirm", "alice")]),
        View::of("admin-invites", "/admin/invites").scene(ADMIN),
        View::of("admin-invites-faults", "/admin/invites")
            .scene(ADMIN)
            .sending("/admin/invites", &[("count", "many"), ("hours", "0")]),
        View::of("admin-invite-codes", "/admin/invites")
            .scene(ADMIN)
            .sending("/admin/invites", &[("count", "2"), ("hours", "72")]),
        View::of("admin-rollouts", "/admin/rollouts").scene(ADMIN),
        View::of("admin-rollouts-faults", "/admin/rollouts")
            .scene(ADMIN)
            .sending("/admin/rollouts", &[("failures", "many")]),
        View::of("admin-rollout", rollout).scene(ADMIN),
    ]
}

fn failures() -> Vec<View> {
    vec![
        View::of("not-found", "/nothing"),
        View::of("no-authz", "/account").scene(OWNER).with(|w| w.authz_down = true),
        View::of("app-refused", "/oauth/authorize?client_id=other").scene(OWNER),
    ]
}
