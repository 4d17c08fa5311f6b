//! The way down for those that nobody uses: measures what every awake instance uses of the processor, and freezes
//! or stops those that `idleness` finds idle. Nobody goes down on a measurement that is not of this moment.

use futures_util::{FutureExt as _, StreamExt as _, stream};

use crate::error::Error;
use crate::idleness::{self, Ladder, Rung, Watch};
use crate::model::{CpuSample, Instance};
use crate::reconciler::Context;
use crate::requests::Requests;
use crate::store::{CpuNote, StoreError};

/// Measured at once: one that hangs does not hold up the others.
const AT_ONCE: usize = 8;

/// One round; `since` is when this process began to listen to the router.
pub(crate) async fn go_round(requests: &Requests, since: i64) -> Result<(), Error> {
    let context = &requests.context;
    let Some(ladder) = Ladder::of(&context.in_force()) else { return Ok(()) };
    if context.availability.reason().is_some() {
        return Ok(());
    }
    let now = context.clock.now_ms();
    // Before the rows, and long before the measurements: a report that comes between tells of use that the rows read
    // before it do not have yet.
    let reported_at = context.store.router_reported_at().await?.filter(|at| *at >= since);
    let mut instances = context.store.on_the_ladder().await?;
    let due = |instance: &Instance| {
        let known = instance.cpu.filter(|cpu| instance.ready_at.is_some_and(|at| cpu.at >= at));
        !instance.nap && known.is_none_or(|cpu| now.saturating_sub(cpu.at) >= ladder.sampling_ms())
    };
    measure(context, &ladder, instances.iter_mut().filter(|instance| due(instance)).collect()).await?;
    let watch = Watch { now, reported_at };
    instances.retain(|instance| idleness::judge(instance, &ladder, watch) != Rung::Stay);
    // What it did since it was last measured counts too.
    let stale = |instance: &Instance| !instance.nap && instance.cpu.is_none_or(|cpu| cpu.at < now);
    measure(context, &ladder, instances.iter_mut().filter(|instance| stale(instance)).collect()).await?;
    for instance in &instances {
        let rung = idleness::judge(instance, &ladder, watch);
        if rung != Rung::Stay {
            tracing::info!(instance = %instance.id, ?rung, "nobody uses it");
            requests.go_down(instance, rung).await?;
        }
    }
    Ok(())
}

/// Measures, and writes it down in the rows and in the database. One that cannot be measured stays as it is.
async fn measure(
    context: &Context,
    ladder: &Ladder,
    instances: Vec<&mut Instance>,
) -> Result<(), StoreError> {
    let each: Vec<_> =
        instances.into_iter().map(|instance| measure_one(context, ladder, instance).boxed()).collect();
    let notes: Vec<Option<CpuNote>> = stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    let notes: Vec<CpuNote> = notes.into_iter().flatten().collect();
    context.store.record_cpu(&notes).await
}

async fn measure_one(context: &Context, ladder: &Ladder, instance: &mut Instance) -> Option<CpuNote> {
    let name = instance.container_name(&context.config.installation);
    // The time before the answer: what it does while Docker counts must not be taken for known.
    let at = context.clock.now_ms();
    let sample = CpuSample { total_ns: context.engine.cpu_time(&name).await.ok()?, at };
    let busy_at = idleness::busy_at(instance, ladder, sample);
    (instance.cpu, instance.cpu_busy_at) = (Some(sample), Some(busy_at));
    Some(CpuNote { id: instance.id, sample, busy_at })
}
