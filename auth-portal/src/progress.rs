//! What the progress page shows: pure, from the order at authz-service and the operation and instance at
//! deploy-control. The instance decides where it is known, because an order may name an operation of long
//! ago.

use control_api::authz::{OrderState, ProvisioningView};
use control_api::deploy::{InstanceState, InstanceView, OperationKind, OperationState, OperationView};
use serde::Serialize;

use crate::text::{Texts, fill, services};

/// How a new instance comes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Under way or waiting.
    Working(Working),
    /// Ready, and no provider is chosen yet.
    Done,
    /// Ready, and nothing is left to be set up.
    Settled,
    /// Ended without an instance that runs.
    Failed {
        reason: String,
        /// The order itself was refused: another name may help.
        refused: bool,
    },
    /// There is none and none is on its way.
    Gone,
}

/// Work under way, in words: what the page shows and the events carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Working {
    pub(crate) title: String,
    pub(crate) percent: u8,
    pub(crate) percent_text: String,
    pub(crate) steps: Vec<StepRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<String>,
}

/// One row of the list of steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StepRow {
    pub(crate) title: String,
    pub(crate) status: StepStatus,
}

/// Where a step is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StepStatus {
    Done,
    Now,
    Todo,
}

impl StepStatus {
    /// For a class name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Now => "now",
            Self::Todo => "todo",
        }
    }
}

/// The steps of a registration as deploy-control names them, with their titles.
fn known_steps(t: &Texts) -> [(&'static str, &'static str); 5] {
    let t = &t.provisioning;
    [
        ("queued", t.step_order),
        ("container", t.step_container),
        ("ready", t.step_ready),
        ("register", t.step_register),
        ("route", t.step_route),
    ]
}

fn rows(step: &str, title: &str, t: &Texts) -> Vec<StepRow> {
    let known = known_steps(t);
    let Some(current) = known.iter().position(|(key, _)| *key == step) else {
        // A step that this portal does not know: its own title is all there is to say.
        return vec![StepRow { title: title.to_owned(), status: StepStatus::Now }];
    };
    let status = |index: usize| match index.cmp(&current) {
        std::cmp::Ordering::Less => StepStatus::Done,
        std::cmp::Ordering::Equal => StepStatus::Now,
        std::cmp::Ordering::Greater => StepStatus::Todo,
    };
    known
        .iter()
        .enumerate()
        .map(|(index, (_, title))| StepRow { title: (*title).to_owned(), status: status(index) })
        .collect()
}

impl Working {
    fn new(step: &str, title: &str, percent: u8, t: &Texts) -> Self {
        let percent = percent.min(100);
        Self {
            title: title.to_owned(),
            percent,
            percent_text: fill(t.provisioning.percent, &[("n", &percent.to_string())]),
            steps: rows(step, title, t),
            queue: None,
            waiting: None,
        }
    }

    /// Something must answer before it goes on.
    pub(crate) fn waiting(reason: &str, t: &Texts) -> Self {
        let title = t.provisioning.queued;
        Self { waiting: Some(reason.to_owned()), ..Self::new("queued", title, 0, t) }
    }
}

/// From the order alone: nothing where deploy-control has taken it and must be asked.
pub(crate) fn from_order(order: &ProvisioningView, t: &Texts) -> Option<Progress> {
    let reason = order.reason.as_deref().map(services::said);
    match order.state {
        OrderState::Queued => {
            let reason = reason.unwrap_or_else(|| t.provisioning.queued_text.to_owned());
            Some(Progress::Working(Working::waiting(&reason, t)))
        }
        OrderState::Refused => {
            let reason = reason.unwrap_or_else(|| t.provisioning.no_reason.to_owned());
            Some(Progress::Failed { reason, refused: true })
        }
        OrderState::Accepted => None,
    }
}

/// From an operation.
pub(crate) fn from_operation(operation: &OperationView, t: &Texts) -> Progress {
    let words = &t.provisioning;
    let error = operation.error.as_deref().map(services::said);
    let reason = |fallback: &str| error.clone().unwrap_or_else(|| fallback.to_owned());
    match operation.state {
        OperationState::Queued | OperationState::Running if operation.kind == OperationKind::Delete => {
            Progress::Gone
        }
        OperationState::Queued | OperationState::Running => {
            let waits = operation.state == OperationState::Queued;
            let step = if waits { "queued" } else { operation.step.as_str() };
            // A step of this page is called here as it is called in the list.
            let known = known_steps(t).into_iter().find(|(key, _)| *key == step);
            let title =
                known.map_or_else(|| services::said(&operation.step_title), |(_, title)| title.to_owned());
            let queue = operation.queue_position.filter(|_| waits).map(|before| match before {
                0 => words.queue_next.to_owned(),
                n => fill(words.queue, &[("n", &n.to_string())]),
            });
            let working = Working::new(step, &title, operation.percent, t);
            Progress::Working(Working { queue, waiting: error, ..working })
        }
        OperationState::Succeeded if operation.kind == OperationKind::Delete => Progress::Gone,
        OperationState::Succeeded => Progress::Done,
        OperationState::Failed => Progress::Failed { reason: reason(words.no_reason), refused: false },
        OperationState::Cancelled => Progress::Failed { reason: reason(words.cancelled), refused: false },
    }
}

