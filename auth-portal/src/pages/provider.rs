//! `/onboarding/provider`: the model provider, chosen first and changed later. The key goes to
//! deploy-control and nowhere else: it is never shown again, not even to its owner.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use control_api::client::ApiError;
use control_api::codes;
use control_api::deploy::{ConfigureProviderRequest, InstanceState, InstanceView};
use control_api::instance::{Provider, ProviderKind};
use http::StatusCode;

use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::{Fields, SessionForm};
use crate::session::{Session, SignedIn};
use crate::text::{ProviderTexts, fill, sentence, services, texts};
use crate::upstream::{field_faults, own_instance};
use crate::view::{FormFaults, PageResult, Shell, page};

#[derive(Template)]
#[template(path = "provider.html")]
struct ProviderPage {
    shell: Shell,
    faults: FormFaults,
    choices: Vec<Choice>,
    base_url: String,
    model: String,
    /// The provider in force, in words.
    current: Option<String>,
}

/// One provider to choose.
struct Choice {
    value: &'static str,
    title: &'static str,
    text: &'static str,
    checked: bool,
}

/// What the form holds, the key aside.
struct Typed {
    kind: String,
    base_url: String,
    model: String,
}

impl Typed {
    fn from_fields(fields: &Fields) -> Self {
        let text = |name| fields.optional(name).unwrap_or_default();
        Self { kind: text("provider"), base_url: text("base_url"), model: text("model") }
    }

    /// The provider in force, or the one that needs nothing.
    fn from_instance(instance: &InstanceView) -> Self {
        let current = instance.provider.as_ref();
        Self {
            kind: current.map_or(ProviderKind::Echo.as_str(), |p| p.kind.as_str()).to_owned(),
            base_url: current.and_then(|p| p.base_url.clone()).unwrap_or_default(),
            model: current.and_then(|p| p.model.clone()).unwrap_or_default(),
        }
    }
}

/// `GET /onboarding/provider`.
pub(crate) async fn show(State(portal): State<Portal>, SignedIn(session): SignedIn) -> PageResult {
    match settled(&portal, &session).await? {
        Ok(instance) => {
            let typed = Typed::from_instance(&instance);
            Ok(form(&session, &instance, &typed, FormFaults::default(), StatusCode::OK))
        }
        Err(elsewhere) => Ok(elsewhere),
    }
}

/// `GET /onboarding/provider/skip`: where a browser ends up that loads the address of a form.
pub(crate) async fn to_form() -> Response {
    redirect("/onboarding/provider")
}

/// `POST /onboarding/provider/skip`.
pub(crate) async fn skip(State(portal): State<Portal>, form: SessionForm) -> PageResult {
    Ok(settled(&portal, &form.session).await?.map_or_else(|elsewhere| elsewhere, |i| open(&i)))
}

/// The instance, where it is far enough to be configured; else the page that says more.
async fn settled(portal: &Portal, session: &Session) -> Result<Result<InstanceView, Response>, PageError> {
    let found = own_instance(portal, session.view.user.user_id).await.map_err(PageError::deploy)?;
    Ok(match found {
        // Ordered and not on record yet, or gone: the progress page knows which.
        None => Err(redirect("/provisioning")),
        Some(instance) => match instance.state {
            InstanceState::Pending | InstanceState::Creating => Err(redirect("/provisioning")),
            InstanceState::Failed | InstanceState::Deleting | InstanceState::Unknown => {
                Err(redirect("/account"))
            }
            InstanceState::Starting
            | InstanceState::Ready
            | InstanceState::Asleep
            | InstanceState::Stopped => Ok(instance),
        },
    })
}

/// The instance's own door, or the account page where it would be closed.
fn open(instance: &InstanceView) -> Response {
    if instance.state == InstanceState::Stopped { redirect("/account") } else { redirect(&instance.url) }
}

