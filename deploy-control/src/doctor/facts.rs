//! What is so, gathered side by side; nothing here judges or changes anything.

use std::io;

use super::inventory::{self, Inventory, Unaccounted};
use super::mounts;
use crate::engine::EngineError;
use crate::isolation::Verdict;
use crate::model::Instance;
use crate::reconciler::Context;

/// Everything that is judged.
pub(super) struct Facts {
    /// Docker's version, or why it does not answer.
    pub(super) docker: Result<String, EngineError>,
    /// For each network in use its name, and whether it is there, or what is in its way.
    pub(super) networks: Vec<(String, Result<bool, EngineError>)>,
    /// The variable and the route of this machine that overlap.
    pub(super) overlap: Option<(&'static str, String)>,
    /// What is known of the isolation.
    pub(super) isolation: Verdict,
    /// Whether the operator has allowed to go without.
    pub(super) unisolated: bool,
    /// Free bytes where instances are kept.
    pub(super) free: io::Result<u64>,
    /// The filesystem there, and whether it has project quotas.
    pub(super) quota: Option<(String, bool)>,
    /// Whether authz-service takes our token, or what it said.
    pub(super) authz: Result<(), String>,
    /// Tokens that are equal and must not be.
    pub(super) equal_tokens: bool,
    /// How far authz-service's clock is ahead of ours, in milliseconds; `None` where it did not tell.
    pub(super) clock_ahead: Option<i64>,
    /// When the router last reported.
    pub(super) router_reported_at: Option<i64>,
    /// Now.
    pub(super) now: i64,
    /// What the look through the database's file said.
    pub(super) database: Result<usize, String>,
    /// What is on record and what is there; `None` where the one or the other cannot be read.
    pub(super) inventory: Option<Inventory>,
    /// What of it does not agree.
    pub(super) unaccounted: Unaccounted,
}

pub(super) async fn gather(context: &Context) -> Facts {
    let config = &context.config;
    let (docker, authz, clock, database, inventory) = tokio::join!(
        context.engine.ping(),
        context.authz.settings(),
        context.authz.server_time(),
        context.store.check_and_count(),
        inventory::look(context),
    );
    let unaccounted = match &inventory {
        Some(inventory) => inventory::unaccounted(context, inventory).await,
        None => Unaccounted::default(),
    };
    let now = context.clock.now_ms();
    let routes = context.host_routes();
    let mountinfo = tokio::fs::read_to_string("/proc/self/mountinfo").await.unwrap_or_default();
    let networks = match &inventory {
        Some(inventory) => networks(context, &inventory.rows).await,
        None => Vec::new(),
    };
    let tokens = [&config.deploy_token, &config.router_token, &config.internal_token];
    let equal = |a: usize, b: usize| tokens[a].matches(tokens[b].expose());
    Facts {
        docker,
        networks,
        overlap: config.plan.overlapping_route(&routes),
        isolation: context.isolation.verdict(),
        unisolated: config.allow_unisolated && !context.isolation.is_proven(),
        free: context.free_bytes(),
        quota: mounts::quota_of(&mountinfo, &config.runtime().join("instances")),
        authz: authz.map(drop).map_err(|error| error.to_string()),
        equal_tokens: equal(0, 1) || equal(0, 2) || equal(1, 2),
        clock_ahead: clock.ok().flatten().map(|theirs| theirs.as_millisecond().saturating_sub(now)),
        router_reported_at: context.store.router_reported_at().await.ok().flatten(),
        now,
        database: database.map_err(|error| error.to_string()),
        inventory,
        unaccounted,
    }
}

async fn networks(context: &Context, rows: &[Instance]) -> Vec<(String, Result<bool, EngineError>)> {
    let mut shards: Vec<u16> = rows
        .iter()
        .filter(|row| row.container_made)
        .filter_map(|row| row.place.map(|place| place.shard))
        .collect();
    shards.sort_unstable();
    shards.dedup();
    let mut found = Vec::with_capacity(shards.len());
    for shard in shards {
        let spec = context.config.plan.network(shard);
        let answer = context.engine.has_network(&spec).await;
        found.push((spec.name, answer));
    }
    found
}