/// From an instance on which no operation is at work.
pub(crate) fn from_instance(instance: &InstanceView, t: &Texts) -> Progress {
    let words = &t.provisioning;
    let reason = instance.reason.as_deref().map(services::said);
    let working = |step: &str, title: &str, percent: u8| {
        Progress::Working(Working { waiting: reason.clone(), ..Working::new(step, title, percent, t) })
    };
    match instance.state {
        InstanceState::Ready | InstanceState::Asleep | InstanceState::Stopped => Progress::Done,
        InstanceState::Failed => {
            Progress::Failed { reason: reason.unwrap_or_else(|| words.no_reason.to_owned()), refused: false }
        }
        InstanceState::Deleting => Progress::Gone,
        InstanceState::Pending | InstanceState::Unknown => working("queued", words.queued, 0),
        InstanceState::Creating => working("container", words.step_container, 25),
        InstanceState::Starting => working("ready", words.step_ready, 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::texts;
    use control_api::ids::{InstanceId, OperationId};
    use jiff::Timestamp;

    fn operation(state: OperationState, step: &str) -> OperationView {
        OperationView {
            operation_id: OperationId::generate(),
            instance_id: Some(InstanceId::generate()),
            kind: OperationKind::Register,
            state,
            step: step.to_owned(),
            step_title: "A step".to_owned(),
            percent: 40,
            queue_position: None,
            created_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            deadline: Timestamp::UNIX_EPOCH,
            finished_at: None,
            error: None,
        }
    }

    fn working(progress: Progress) -> Working {
        match progress {
            Progress::Working(working) => working,
            other => panic!("not under way: {other:?}"),
        }
    }

    #[test]
    fn steps_before_the_current_one_are_done_and_later_ones_are_not() {
        let view = working(from_operation(&operation(OperationState::Running, "container"), texts()));
        let statuses: Vec<_> = view.steps.iter().map(|row| row.status.as_str()).collect();
        assert_eq!(statuses, ["done", "now", "todo", "todo", "todo"]);
        assert_eq!(view.percent_text, "40 % done");
    }

    #[test]
    fn an_unknown_step_is_shown_by_its_own_title() {
        let view = working(from_operation(&operation(OperationState::Running, "warp"), texts()));
        assert_eq!(view.steps, [StepRow { title: "A step".to_owned(), status: StepStatus::Now }]);
    }

    #[test]
    fn a_queue_position_and_what_it_waits_for_are_told() {
        let mut queued = operation(OperationState::Queued, "");
        queued.queue_position = Some(3);
        queued.error = Some("Docker cannot be reached".to_owned());
        let view = working(from_operation(&queued, texts()));
        assert_eq!(view.queue.as_deref(), Some("3 are before you in the queue."));
        assert_eq!(view.waiting.as_deref(), Some("Docker cannot be reached"));
        queued.queue_position = Some(0);
        assert_eq!(
            working(from_operation(&queued, texts())).queue.as_deref(),
            Some(texts().provisioning.queue_next)
        );
    }

    #[test]
    fn ends_are_ends() {
        let end = |state| from_operation(&operation(state, "route"), texts());
        assert_eq!(end(OperationState::Succeeded), Progress::Done);
        assert!(matches!(end(OperationState::Failed), Progress::Failed { refused: false, .. }));
        assert!(matches!(end(OperationState::Cancelled), Progress::Failed { .. }));
        let mut gone = operation(OperationState::Succeeded, "");
        gone.kind = OperationKind::Delete;
        assert_eq!(from_operation(&gone, texts()), Progress::Gone);
    }

    #[test]
    fn an_order_says_what_it_knows() {
        let order = |state, reason: Option<&str>| ProvisioningView {
            state,
            instance_id: None,
            operation_id: None,
            reason: reason.map(str::to_owned),
        };
        assert!(from_order(&order(OrderState::Accepted, None), texts()).is_none());
        let refused = from_order(&order(OrderState::Refused, Some("taken")), texts());
        assert_eq!(refused, Some(Progress::Failed { reason: "taken".to_owned(), refused: true }));
        let queued = from_order(&order(OrderState::Queued, Some("down")), texts()).expect("progress");
        assert_eq!(working(queued).waiting.as_deref(), Some("down"));
    }
}
