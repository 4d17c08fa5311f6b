//! The `Date` of an answer (RFC 9110, section 6.6.1), written once a second and thread.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

thread_local! {
    static CURRENT: RefCell<(Option<Instant>, String)> = const { RefCell::new((None, String::new())) };
}

/// An IMF-fixdate of now, at most a second old.
pub(super) fn now() -> String {
    CURRENT.with_borrow_mut(|(made, text)| {
        if made.is_none_or(|made| made.elapsed() >= Duration::from_secs(1)) {
            text.clear();
            #[expect(clippy::disallowed_methods, reason = "it is for the wire, and nothing is decided by it")]
            let time = SystemTime::now();
            let _ = write!(text, "{}", httpdate::HttpDate::from(time));
            *made = Some(Instant::now());
        }
        text.clone()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_a_date_of_http() {
        let text = super::now();
        assert!(httpdate::parse_http_date(&text).is_ok() && text.ends_with(" GMT"), "{text}");
    }
}
