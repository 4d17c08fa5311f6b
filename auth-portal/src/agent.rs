//! What a browser calls itself (`User-Agent`, RFC 9110, section 10.1.5): handed on for the list of sessions, and
//! told there in two words. It is a hint for the person and nothing that is relied on. Pure.

use http::{HeaderMap, header};

/// Longest text that is handed on, in characters.
const MAX_CHARS: usize = 400;
/// What a name is looked for by, the most telling first: browsers carry the names of those before them.
const BROWSERS: [(&str, &str); 10] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
];

/// What the browser of a request calls itself.
pub(crate) fn of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::USER_AGENT)?;
    let text: String = String::from_utf8_lossy(value.as_bytes()).chars().take(MAX_CHARS).collect();
    Some(text).filter(|text| !text.trim().is_empty())
}

/// The browser and the system by name, as far as they are known.
pub(crate) fn names(agent: &str) -> (Option<&'static str>, Option<&'static str>) {
    let find = |table: &[(&str, &'static str)]| {
        table.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    (find(&BROWSERS), find(&SYSTEMS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_browsers_are_told_by_name() {
        for (agent, browser, system) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Safari/537.36",
                "Chrome",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.5 Safari/605.1.15",
                "Safari",
                "macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 CriOS/140.0.0.0 Mobile/15E148 Safari/604.1",
                "Chrome",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Mobile Safari/537.36",
                "Chrome",
                "Android",
            ),
        ] {
            assert_eq!(names(agent), (Some(browser), Some(system)), "{agent}");
        }
        assert_eq!(names("curl/8.0"), (None, None));
    }

    #[test]
    fn an_endless_name_is_cut_and_an_empty_one_is_none() {
        let of = |text: &str| {
            let value = http::HeaderValue::from_str(text).expect("a value");
            super::of(&HeaderMap::from_iter([(header::USER_AGENT, value)]))
        };
        assert_eq!(of(&"x".repeat(5000)).map(|text| text.len()), Some(MAX_CHARS));
        assert_eq!(of(" "), None);
        assert_eq!(super::of(&HeaderMap::new()), None);
    }
}
