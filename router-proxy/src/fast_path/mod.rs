//! The way of the usual request: HTTP/1.1, a target that is a path, at most one small body, no upgrade, a session that
//! is known. It is read where it lies, checked by the same guard as any other, and written to its instance without
//! being taken apart into types first; the answer goes back the same way. Whatever is unusual goes to hyper's side
//! (`proxy::hyper_side`), with the bytes as they came.
//!
//! A request walks through [`downstream`] (its head), [`plan`] (route, gate, bytes), [`exchange`] (the instance) and
//! [`relay`] (the answer), or [`refuse`].

mod answer_head;
mod date;
mod deadline;
mod downstream;
mod exchange;
pub(crate) mod head;
mod plan;
mod refuse;
mod relay;
mod scratch;
pub(crate) mod to_instance;

pub(crate) use deadline::Deadlines;
pub(crate) use downstream::{Downstream, Left, run};
