//! Pulling an image: Docker's lines of progress become how far each layer is. Docker answers 200 before it knows
//! how the pull ends, so an error in a line is an error, and an answer that ends without Docker's last word has
//! broken off.

use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::client::DockerEngine;
use super::error;
use crate::engine::{EngineError, EngineResult, LayerProgress};
use crate::image_name::ImageName;

impl DockerEngine {
    /// Pulls an image. It is asked for by repository and tag: without a tag, Docker would pull all.
    pub(super) fn pulled<'a>(&'a self, image: &'a ImageName) -> BoxStream<'a, EngineResult<LayerProgress>> {
        let connect = async move {
            let docker = self.docker().await?;
            let options =
                CreateImageOptionsBuilder::new().from_image(image.repository()).tag(image.reference());
            Ok(docker.create_image(Some(options.build()), None, None).map_err(|e| map(image, e)))
        };
        let lines = stream::once(connect).try_flatten().map_ok(Some);
        let lines = lines.chain(stream::once(ready(Ok(None))));
        let steps = lines.scan(false, |complete, line| ready(Some(step(complete, line))));
        steps
            .filter_map(ready)
            .inspect_err(|error| {
                if error.is_transient() {
                    self.forget();
                }
            })
            .boxed()
    }
}

/// What one line tells; `None` as a line is the end of the answer.
fn step(
    complete: &mut bool,
    line: EngineResult<Option<CreateImageInfo>>,
) -> Option<EngineResult<LayerProgress>> {
    match line {
        Ok(Some(info)) => {
            *complete |= info.id.is_none() && info.status.as_ref().is_some_and(|s| s.starts_with("Status: "));
            layer(info).map(Ok)
        }
        Ok(None) if *complete => None,
        Ok(None) => Some(Err(EngineError::Unreachable("the answer to the pull broke off".to_owned()))),
        Err(error) => {
            // That is its end; no second error comes of it.
            *complete = true;
            Some(Err(error))
        }
    }
}

/// Half of a layer is its way here, the other half its unpacking.
fn layer(info: CreateImageInfo) -> Option<LayerProgress> {
    let (layer, detail) = (info.id?, info.progress_detail.unwrap_or_default());
    let half = |done: Option<i64>, all: Option<i64>| match (done, all) {
        (Some(done), Some(all)) if all > 0 => {
            u8::try_from(done.clamp(0, all).saturating_mul(50) / all).unwrap_or_default()
        }
        _ => 0,
    };
    let percent = match info.status.as_deref()? {
        "Pulling fs layer" | "Waiting" => 0,
        "Downloading" => half(detail.current, detail.total),
        "Verifying Checksum" | "Download complete" => 50,
        "Extracting" => 50 + half(detail.current, detail.total),
        "Pull complete" | "Already exists" => 100,
        _ => return None,
    };
    Some(LayerProgress { layer, percent })
}

/// The registry's words are kept: `NotFound` would say no more than the name.
fn map(image: &ImageName, failure: Error) -> EngineError {
    match failure {
        Error::DockerStreamError { error } => EngineError::Other(error),
        Error::DockerResponseServerError { status_code: 400 | 401 | 404 | 409 | 500, message } => {
            EngineError::Other(message)
        }
        other => error::map("pull", &format!("image {image}"), other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(text: &str) -> CreateImageInfo {
        serde_json::from_str(text).expect("a line")
    }

    #[test]
    fn lines_become_the_layers_progress() {
        let percent = |text: &str| layer(info(text)).map(|progress| progress.percent);
        let cases = [
            (r#"{"status":"Pulling from beaver/app","id":"latest"}"#, None),
            (r#"{"status":"Pulling fs layer","progressDetail":{},"id":"a"}"#, Some(0)),
            (r#"{"status":"Downloading","progressDetail":{"current":5,"total":10},"id":"a"}"#, Some(25)),
            (r#"{"status":"Downloading","progressDetail":{"current":5},"id":"a"}"#, Some(0)),
            (r#"{"status":"Download complete","progressDetail":{},"id":"a"}"#, Some(50)),
            (r#"{"status":"Extracting","progressDetail":{"current":20,"total":10},"id":"a"}"#, Some(100)),
            (r#"{"status":"Pull complete","progressDetail":{},"id":"a"}"#, Some(100)),
            (r#"{"status":"Already exists","progressDetail":{},"id":"a"}"#, Some(100)),
            (r#"{"status":"Digest: sha256:00"}"#, None),
        ];
        for (line, expected) in cases {
            assert_eq!(percent(line), expected, "{line}");
        }
    }

    #[test]
    fn an_answer_without_dockers_last_word_has_broken_off() {
        let mut complete = false;
        assert_eq!(step(&mut complete, Ok(Some(info(r#"{"status":"Digest: sha256:00"}"#)))), None);
        assert!(matches!(step(&mut complete, Ok(None)), Some(Err(EngineError::Unreachable(_)))));
        assert_eq!(step(&mut complete, Ok(Some(info(r#"{"status":"Status: Image is up to date"}"#)))), None);
        assert_eq!(step(&mut complete, Ok(None)), None);
    }
}
