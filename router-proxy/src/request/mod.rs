//! What a request is, before anything is done with it: whose host, which kind, which headers go on. Pure
//! code, tested by table.

pub(crate) mod host;
pub(crate) mod kind;
pub(crate) mod target;
pub(crate) mod trailers;
pub(crate) mod upstream_head;
pub(crate) mod upstream_headers;
