//! The worker that carries orders from the outbox to deploy-control. It never gives up: what fails for now is
//! tried again with growing pauses; only an answer that more tries cannot change ends an order. Calls are
//! idempotent at the other side, so a crash between call and store repeats the call and changes nothing.

use std::time::Duration;

use control_api::client::ApiError;
use control_api::codes;
use control_api::deploy::RegisterRequest;
use control_api::deploy_client::DeployClient;
use futures_util::StreamExt as _;
use service_kit::health::Check;
use service_kit::problem::Problem;
use service_kit::request_id;

use crate::authz::{Authz, Shared};
use crate::store::orders::{Accepted, DueOrder};

const AT_ONCE: usize = 8;
const BATCH: i64 = 64;
const FIRST_PAUSE_MS: i64 = 250;
const LONGEST_PAUSE_MS: i64 = 30_000;
/// While something waits the clock is looked at this often; new orders wake the worker at once.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);
/// With nothing in the queue.
pub(crate) const REST: Duration = Duration::from_mins(1);

const CHECK: &str = "deploy-control";

/// What to do about an answer.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused(String),
    Later(String),
}

/// Runs until the process stops.
pub(crate) async fn run(authz: Shared, deploy: DeployClient) -> Result<(), String> {
    while !authz.stopping.is_cancelled() {
        tokio::select! {
            outcome = deliver_due(&authz, &deploy) => if let Err(error) = outcome {
                // A full disk or a damaged file: the orders are still there.
                tracing::error!(%error, "the outbox cannot be read or written");
            },
            // Calls under way are dropped: the next start makes them again.
            () = authz.stopping.cancelled() => break,
        }
        let pause = if authz.store.has_queued_orders().await.unwrap_or(true) { LOOK_EVERY } else { REST };
        tokio::select! {
            () = authz.ordered.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = authz.stopping.cancelled() => {}
        }
    }
    Ok(())
}

async fn deliver_due(authz: &Authz, deploy: &DeployClient) -> Result<(), sqlx::Error> {
    let due = authz.store.due_orders(authz.now(), BATCH).await?;
    let mut deliveries = futures_util::stream::iter(due)
        .map(|order| async move {
            // A request id of its own, so that both logs tell the same story.
            request_id::scope(request_id::choose(None), deliver(authz, deploy, order)).await
        })
        .buffer_unordered(AT_ONCE);
    while let Some(outcome) = deliveries.next().await {
        outcome?;
    }
    Ok(())
}

async fn deliver(authz: &Authz, deploy: &DeployClient, order: DueOrder) -> Result<(), sqlx::Error> {
    let request = RegisterRequest {
        user_id: order.user_id,
        username: order.username.clone(),
        slug: order.slug.clone(),
        email: Some(order.email.clone()),
        display_name: None,
    };
    let user_id = order.user_id;
    match deploy.register(&request).await {
        Ok(answer) => {
            authz.health.set(CHECK, Check::Ok);
            let accepted = Accepted {
                instance_id: answer.instance_id,
                slug: answer.slug,
                operation_id: answer.operation_id,
            };
            authz.store.order_accepted(&order, &accepted, authz.now()).await?;
            // Only where the account has left meanwhile is there anything to do.
            authz.left.notify_one();
            tracing::info!(%user_id, instance_id = %accepted.instance_id, "an order was taken");
            Ok(())
        }
        Err(error) => match judge(&error) {
            Outcome::Refused(reason) => {
                tracing::warn!(%user_id, %error, "an order was refused for good");
                authz.store.order_refused(&order, &reason).await
            }
            Outcome::Later(reason) => {
                tracing::warn!(%user_id, %error, attempts = order.attempts + 1, "an order has to wait");
                authz.health.set(CHECK, Check::Warning(format!("orders wait: {error}")));
                let due_at = authz.now() + pause_ms(order.attempts);
                authz.store.order_postponed(&order, due_at, &reason).await
            }
        },
    }
}

/// 0.25, 0.5, 1, 2, ... 30 s.
pub(crate) fn pause_ms(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 7)).unwrap_or(7);
    (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS)
}

/// Refused for good only where the order itself is at fault; a wrong token, a missing image or a service that
/// is down are the operator's to mend, and the order waits for that.
fn judge(error: &ApiError) -> Outcome {
    match error.problem() {
        Some(problem) if is_final(problem) => Outcome::Refused(words(problem)),
        Some(problem) if problem.status >= 500 || problem.status == 429 => Outcome::Later(words(problem)),
        _ => Outcome::Later(
            "The service that makes instances cannot be reached; it is tried again.".to_owned(),
        ),
    }
}

fn is_final(problem: &Problem) -> bool {
    problem.kind == codes::SLUG_TAKEN || matches!(problem.status, 400 | 422)
}

fn words(problem: &Problem) -> String {
    let mut words = problem.title.clone();
    for more in problem.detail.iter().chain(problem.errors.values()) {
        words.push_str(". ");
        words.push_str(more.trim_end_matches('.'));
    }
    words.push('.');
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn problem(status: u16, code: &str) -> ApiError {
        let status = StatusCode::from_u16(status).expect("a status");
        ApiError::Problem(Box::new(Problem::new(status, code, "No").detail("Choose another slug.")))
    }

    #[test]
    fn only_the_orders_own_faults_end_it() {
        let refused = Outcome::Refused("No. Choose another slug.".to_owned());
        assert_eq!(judge(&problem(409, codes::SLUG_TAKEN)), refused);
        assert_eq!(judge(&problem(422, codes::INVALID_INPUT)), refused);
        for later in [
            problem(409, codes::OPERATION_IN_PROGRESS),
            problem(401, codes::TOKEN_MISMATCH),
            problem(503, codes::DOCKER_UNREACHABLE),
            problem(507, codes::DISK_FULL),
            problem(429, codes::TOO_MANY_TRIES),
            problem(404, codes::NOT_FOUND),
            ApiError::Unreachable { service: "deploy-control", reason: "refused".to_owned() },
        ] {
            assert!(matches!(judge(&later), Outcome::Later(_)), "{later}");
        }
    }

    #[test]
    fn pauses_grow_to_half_a_minute() {
        assert_eq!([0, 1, 2, 6, 7, 1000].map(pause_ms), [250, 500, 1000, 16_000, 30_000, 30_000]);
    }
}
