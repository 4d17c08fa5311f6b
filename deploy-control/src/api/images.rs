//! Images: pulling one is an operation of its own.

use axum::Json;
use axum::extract::State;
use control_api::deploy::{PullAnswer, PullRequest};
use http::StatusCode;

use super::extract::Body;
use super::openapi::ProblemBody;
use crate::error::Error;
use crate::requests::Requests;

/// Fetches an image from its registry, unless it is being fetched already: then it answers with that operation.
/// docker-guard lets the images that instances may run be pulled, and no others.
#[utoipa::path(
    post, path = "/api/images/pull", tag = "actions", security(("deploy" = [])),
    responses(
        (status = 202, body = PullAnswer),
        (status = 422, description = "`invalid-input`: that is no image's name", body = ProblemBody),
    )
)]
pub(super) async fn pull(
    State(requests): State<Requests>,
    Body(body): Body<PullRequest>,
) -> Result<(StatusCode, Json<PullAnswer>), Error> {
    let image = body.image.as_deref().unwrap_or(&requests.context.config.image);
    let image = image.parse().map_err(|fault: &str| Error::Fields(vec![("image", fault.to_owned())]))?;
    let operation_id = requests.pulls.order(&image).await?;
    Ok((StatusCode::ACCEPTED, Json(PullAnswer { operation_id })))
}
