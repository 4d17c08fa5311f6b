//! The HTTP surface: which routes there are, who may call them, and the layers around them. Routes are added
//! through [`service_kit::routes`], which remembers them, so that a test can hold them against the `OpenAPI` document.

mod api_keys;
mod audit;
mod extract;
mod instance_facing;
mod internal;
mod invites;
mod mail;
mod oauth;
mod openapi;
mod own_data;
mod people;
mod portal;
mod portal_oauth;
mod portal_upstream;
mod router_facing;
mod second_factor;
mod sessions;
mod settings;
mod setup;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::{HeaderValue, header};
use service_kit::bearer::Gate;
use service_kit::metrics::Metrics;
use service_kit::server;

use crate::authz::Shared;
use crate::error::Error;

const INTERNAL_HINT: &str = "`AUTHZ_INTERNAL_TOKEN` of the caller and `AUTHZ_INTERNAL_TOKEN` of authz-service, \
                             both made from `BEAVER_AUTHZ_INTERNAL_TOKEN`";
const ROUTER_HINT: &str = "`BEAVER_ROUTER_TOKEN` of router-proxy and `BEAVER_ROUTER_TOKEN` of authz-service";

type Routes = service_kit::routes::Routes<Shared>;

fn every_route(authz: &Shared) -> Routes {
    let internal = Gate::new(authz.config.internal_token.clone(), INTERNAL_HINT);
    let router = Gate::new(authz.config.router_token.clone(), ROUTER_HINT);
    Routes::default()
        .merge(portal_routes().merge(operator_routes()).behind(internal))
        .merge(router_facing::routes().behind(router))
        .merge(instance_facing::routes())
        .get("/api/openapi.json", openapi::serve)
}

/// What the portal may call.
fn portal_routes() -> Routes {
    portal::routes()
        .merge(portal_oauth::routes())
        .merge(portal_upstream::routes())
        .merge(sessions::routes())
        .merge(api_keys::routes())
        .merge(audit::routes())
        .merge(people::routes())
        .merge(mail::routes())
        .merge(own_data::routes())
        .merge(invites::routes())
        .merge(settings::routes())
        .merge(setup::portal_routes())
        .merge(second_factor::routes())
}

/// What scripts and deploy-control may call.
fn operator_routes() -> Routes {
    internal::routes().merge(setup::operator_routes()).merge(second_factor::operator_routes())
}

/// Everything, for the main listener.
pub(crate) fn main_routes(authz: &Shared) -> Router {
    finish(every_route(authz), authz)
}

/// What instances may reach, and nothing else.
pub(crate) fn instance_routes(authz: &Shared) -> Router {
    finish(instance_facing::routes(), authz)
}

fn finish(routes: Routes, authz: &Shared) -> Router {
    routes
        .into_router()
        .fallback(async || Error::NotFound("This path is not served here."))
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .with_state(authz.clone())
}

/// The layers of every service, and `no-store` on whatever does not say otherwise: answers carry secrets.
pub(crate) fn layers(routes: Router, metrics: &Metrics, body_limit: usize) -> Router {
    server::layers(routes.layer(from_fn(no_store)), metrics, body_limit)
}

async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        let routes: BTreeSet<(String, String)> = portal_routes()
            .merge(operator_routes())
            .merge(router_facing::routes())
            .merge(instance_facing::routes())
            .get("/api/openapi.json", openapi::serve)
            .table()
            .iter()
            .map(|(method, path)| (method.as_str().to_lowercase(), (*path).to_owned()))
            .chain(
                ["/health", "/health/live", "/health/ready"].map(|path| ("get".to_owned(), path.to_owned())),
            )
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
