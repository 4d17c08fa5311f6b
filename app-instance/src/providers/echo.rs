//! The built-in provider: says back what was said, word by word, so that everything around it can be seen at
//! work without a key.

use std::time::Duration;

use super::{Ended, Pieces};
use crate::chat::Turn;

/// Between two words: slow enough to be seen as a stream.
const PAUSE: Duration = Duration::from_millis(15);

/// Streams the last turn back.
pub(super) async fn answer(turns: &[Turn], pieces: &Pieces) -> Ended {
    let text = turns.last().map_or("", |turn| turn.text.as_str());
    for word in text.split_inclusive(char::is_whitespace) {
        tokio::time::sleep(PAUSE).await;
        if pieces.send(word.to_owned()).await.is_err() {
            break;
        }
    }
    Ended::Whole
}