/// `POST /onboarding/provider`.
pub(crate) async fn submit(State(portal): State<Portal>, form_in: SessionForm) -> PageResult {
    let SessionForm { session, mut fields } = form_in;
    let instance = match settled(&portal, &session).await? {
        Ok(instance) => instance,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let typed = Typed::from_fields(&fields);
    let provider = match parse(&typed, &mut fields) {
        Ok(provider) => provider,
        Err(faults) => {
            return Ok(form(&session, &instance, &typed, faults, StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    let request = ConfigureProviderRequest { instance_id: Some(instance.instance_id), slug: None, provider };
    match portal.deploy.configure_provider(&request).await {
        Ok(instance) => Ok(open(&instance)),
        Err(error) => {
            let (status, faults) = judge(&error, &texts().provider);
            Ok(form(&session, &instance, &typed, faults, status))
        }
    }
}

/// A provider, or what is wrong with the fields.
fn parse(typed: &Typed, fields: &mut Fields) -> Result<Provider, FormFaults> {
    let t = &texts().provider;
    let Ok(kind) = typed.kind.parse::<ProviderKind>() else {
        return Err(FormFaults::field("provider", t.unknown));
    };
    // Pasted keys often come with a line end or a space.
    let key = fields.secret("api_key");
    let key = Some(key.expose().trim()).filter(|key| !key.is_empty()).map(Into::into);
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let provider = if kind == ProviderKind::Echo {
        // It needs nothing, and what other fields hold was meant for another.
        Provider { kind, base_url: None, model: None, api_key: None }
    } else {
        let base_url = some(typed.base_url.trim_end_matches('/'));
        Provider { kind, base_url, model: some(&typed.model), api_key: key }
    };
    let mut faults = FormFaults::default();
    for (field, message) in provider.validate() {
        let label = labels(t).iter().find(|(name, _)| *name == field).map_or(field, |(_, label)| *label);
        faults.add(field, sentence(label, &message));
    }
    faults.sort(&labels(t));
    if faults.is_empty() { Ok(provider) } else { Err(faults) }
}

fn labels(t: &ProviderTexts) -> [(&'static str, &'static str); 4] {
    [("provider", t.legend), ("base_url", t.base_url), ("model", t.model), ("api_key", t.api_key)]
}

/// What a refusal means for the form.
fn judge(error: &ApiError, t: &ProviderTexts) -> (StatusCode, FormFaults) {
    let Some(problem) = error.problem().filter(|problem| problem.kind != codes::TOKEN_MISMATCH) else {
        tracing::warn!(%error, "a provider could not be configured");
        return (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(t.unavailable));
    };
    let said = services::problem(problem);
    let faults = match problem.kind.as_str() {
        codes::NOT_READY => {
            let mut faults = FormFaults::form(t.put_back);
            // What the instance itself said, such as the reason why it did not start.
            faults.add_detail(&said);
            faults
        }
        codes::OPERATION_IN_PROGRESS => FormFaults::form(t.in_progress),
        _ if problem.status == 422 || problem.status == 400 => field_faults(problem, &labels(t)),
        _ => FormFaults::form(said),
    };
    (problem.status_code(), faults)
}

fn form(
    session: &Session,
    instance: &InstanceView,
    typed: &Typed,
    faults: FormFaults,
    status: StatusCode,
) -> Response {
    let t = &texts().provider;
    let choice = |kind: ProviderKind, title, text| Choice {
        value: kind.as_str(),
        title,
        text,
        checked: typed.kind == kind.as_str(),
    };
    let choices = vec![
        choice(ProviderKind::Echo, t.echo, t.echo_text),
        choice(ProviderKind::Openai, t.openai, t.openai_text),
        choice(ProviderKind::Anthropic, t.anthropic, t.anthropic_text),
        choice(ProviderKind::OpenaiCompatible, t.compatible, t.compatible_text),
    ];
    let current = instance.provider.as_ref().map(|provider| {
        let title = provider_title(&provider.kind);
        let name = provider.model.as_ref().map_or(title.to_owned(), |model| format!("{title}, {model}"));
        fill(t.current, &[("provider", &name)])
    });
    let view = ProviderPage {
        shell: session.shell(),
        faults,
        choices,
        base_url: typed.base_url.clone(),
        model: typed.model.clone(),
        current,
    };
    page(status, &view)
}

/// A provider's name for people.
pub(crate) fn provider_title(kind: &str) -> &str {
    let t = &texts().provider;
    match kind.parse::<ProviderKind>() {
        Ok(ProviderKind::Echo) => t.echo_name,
        Ok(ProviderKind::Openai) => t.openai,
        Ok(ProviderKind::Anthropic) => t.anthropic,
        Ok(ProviderKind::OpenaiCompatible) => t.compatible,
        Err(_) => kind,
    }
}
