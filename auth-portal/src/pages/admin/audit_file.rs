//! The audit log as a file: comma-separated values (RFC 4180) or a JSON object a line. It is read from authz-service
//! and sent on in pieces, so that a long log takes no memory; one that breaks off breaks the download off.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use control_api::audit::{AuditEntryView, AuditFilter, AuditPage, MAX_AUDIT_PAGE};
use futures_util::stream;
use http::{HeaderValue, header};

use super::audit::read;
use crate::app::Portal;
use crate::error::PageError;
use crate::session::Session;

const HEAD: &str = "id,at,actor,actor_name,action,target,target_name,address,request_id\r\n";

/// How the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    JsonLines,
}

impl Format {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::JsonLines),
            _ => None,
        }
    }

    fn headers(self) -> [(header::HeaderName, HeaderValue); 2] {
        let (kind, name) = match self {
            Self::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit.csv\""),
            Self::JsonLines => ("application/jsonl; charset=utf-8", "attachment; filename=\"audit.jsonl\""),
        };
        [
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (header::CONTENT_DISPOSITION, HeaderValue::from_static(name)),
        ]
    }

    fn piece(self, page: &AuditPage, is_first: bool) -> Bytes {
        let mut text = if is_first && self == Self::Csv { HEAD.to_owned() } else { String::new() };
        for entry in &page.entries {
            match self {
                Self::Csv => text.push_str(&csv_line(entry)),
                Self::JsonLines => {
                    text.push_str(&serde_json::to_string(entry).unwrap_or_default());
                    text.push('\n');
                }
            }
        }
        Bytes::from(text)
    }
}

/// Where the file goes on.
enum Next {
    Piece(Box<AuditPage>),
    From(i64),
    Nothing,
}

/// The file. What is at fault at its beginning is answered as a page.
pub(super) async fn download(
    portal: Portal,
    session: Session,
    filter: AuditFilter,
    format: Format,
) -> Result<Response, PageError> {
    let first = read(&portal, &session, filter.clone(), None, MAX_AUDIT_PAGE).await?;
    let begin = (Next::Piece(Box::new(first)), true);
    let pieces = stream::try_unfold(begin, move |(next, is_first)| {
        let (portal, session, filter) = (portal.clone(), session.clone(), filter.clone());
        async move {
            let page = match next {
                Next::Nothing => return Ok(None),
                Next::Piece(page) => *page,
                Next::From(before) => read(&portal, &session, filter, Some(before), MAX_AUDIT_PAGE)
                    .await
                    .map_err(|_| std::io::Error::other("the audit log broke off"))?,
            };
            let next = page.next.map_or(Next::Nothing, Next::From);
            Ok::<_, std::io::Error>(Some((format.piece(&page, is_first), (next, false))))
        }
    });
    Ok((format.headers(), Body::from_stream(pieces)).into_response())
}

fn csv_line(entry: &AuditEntryView) -> String {
    let (id, at) = (entry.id.to_string(), entry.at.to_string());
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = [
        id,
        at,
        entry.actor.clone(),
        or_empty(&entry.actor_name),
        entry.action.clone(),
        entry.target.clone(),
        or_empty(&entry.target_name),
        or_empty(&entry.address),
        or_empty(&entry.request_id),
    ];
    cells.map(|cell| csv_cell(&cell)).join(",") + "\r\n"
}

/// In quotes, and such that no program for tables takes it for a formula.
fn csv_cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_neither_two_nor_a_formula() {
        for (text, cell) in [
            ("alice", r#""alice""#),
            ("", r#""""#),
            (r#"a","b"#, r#""a"",""b""#),
            ("=HYPERLINK(1)", r#""'=HYPERLINK(1)""#),
            ("-1", r#""'-1""#),
            ("@x", r#""'@x""#),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(csv_cell(text), cell);
        }
    }
}
