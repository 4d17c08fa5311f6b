//! A router that remembers its routes, so that a service's test can hold them against its `OpenAPI` document.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use http::Method;

use crate::bearer::{self, Gate};

/// Routes with a state `S`, and a table of them.
pub struct Routes<S> {
    router: Router<S>,
    table: Vec<(Method, &'static str)>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self { router: Router::new(), table: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Adds a GET route.
    pub fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.add(Method::GET, path, axum::routing::get(handler))
    }

    /// Adds a POST route.
    pub fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.add(Method::POST, path, axum::routing::post(handler))
    }

    /// Adds a PUT route.
    pub fn put<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.add(Method::PUT, path, axum::routing::put(handler))
    }

    /// Adds a DELETE route.
    pub fn delete<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.add(Method::DELETE, path, axum::routing::delete(handler))
    }

    fn add(mut self, method: Method, path: &'static str, handler: MethodRouter<S>) -> Self {
        self.router = self.router.route(path, handler);
        self.table.push((method, path));
        self
    }

    /// Opens what is here to holders of the gate's token alone.
    pub fn behind(mut self, gate: Arc<Gate>) -> Self {
        self.router = self.router.route_layer(from_fn_with_state(gate, bearer::require));
        self
    }

    /// Adds the routes of another.
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.table.extend(other.table);
        self
    }

    /// The router.
    pub fn into_router(self) -> Router<S> {
        self.router
    }

    /// Method and path of every route.
    pub fn table(&self) -> &[(Method, &'static str)] {
        &self.table
    }
}
