//! Which language a request is answered in: the one of those spoken here that its `Accept-Language` likes best.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use crate::text::Language;

/// Middleware: everything within takes its words from the language of the request.
pub(crate) async fn speak(request: Request, next: Next) -> Response {
    preferred(request.headers()).spoken(next.run(request)).await
}

/// RFC 9110, section 12.5.4: a range without a weight has the weight 1, one of weight 0 is not wanted. Of two that
/// are liked alike the first is taken.
fn preferred(headers: &HeaderMap) -> Language {
    let ranges = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let mut best = (0.0, Language::default());
    for range in ranges.flat_map(|value| value.split(',')) {
        let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).unwrap_or(0.0);
        if let Some(language) = spoken_here(tag.trim()).filter(|_| weight > best.0) {
            best = (weight, language);
        }
    }
    best.1
}

fn spoken_here(tag: &str) -> Option<Language> {
    let primary = tag.split('-').next().unwrap_or(tag);
    if primary.eq_ignore_ascii_case("zh") {
        Some(Language::Chinese)
    } else if primary.eq_ignore_ascii_case("en") {
        Some(Language::English)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(accept: &'static str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(accept));
        preferred(&headers)
    }

    #[test]
    fn the_language_liked_best_of_those_spoken_here_is_taken() {
        assert_eq!(preferred(&HeaderMap::new()), Language::English);
        for chinese in
            ["zh", "zh-CN,zh;q=0.9,en;q=0.8", "de, zh-Hans;q=0.5", "en;q=0.3, ZH-TW;q=0.4", "zh,en"]
        {
            assert_eq!(of(chinese), Language::Chinese, "{chinese}");
        }
        for english in ["en-GB,zh;q=0.9", "de", "*", "zh;q=0", "zh;q=much", "", ";;,,q=1", "en,zh"] {
            assert_eq!(of(english), Language::English, "{english}");
        }
    }
}
