//! The HTTP surface: which routes there are, who may call them, and the layers around them. Routes are added
//! through [`Routes`], which remembers them, so that a test can hold them against the `OpenAPI` document.

mod extract;
mod instance_facing;
mod internal;
mod openapi;
mod portal;
mod router_facing;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use http::{HeaderValue, Method, header};
use service_kit::bearer::{self, Gate};
use service_kit::metrics::Metrics;
use service_kit::server;

use crate::authz::Shared;
use crate::error::Error;

const INTERNAL_HINT: &str = "`AUTHZ_INTERNAL_TOKEN` of the caller and `AUTHZ_INTERNAL_TOKEN` of authz-service, \
                             both made from `BEAVER_AUTHZ_INTERNAL_TOKEN`";
const ROUTER_HINT: &str = "`BEAVER_ROUTER_TOKEN` of router-proxy and `BEAVER_ROUTER_TOKEN` of authz-service";

/// A router that knows its routes.
#[derive(Default)]
struct Routes {
    router: Router<Shared>,
    table: Vec<(Method, &'static str)>,
}

impl Routes {
    fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, Shared>) -> Self {
        self.add(Method::GET, path, axum::routing::get(handler))
    }

    fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, Shared>) -> Self {
        self.add(Method::POST, path, axum::routing::post(handler))
    }

    fn delete<T: 'static>(self, path: &'static str, handler: impl Handler<T, Shared>) -> Self {
        self.add(Method::DELETE, path, axum::routing::delete(handler))
    }

    fn add(mut self, method: Method, path: &'static str, handler: MethodRouter<Shared>) -> Self {
        self.router = self.router.route(path, handler);
        self.table.push((method, path));
        self
    }

    /// Opens what is here to holders of the gate's token alone.
    fn behind(mut self, gate: std::sync::Arc<Gate>) -> Self {
        self.router = self.router.route_layer(from_fn_with_state(gate, bearer::require));
        self
    }

    fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.table.extend(other.table);
        self
    }
}

fn every_route(authz: &Shared) -> Routes {
    let internal = Gate::new(authz.config.internal_token.clone(), INTERNAL_HINT);
    let router = Gate::new(authz.config.router_token.clone(), ROUTER_HINT);
    Routes::default()
        .merge(portal::routes().merge(internal::routes()).behind(internal))
        .merge(router_facing::routes().behind(router))
        .merge(instance_facing::routes())
        .get("/api/openapi.json", openapi::serve)
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
        .router
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
        let routes: BTreeSet<(String, String)> = portal::routes()
            .merge(internal::routes())
            .merge(router_facing::routes())
            .merge(instance_facing::routes())
            .get("/api/openapi.json", openapi::serve)
            .table
            .into_iter()
            .map(|(method, path)| (method.as_str().to_lowercase(), path.to_owned()))
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
