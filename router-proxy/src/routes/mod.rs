//! Where requests go: route files on disk, the table that requests read, and the watcher between them.

mod files;
pub(crate) mod table;
mod watcher;

pub(crate) use files::RouteFiles;
pub(crate) use table::{Route, RouteTable};
pub(crate) use watcher::{follow, watch};
