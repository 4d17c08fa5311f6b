//! The HTTP surface: which routes there are and whose token opens them. Routes are added through [`service_kit::routes`],
//! which remembers them, so that a test can hold them against the `OpenAPI` document.

mod actions;
mod data;
mod doctor;
mod extract;
mod host;
mod images;
mod instances;
mod keep_awake;
mod observe;
mod openapi;
mod operations;
mod overview;
mod owners;
mod rollouts;
mod router_facing;
mod settings;
mod snapshots;
mod sse;
mod view;

use axum::Router;
use axum::extract::FromRef;
use service_kit::bearer::Gate;
use service_kit::health::Health;
use service_kit::lifecycle::Lifecycle;

use crate::error::Error;
use crate::requests::Requests;

/// Largest body: an order or a provider is far smaller, the router's report of a full house about this.
pub(crate) const BODY_LIMIT: usize = 512 * 1024;

const DEPLOY_HINT: &str = "`DEPLOY_API_TOKEN` of the caller and `DEPLOY_CONTROL_API_TOKEN` of deploy-control, both \
                           made from `BEAVER_DEPLOY_TOKEN`";
const ROUTER_HINT: &str = "`BEAVER_ROUTER_TOKEN` of router-proxy and `BEAVER_ROUTER_TOKEN` of deploy-control";

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) requests: Requests,
    pub(crate) lifecycle: Lifecycle,
}

impl FromRef<Api> for Requests {
    fn from_ref(api: &Api) -> Self {
        api.requests.clone()
    }
}

type Routes = service_kit::routes::Routes<Api>;

fn deploy_routes() -> Routes {
    Routes::default()
        .post("/api/instances/register", instances::register)
        .post("/api/instances/resolve", instances::resolve)
        .post("/api/instances/configure-provider", instances::configure_provider)
        .get("/api/instances", instances::list)
        .get("/api/instances/{id}", instances::get)
        .delete("/api/instances/{id}", actions::delete)
        .post("/api/instances/{id}/start", actions::start)
        .post("/api/instances/{id}/stop", actions::stop)
        .post("/api/instances/{id}/restart", actions::restart)
        .post("/api/instances/{id}/sleep", actions::sleep)
        .post("/api/instances/{id}/upgrade", actions::upgrade)
        .post("/api/instances/{id}/rollback", snapshots::roll_back)
        .get("/api/instances/{id}/snapshots", snapshots::list)
        .get("/api/instances/{id}/data", data::archive)
        .put("/api/instances/{id}/keep-awake", keep_awake::put)
        .delete("/api/instances/{id}/keep-awake", keep_awake::delete)
        .get("/api/instances/{id}/logs", observe::logs)
        .get("/api/instances/{id}/stats", observe::stats)
        .get("/api/instances/{id}/events", observe::events)
        .delete("/api/owners/{id}", owners::remove)
        .get("/api/operations/{id}", operations::get)
        .delete("/api/operations/{id}", operations::cancel)
        .post("/api/rollouts", rollouts::begin)
        .get("/api/rollouts", rollouts::list)
        .get("/api/rollouts/{id}", rollouts::get)
        .delete("/api/rollouts/{id}", rollouts::cancel)
        .post("/api/isolation/probe", actions::probe)
        .get("/api/doctor", doctor::examine)
        .post("/api/images/pull", images::pull)
        .get("/api/overview", overview::overview)
        .get("/api/host", host::host)
        .get("/api/settings", settings::get)
        .put("/api/settings", settings::put)
}

fn router_routes() -> Routes {
    Routes::default()
        .post("/api/routes/{slug}/wake", router_facing::wake)
        .post("/api/routes/activity", router_facing::activity)
}

fn open_routes() -> Routes {
    Routes::default().get("/api/openapi.json", openapi::serve)
}

/// Everything, for the main listener.
pub(crate) fn routes(api: Api, health: &Health) -> Router {
    let config = &api.requests.context.config;
    let deploy = Gate::new(config.deploy_token.clone(), DEPLOY_HINT);
    let router = Gate::new(config.router_token.clone(), ROUTER_HINT);
    deploy_routes()
        .behind(deploy)
        .merge(router_routes().behind(router))
        .merge(open_routes())
        .into_router()
        .merge(health.router())
        .fallback(async || Error::NotFound("This path is not served here."))
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .with_state(api)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        let health = ["/health", "/health/live", "/health/ready"];
        let routes: BTreeSet<(String, String)> = deploy_routes()
            .merge(router_routes())
            .merge(open_routes())
            .table()
            .iter()
            .map(|(method, path)| (method.as_str().to_lowercase(), (*path).to_owned()))
            .chain(health.map(|path| ("get".to_owned(), path.to_owned())))
            .collect();
        let document: serde_json::Value =
            serde_json::from_str(&openapi::document().to_json().expect("json")).expect("json");
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .expect("paths")
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().expect("an item").keys().map(move |method| (method.clone(), path.clone()))
            })
            .collect();
        assert_eq!(routes, documented);
    }
}
