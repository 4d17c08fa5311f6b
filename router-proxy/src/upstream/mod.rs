//! Connections to one generation of one instance's container, and the exchange of one request on one of
//! them. The idle connections hang on the route, so a connection can never serve another instance or
//! generation, whatever its address is.

mod body;
mod exchange;
mod heard;
mod pool;

pub(crate) use body::{Progress, UploadBody};
pub(crate) use exchange::{Lease, Unanswered, UpstreamError, send};
pub(crate) use pool::Upstream;
