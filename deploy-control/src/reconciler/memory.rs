//! Memory that ran out: told to the owner in words, whether a process inside was ended for it or the whole.

use control_api::ids::InstanceId;

use super::context::Context;
use crate::disk_use::size;
use crate::engine::Limits;

/// What shows it, as evidence.
pub(super) const USED_UP: &str = "it used up its memory";

/// In words, with the limit.
pub(super) fn used_up(limits: Limits) -> String {
    format!("{USED_UP} (limit {}); the kernel ended what needed more", size(limits.memory_bytes))
}

/// Evidence for people: with the limit, where it is that.
pub(super) fn in_words(evidence: &str, limits: Limits) -> String {
    if evidence == USED_UP { used_up(limits) } else { evidence.to_owned() }
}

/// Docker says that the kernel ended a process of the instance; the container may go on.
pub(super) async fn note_oom(context: &Context, id: InstanceId) {
    let noted = async {
        let Some(instance) = context.store.instance(id).await? else { return Ok(()) };
        context.store.record_oom(id, &used_up(instance.limits)).await
    };
    if let Err(error) = noted.await {
        tracing::error!(instance = %id, %error, "that its memory ran out could not be written down");
    }
}
