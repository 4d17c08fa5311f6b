//! Which language a request is answered in: the one that was chosen in this browser, else the one of those spoken
//! here that its `Accept-Language` likes best, else English. Every page says which it is and what that hangs on.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method};

use crate::session::{Cookies, page_of_form};
use crate::text::Language;

tokio::task_local! {
    static FORM_OF: Option<&'static str>;
}

/// The page whose form is being answered: what the form's own address shows cannot be loaded again. Nothing where
/// it is no form.
pub(crate) fn form_of() -> Option<&'static str> {
    FORM_OF.try_with(|page| *page).ok().flatten()
}

/// Middleware: everything within takes its words from the language of the request.
pub(crate) async fn speak(State(cookies): State<Cookies>, request: Request, next: Next) -> Response {
    let language = cookies.language(request.headers()).unwrap_or_else(|| preferred(request.headers()));
    let form_of = (request.method() == Method::POST).then(|| page_of_form(request.uri().path()));
    let mut response = FORM_OF.scope(form_of, language.spoken(next.run(request))).await;
    let headers = response.headers_mut();
    if is_for_people(headers) {
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        headers.append(VARY, HeaderValue::from_static("Accept-Language, Cookie"));
    }
    response
}

/// Pages and the events that change them: all else has no words in it.
fn is_for_people(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    kind.starts_with(b"text/html") || kind.starts_with(b"text/event-stream")
}

/// How much a language is wanted: its weight, and how far ahead in the list it stands.
type Wish = (f32, std::cmp::Reverse<usize>);

/// RFC 9110, section 12.5.4: a range without a weight has the weight 1, one of weight 0 is not wanted, and `*` stands
/// for every language that is not named. Of two that are liked alike the first is taken.
fn preferred(headers: &HeaderMap) -> Language {
    let lines = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<_> = lines.flat_map(|value| value.split(',')).enumerate().filter_map(range).collect();
    let wish = |language: Language| -> Option<Wish> {
        let best = |tag: &str| {
            let own =
                ranges.iter().filter(|(known, _)| known.eq_ignore_ascii_case(tag)).map(|(_, wish)| *wish);
            own.max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
        };
        let primary = language.tag().split('-').next().unwrap_or_default();
        best(primary).or_else(|| best("*")).filter(|(weight, _)| *weight > 0.0)
    };
    let mut chosen = None;
    for language in Language::ALL {
        let wanted = wish(language);
        if wanted.is_some() && chosen.is_none_or(|(best, _)| wanted > best) {
            chosen = Some((wanted, language));
        }
    }
    chosen.map(|(_, language)| language).unwrap_or_default()
}

/// A range's primary language and how much it is wanted; nothing where it cannot be read.
fn range((place, text): (usize, &str)) -> Option<(&str, Wish)> {
    let (tag, weight) = text.split_once(';').unwrap_or((text, "q=1"));
    let weight = weight.trim().strip_prefix("q=")?.parse::<f32>().ok()?;
    let primary = tag.trim().split('-').next()?;
    (0.0..=1.0).contains(&weight).then_some((primary, (weight, std::cmp::Reverse(place))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &'static str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(accept));
        preferred(&headers)
    }

    #[test]
    fn the_language_liked_best_of_those_spoken_here_is_taken() {
        assert_eq!(preferred(&HeaderMap::new()), Language::English);
        for chinese in [
            "zh",
            "zh-CN",
            "zh-Hans",
            "zh-CN,zh;q=0.9,en;q=0.8",
            "de, zh-Hans;q=0.5",
            "en;q=0.3, ZH-TW;q=0.4",
            "zh,en",
            "zh, *;q=0.1",
            "*, en;q=0.5",
            "en;q=0, *",
            "en;q=0.5,zh;q=0.2,zh-CN",
            "en;q=7, zh;q=0.1",
        ] {
            assert_eq!(of(chinese), Language::Chinese, "{chinese}");
        }
        for english in [
            "en-GB,zh;q=0.9",
            "de",
            "*",
            "*, zh;q=0.5",
            "zh;q=0",
            "zh;q=0, *",
            "zh;q=much",
            "zh;q=inf",
            "zh;q=NaN",
            "zh;q=2",
            "zh;q=-1",
            "zh;p=1",
            "zho",
            "",
            ";;,,q=1",
            "en,zh",
            "en;q=0",
        ] {
            assert_eq!(of(english), Language::English, "{english}");
        }
    }
}
