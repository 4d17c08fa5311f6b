//! What authz-service and deploy-control say, in the language of the page. They speak English; a sentence that is
//! known here is told in Chinese, and one that is not stands as they said it, so that nothing is ever kept back.

use service_kit::problem::Problem;

use super::problems::BY_CODE;
use super::said_of_instances::{CAUSES, REASONS};
use super::said_of_requests::{FAULTS, REFUSALS};
use super::{Language, fill};

/// Sentences with `{a}` in the place of what differs, the more particular before the more general.
pub(super) type Phrases = &'static [(&'static str, &'static str)];

/// All of them, in the order in which they are tried.
pub(super) const ALL: [Phrases; 4] = [FAULTS, REFUSALS, REASONS, CAUSES];

/// What a refusal says to people: its own sentence, where it has one.
pub(crate) fn problem(problem: &Problem) -> String {
    let text = problem.detail.as_deref().unwrap_or(&problem.title);
    if Language::current() == Language::English {
        return text.to_owned();
    }
    if let Some(chinese) = whole(text) {
        return chinese;
    }
    match (by_code(&problem.kind), &problem.detail) {
        (Some(chinese), Some(detail)) => format!("{chinese}（{detail}）"),
        (Some(chinese), None) => chinese.to_owned(),
        (None, _) => text.to_owned(),
    }
}

/// A sentence or a part of one, such as a reason, a step's title or what is wrong with a field.
pub(crate) fn said(text: &str) -> String {
    match Language::current() {
        Language::English => text.to_owned(),
        Language::Chinese => whole(text).unwrap_or_else(|| text.to_owned()),
    }
}

/// The Chinese of a problem's code.
pub(super) fn by_code(code: &str) -> Option<&'static str> {
    BY_CODE.iter().find(|(known, _)| *known == code).map(|(_, chinese)| *chinese)
}

/// The Chinese of a text of one sentence or several; nothing where none of them is known.
fn whole(text: &str) -> Option<String> {
    let text = text.trim();
    let ends = text.ends_with('.');
    let bare = text.trim_end_matches('.');
    let stop = if ends { "。" } else { "" };
    if let Some(chinese) = phrase(bare) {
        return Some(chinese + stop);
    }
    let sentences: Vec<_> = bare.split(". ").collect();
    let known: Vec<_> = sentences.iter().map(|sentence| phrase(sentence)).collect();
    if sentences.len() < 2 || known.iter().all(Option::is_none) {
        return None;
    }
    let told = known.into_iter().zip(sentences).map(|(known, said)| known.unwrap_or_else(|| said.to_owned()));
    Some(told.collect::<Vec<_>>().join("。") + stop)
}

fn phrase(text: &str) -> Option<String> {
    ALL.iter().copied().flatten().find_map(|(english, chinese)| {
        let values = values(english, text)?;
        // What stands in a sentence can be one of them itself.
        let values: Vec<_> = values
            .into_iter()
            .map(|(name, value)| (name, phrase(value).unwrap_or_else(|| value.to_owned())))
            .collect();
        let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Some(fill(chinese, &values))
    })
}

/// What stands in `text` in the place of the pattern's `{name}`s; nothing where it is not of that pattern. The first
/// letter may be a capital.
fn values<'a, 't>(pattern: &'a str, text: &'t str) -> Option<Vec<(&'a str, &'t str)>> {
    let mut found = Vec::new();
    let (head, mut pattern) = pattern.split_once('{').unwrap_or((pattern, ""));
    let mut rest = without_start(text, head)?;
    while let Some((name, after)) = pattern.split_once('}') {
        let (literal, more) = after.split_once('{').unwrap_or((after, ""));
        let end = if more.is_empty() { rest.len().checked_sub(literal.len())? } else { rest.find(literal)? };
        let value = rest.get(..end).filter(|value| !value.is_empty())?;
        rest = rest.get(end..)?.strip_prefix(literal)?;
        found.push((name, value));
        pattern = more;
    }
    rest.is_empty().then_some(found)
}

fn without_start<'t>(text: &'t str, head: &str) -> Option<&'t str> {
    let start = text.get(..head.len())?;
    let (mut a, mut b) = (start.chars(), head.chars());
    let alike = match (a.next(), b.next()) {
        (Some(a), Some(b)) => a.to_lowercase().eq(b.to_lowercase()),
        (a, b) => a == b,
    };
    (alike && a.as_str() == b.as_str()).then(|| &text[head.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_off_by_what_stands_around_them() {
        assert_eq!(values("on request", "On request"), Some(vec![]));
        assert_eq!(values("on request", "on requests"), None);
        assert_eq!(values("the slug {a} is taken", "The slug bob is taken"), Some(vec![("a", "bob")]));
        assert_eq!(values("the slug {a} is taken", "The slug  is takes"), None);
        assert_eq!(values("{a} of {b}", "1 MiB of 2 MiB"), Some(vec![("a", "1 MiB"), ("b", "2 MiB")]));
        assert_eq!(values("only {a} are free", "only é"), None);
        assert_eq!(values("x {a}", "x "), None);
    }

    #[tokio::test]
    async fn known_sentences_are_told_in_chinese_and_others_stand() {
        Language::Chinese
            .spoken(async {
                assert_eq!(said("On request."), "按要求。");
                assert_eq!(
                    said("must have at least 15 characters; a few words make a good one"),
                    "至少要有 15 个字符；几个词连起来就很好"
                );
                assert_eq!(said("restart: on request"), "重新启动：按要求");
                let last = "It fell over 5 times within 10 minutes (the last time: exit code 1) and is left stopped; \
                            start it to try again.";
                let told = "10 分钟内倒下了 5 次（最近一次：退出码 1），因此让它停着；启动它即可再试。";
                assert_eq!(said(last), told);
                assert_eq!(said("Something new happened."), "Something new happened.");
                assert_eq!(
                    said("The name is taken. The slug bob is taken."),
                    "该名称已被占用。名称 bob 已被占用。"
                );
                // One sentence that is known does not hide one that is not.
                assert_eq!(said("The name is taken. Choose well."), "该名称已被占用。Choose well。");
            })
            .await;
        assert_eq!(said("On request."), "On request.");
    }

    #[tokio::test]
    async fn a_problem_is_told_by_its_sentence_else_by_its_code_else_as_it_is() {
        let problem_of = |code: &str, detail: Option<&str>| {
            let problem = Problem::new(http::StatusCode::CONFLICT, code, "A title");
            match detail {
                Some(detail) => problem.detail(detail),
                None => problem,
            }
        };
        let disk = control_api::codes::DISK_FULL;
        Language::Chinese
            .spoken(async {
                assert_eq!(problem(&problem_of(disk, None)), "磁盘空间不足。");
                assert_eq!(problem(&problem_of(disk, Some("Sector 7."))), "磁盘空间不足。（Sector 7.）");
                let known = "Only 12 MiB are free on the disk; 512 MiB are needed.";
                assert_eq!(problem(&problem_of(disk, Some(known))), "磁盘只剩 12 MiB，至少需要 512 MiB。");
                assert_eq!(problem(&problem_of("urn:x", Some("What?"))), "What?");
            })
            .await;
        assert_eq!(problem(&problem_of(disk, None)), "A title");
    }
}
