//! Ordering, finding, listing and configuring instances.

use axum::Json;
use axum::extract::State;
use control_api::deploy::{
    ConfigureProviderRequest, InstanceList, InstanceState, InstanceView, ListQuery, OperationState,
    RegisterAnswer, RegisterRequest, ResolveRequest,
};
use control_api::ids::InstanceId;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::extract::{Body, Id, Params};
use super::openapi::ProblemBody;
use super::view;
use crate::error::Error;
use crate::model::{Actor, Instance};
use crate::requests::Requests;
use crate::store::Page;

const DEFAULT_PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 500;

/// Orders an instance. The same user again: the same instance. With `Prefer: respond-async` at once.
#[utoipa::path(
    post, path = "/api/instances/register", tag = "instances", security(("deploy" = [])),
    params(("prefer" = Option<String>, Header, description = "`respond-async`: answer at once (RFC 7240)")),
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "It is there", body = RegisterAnswer),
        (status = 202, description = "It is being made", body = RegisterAnswer),
        (status = 409, description = "`slug-taken`", body = ProblemBody),
        (status = 422, description = "`invalid-input`", body = ProblemBody),
        (status = 502, description = "`instance-not-ready`", body = ProblemBody),
        (status = 503, description = "`image-missing`, `not-isolated`, `docker-unreachable`, `addresses-exhausted`, \
                                      `busy`", body = ProblemBody),
        (status = 507, description = "`disk-full`", body = ProblemBody),
    )
)]
pub(super) async fn register(
    State(requests): State<Requests>,
    headers: HeaderMap,
    Body(body): Body<RegisterRequest>,
) -> Result<(StatusCode, Json<RegisterAnswer>), Error> {
    let ordered = requests.register(&body).await?;
    if !responds_async(&headers) {
        let until = Instant::now() + requests.context.timings.request;
        let operation = requests.follow(ordered.operation, until).await?;
        if ordered.fresh && operation.state != OperationState::Succeeded {
            let reason = operation.verdict.unwrap_or_else(|| "it was cancelled".to_owned());
            return Err(Error::NotReady(reason));
        }
    }
    let instance = requests.live(ordered.instance).await?;
    let under_way = matches!(
        instance.state,
        InstanceState::Pending | InstanceState::Creating | InstanceState::Starting | InstanceState::Deleting
    );
    let status = if under_way { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    let answer = RegisterAnswer {
        instance_id: instance.id,
        url: requests.context.config.public.origin(&instance.slug),
        slug: instance.slug,
        state: instance.state,
        operation_id: ordered.operation,
    };
    Ok((status, Json(answer)))
}

/// RFC 7240: preferences are separated by commas, over any number of lines.
fn responds_async(headers: &HeaderMap) -> bool {
    let lines = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| item.trim().eq_ignore_ascii_case("respond-async"))
}

/// Finds an instance by exactly one key, and wakes it unless told otherwise.
#[utoipa::path(
    post, path = "/api/instances/resolve", tag = "instances", security(("deploy" = [])),
    request_body = ResolveRequest,
    responses(
        (status = 200, body = InstanceView),
        (status = 404, description = "`not-found`", body = ProblemBody),
    )
)]
pub(super) async fn resolve(
    State(requests): State<Requests>,
    Body(body): Body<ResolveRequest>,
) -> Result<Json<InstanceView>, Error> {
    let store = &requests.context.store;
    let found = match (body.user_id, &body.slug, &body.username) {
        (Some(owner), None, None) => store.by_owner(owner).await?,
        (None, Some(slug), None) => store.by_slug(slug).await?,
        (None, None, Some(username)) => store.by_username(username).await?,
        _ => return Err(Error::Malformed("give exactly one of user_id, slug and username".to_owned())),
    };
    let mut instance = found.ok_or(Error::NotFound("There is no such instance."))?;
    if body.wake != Some(false) {
        instance = requests.wake(instance, Actor::User).await?;
    }
    Ok(Json(view::instance(&requests, instance).await?))
}

/// Sets the provider and waits until the instance serves with it; the one before is put back where it does
/// not.
#[utoipa::path(
    post, path = "/api/instances/configure-provider", tag = "instances", security(("deploy" = [])),
    request_body = ConfigureProviderRequest,
    responses(
        (status = 200, body = InstanceView),
        (status = 404, description = "`not-found`", body = ProblemBody),
        (status = 422, description = "`invalid-input`, with a message for each field", body = ProblemBody),
        (status = 502, description = "`instance-not-ready`: the configuration before is in force",
         body = ProblemBody),
        (status = 503, description = "`docker-unreachable`, `busy`", body = ProblemBody),
        (status = 507, description = "`disk-full`", body = ProblemBody),
    )
)]
pub(super) async fn configure_provider(
    State(requests): State<Requests>,
    Body(body): Body<ConfigureProviderRequest>,
) -> Result<Json<InstanceView>, Error> {
    let id = match (body.instance_id, &body.slug) {
        (Some(id), None) => id,
        (None, Some(slug)) => requests.by_slug(slug).await?.id,
        _ => return Err(Error::Malformed("give exactly one of instance_id and slug".to_owned())),
    };
    let instance = requests.configure(id, &body.provider).await?;
    Ok(Json(view::instance(&requests, instance).await?))
}

/// Instances that are not deleted, in the order of their ids.
#[utoipa::path(
    get, path = "/api/instances", tag = "instances", security(("deploy" = [])),
    params(
        ("state" = Option<InstanceState>, Query), ("owner" = Option<String>, Query),
        ("limit" = Option<u32>, Query, description = "1 to 500; 100 by default"),
        ("after" = Option<String>, Query, description = "continue after this instance"),
    ),
    responses((status = 200, body = InstanceList), (status = 400, body = ProblemBody))
)]
pub(super) async fn list(
    State(requests): State<Requests>,
    Params(query): Params<ListQuery>,
) -> Result<Json<InstanceList>, Error> {
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Error::Malformed(format!("limit must be 1 to {LARGEST_PAGE}")));
    }
    // One more than asked for tells whether there is a next page.
    let page = Page { state: query.state, owner: query.owner, limit: limit + 1, after: query.after };
    let mut found: Vec<Instance> = requests.context.store.page(page).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().map(|instance| instance.id).filter(|_| more);
    Ok(Json(InstanceList { instances: view::instances(&requests, found).await?, next }))
}

/// One instance.
#[utoipa::path(
    get, path = "/api/instances/{id}", tag = "instances", security(("deploy" = [])),
    params(("id" = InstanceId, Path)),
    responses((status = 200, body = InstanceView), (status = 404, body = ProblemBody))
)]
pub(super) async fn get(
    State(requests): State<Requests>,
    Id(id): Id<InstanceId>,
) -> Result<Json<InstanceView>, Error> {
    let instance = requests.live(id).await?;
    Ok(Json(view::instance(&requests, instance).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_preference_is_found_among_others() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", HeaderValue::from_static(value));
            responds_async(&headers)
        };
        assert!(with("respond-async") && with("wait=10, Respond-Async"));
        assert!(!with("wait=10") && !responds_async(&HeaderMap::new()));
    }
}
