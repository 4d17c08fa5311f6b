//! The doctor: looks at everything that an installation stands on and says what is wrong and what to do about it.
//! `facts` and `inventory` gather, `judge` judges, and nothing is changed by either.

pub mod command;
mod facts;
mod inventory;
mod judge;
mod mounts;

use control_api::doctor::DoctorReport;

use crate::isolation;
use crate::requests::Requests;

/// Looks at everything; with `probe` the isolation is proven anew first.
pub(crate) async fn examine(requests: &Requests, probe: bool) -> DoctorReport {
    let context = &requests.context;
    if probe {
        isolation::prove(&context.config, context.engine.as_ref(), &context.isolation).await;
    }
    let facts = facts::gather(context).await;
    DoctorReport::new(judge::checks(&facts))
}
