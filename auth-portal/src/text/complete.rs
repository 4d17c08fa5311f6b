//! Checks that nothing which people read is left in one language: every text is there in both, and no template
//! has words of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{WORDS, services};

/// A text's name, its English and its Chinese.
pub(super) type Words = (&'static str, &'static str, &'static str);

/// What is written alike in Chinese.
const NAMES: [&str; 12] = [
    "Anthropic",
    "Beaver",
    "CSV",
    "Docker",
    "ID",
    "OpenAI",
    "SMTP",
    "Syslog",
    "TCP",
    "TLS",
    "UDP",
    "Webhook",
];

/// Attributes whose value people read or hear.
const SPOKEN: [&str; 5] = ["alt", "aria-description", "aria-label", "placeholder", "title"];

fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}')
}

fn texts() -> impl Iterator<Item = Words> {
    WORDS.iter().flat_map(|group| group.iter().copied())
}

/// The names of the values that a text is completed with.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

#[test]
fn every_text_is_there_in_english_and_in_chinese() {
    for (name, english, chinese) in texts() {
        assert!(!english.trim().is_empty() && !english.contains(is_han), "{name} has no English");
        let is_mark = !chinese.is_empty() && !chinese.contains(char::is_alphabetic);
        let is_chinese = chinese.contains(is_han) || NAMES.contains(&chinese) || is_mark;
        assert!(is_chinese, "{name} has no Chinese: {chinese:?}");
    }
}

#[test]
fn both_languages_are_completed_with_the_same_values() {
    for (name, english, chinese) in texts() {
        assert_eq!(placeholders(english), placeholders(chinese), "{name}");
        assert_eq!(english.matches('|').count(), chinese.matches('|').count(), "{name}: words in a row");
    }
}

#[test]
fn chinese_sentences_end_and_pause_as_chinese_does() {
    for (name, _, chinese) in texts() {
        let marks = [",", ";", "!", "?", "...", "。 ", "， ", "("];
        let wrong = marks.iter().find(|mark| chinese.contains(**mark) && !chinese.contains("://"));
        assert_eq!(wrong, None, "{name}: {chinese}");
        assert!(!chinese.ends_with('.'), "{name}: {chinese}");
    }
}

/// The source of the services, with the lines of a text that goes on put together.
fn source_of_services() -> String {
    fn read(folder: &Path, out: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, out);
            } else if path.extension().is_some_and(|end| end == "rs") {
                out.push_str(&fs::read_to_string(&path).expect("source"));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut text = String::new();
    for folder in ["authz-service/src", "deploy-control/src", "crates/control-api/src"] {
        read(&root.join(folder), &mut text);
    }
    let mut lines = text.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start())
}

#[test]
fn what_is_translated_of_the_services_is_what_they_say() {
    let source = source_of_services();
    for (english, chinese) in services::ALL.iter().copied().flatten() {
        assert!(chinese.contains(is_han), "{english} has no Chinese");
        assert_eq!(placeholders(english), placeholders(chinese), "{english}");
        let longest = english.split(['{', '}']).max_by_key(|piece| piece.len()).unwrap_or_default();
        // The head of a sentence stands for itself; what comes after a kind of operation is put together there.
        let longest = longest.trim_end_matches(": ");
        assert!(source.contains(longest), "no service says {english:?} any more");
    }
}

#[test]
fn every_code_of_a_problem_has_its_sentence() {
    let codes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/control-api/src/codes.rs");
    let text = fs::read_to_string(codes).expect("the codes");
    let codes: Vec<_> = text.split('"').filter(|part| part.starts_with("urn:beaver:")).collect();
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        assert!(services::by_code(code).is_some_and(|text| text.contains(is_han)), "{code} has no Chinese");
    }
}

/// The text with everything gone that stands between `open` and `close`, both included.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        out.push_str(before);
        rest = after.split_once(close).map_or("", |(_, tail)| tail);
    }
    out + rest
}

/// The text without `name="value"`: attributes that a macro puts into a tag of another file.
fn without_attributes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("=\"") {
        out.push_str(before.rsplit_once(' ').map_or("", |(kept, _)| kept));
        rest = after.split_once('"').map_or("", |(_, tail)| tail);
    }
    out + rest
}

/// The words that a template says by itself.
fn literal_words(template: &str) -> Vec<String> {
    // The width of a page is a class name.
    let text = without(template, "{% block width %}", "{% endblock %}");
    let text = without(&without(&without(&text, "{#", "#}"), "{%", "%}"), "{{", "}}");
    let mut words = Vec::new();
    for attribute in SPOKEN {
        let start = format!(" {attribute}=\"");
        let values = text.split(&start).skip(1).filter_map(|rest| rest.split('"').next());
        words.extend(values.map(str::to_owned));
    }
    words.push(without_attributes(&without(&text, "<", ">")));
    words.retain(|word| word.chars().any(char::is_alphabetic));
    words
}

#[test]
fn no_template_has_words_of_its_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("templates") {
        let path = entry.expect("a file").path();
        let words = literal_words(&fs::read_to_string(&path).expect("a template"));
        assert!(words.is_empty(), "{}: {words:?}", path.display());
        seen += 1;
    }
    assert!(seen > 10, "{seen} templates");
}

#[test]
fn words_in_a_template_are_found() {
    assert!(literal_words("<p class=\"note\">{{ t.a }}</p>{% if x %} – {% endif %}").is_empty());
    assert!(literal_words("<a aria-label=\"{{ t.a }}\" href=\"/b\"></a>").is_empty());
    assert!(literal_words("{% macro a() %} aria-invalid=\"true\"{% endmacro %}").is_empty());
    assert_eq!(literal_words("<p>{{ t.a }} more</p>"), [" more"]);
    assert_eq!(literal_words("<img alt=\"A lake\">"), ["A lake"]);
}
