//! An instance's data as a file to keep.

use std::io::{self, Write};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use control_api::ids::InstanceId;
use http::header;
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;

use super::extract::Id;
use super::openapi::ProblemBody;
use crate::error::Error;
use crate::requests::Requests;

/// Pieces that wait for a slow reader.
const AHEAD: usize = 8;
const PIECE_BYTES: usize = 64 * 1024;

/// What lies in the instance's `data/`, as a ZIP archive that is made while it is sent. Where it cannot be finished,
/// the answer breaks off.
#[utoipa::path(
    get, path = "/api/instances/{id}/data", tag = "instances", security(("deploy" = [])),
    params(("id" = InstanceId, Path)),
    responses(
        (status = 200, content_type = "application/zip", body = Vec<u8>),
        (status = 404, body = ProblemBody),
        (status = 503, description = "`busy`: two archives are being made already", body = ProblemBody),
    )
)]
pub(super) async fn archive(
    State(requests): State<Requests>,
    Id(id): Id<InstanceId>,
) -> Result<Response, Error> {
    requests.live(id).await?;
    let place = requests.archive_place()?;
    let files = requests.context.files.clone();
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let out = Pieces { sender: sender.clone(), piece: Vec::with_capacity(PIECE_BYTES) };
        match files.archive(id, out) {
            Ok(()) => tracing::info!(instance_id = %id, "the data was archived"),
            // Whoever asked has gone.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => {
                tracing::warn!(%error, instance_id = %id, "the data cannot be archived");
                let _ = sender.blocking_send(Err(error));
            }
        }
    });
    let head = [(header::CONTENT_TYPE, "application/zip")];
    Ok((head, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

/// Collects what is written into pieces for the answer.
struct Pieces {
    sender: Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // The archive flushes after each of its parts: small ones wait for more.
        Ok(())
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        // The last piece; without anybody who reads there is none.
        let _ = self.send();
    }
}
