//! Questions to the neighbours that more than one page asks, and what their refusals mean for a form.

use control_api::authz::{ProvisioningView, SessionView};
use control_api::client::ApiError;
use control_api::codes;
use control_api::deploy::{InstanceView, OperationView, ResolveRequest};
use control_api::ids::{OperationId, UserId};
use service_kit::problem::Problem;

use crate::app::Portal;
use crate::progress::{Progress, from_instance, from_operation, from_order};
use crate::text::{Texts, sentence, services};
use crate::view::FormFaults;

/// A person's instance, left as it is; nothing where there is none.
pub(crate) async fn own_instance(portal: &Portal, user: UserId) -> Result<Option<InstanceView>, ApiError> {
    let request = ResolveRequest { user_id: Some(user), wake: Some(false), ..ResolveRequest::default() };
    found(portal.deploy.resolve(&request).await)
}

/// A 404 is an answer.
pub(crate) fn found<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is(codes::NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An operation; nothing where it is no longer on record.
pub(crate) async fn operation(portal: &Portal, id: OperationId) -> Result<Option<OperationView>, ApiError> {
    found(portal.deploy.operation(id).await)
}

/// How a person's instance comes along, and the operation to follow.
pub(crate) struct Standing {
    pub(crate) progress: Progress,
    pub(crate) follow: Option<OperationId>,
}

/// Joins the order at authz-service with what deploy-control knows.
pub(crate) async fn standing(
    portal: &Portal,
    session: &SessionView,
    t: &Texts,
) -> Result<Standing, ApiError> {
    let told = from_order(&session.provisioning, t);
    if let Some(progress @ Progress::Working(_)) = told {
        return Ok(Standing { progress, follow: None });
    }
    match (own_instance(portal, session.user.user_id).await?, told) {
        // Also where an order was refused: the operator may have made one meanwhile.
        (Some(instance), _) => of_instance(portal, &instance, t).await,
        (None, Some(progress)) => Ok(Standing { progress, follow: None }),
        (None, None) => of_order(portal, &session.provisioning, t).await,
    }
}

async fn of_instance(portal: &Portal, instance: &InstanceView, t: &Texts) -> Result<Standing, ApiError> {
    let work = match instance.operation_id {
        Some(id) => operation(portal, id).await?,
        None => None,
    };
    let progress = work.as_ref().map_or_else(|| from_instance(instance, t), |work| from_operation(work, t));
    let progress = match progress {
        Progress::Done if instance.provider.is_some() => Progress::Settled,
        other => other,
    };
    Ok(Standing { progress, follow: work.map(|work| work.operation_id) })
}

/// The instance is not on record (yet, or any more): the operation of the order has the last word.
async fn of_order(portal: &Portal, order: &ProvisioningView, t: &Texts) -> Result<Standing, ApiError> {
    let found = match order.operation_id {
        Some(id) => operation(portal, id).await?,
        None => None,
    };
    let progress = found.as_ref().map_or(Progress::Gone, |operation| from_operation(operation, t));
    let follow = found.map(|operation| operation.operation_id);
    // Done without an instance: it was removed since.
    let progress = if progress == Progress::Done { Progress::Gone } else { progress };
    Ok(Standing { progress, follow })
}

/// A refusal's messages at their fields. `labels` are the form's fields and their names for people; what
/// belongs to none of them is said over the form.
pub(crate) fn field_faults(problem: &Problem, labels: &[(&str, &str)]) -> FormFaults {
    let mut faults = FormFaults::default();
    for (path, message) in &problem.errors {
        // deploy-control names fields by path, such as `provider.api_key`.
        let name = path.rsplit('.').next().unwrap_or(path);
        let name = if name == "kind" { "provider" } else { name };
        match labels.iter().find(|(field, _)| *field == name) {
            Some((field, label)) => faults.add(field, sentence(label, message)),
            None => faults.add_form(&sentence(path, message)),
        }
    }
    faults.sort(labels);
    if faults.is_empty() {
        faults.add_form(&services::problem(problem));
    }
    faults
}
