//! What every page has in common: the frame's data, rendering, and the faults of a form.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use service_kit::request_id;

use crate::assets::{AssetUrls, URLS};
use crate::error::PageError;
use crate::frame::Frame;
use crate::language;
use crate::text::{Language, Texts, texts};

/// The frame around a page.
pub(crate) struct Shell {
    pub(crate) t: &'static Texts,
    pub(crate) assets: &'static AssetUrls,
    /// Who is signed in.
    pub(crate) user: Option<SignedInAs>,
    /// Whether sign-in is offered: not where it is not known who is asking.
    pub(crate) offers_sign_in: bool,
    /// Whether the administration is offered.
    pub(crate) administers: bool,
    /// What stands on every page.
    pub(crate) frame: Frame,
    /// The languages that can be chosen.
    pub(crate) languages: [Language; 2],
    /// Where the switch of the language leads back to, where that is not the page itself.
    pub(crate) form_of: Option<&'static str>,
}

/// What the frame needs for the person who is signed in.
pub(crate) struct SignedInAs {
    pub(crate) name: String,
    /// For the sign-out form, and any other on the page.
    pub(crate) csrf: String,
}

impl Shell {
    /// The frame for a visitor.
    pub(crate) fn visitor() -> Self {
        Self {
            t: texts(),
            assets: &URLS,
            user: None,
            offers_sign_in: true,
            administers: false,
            frame: Frame::current(),
            languages: Language::ALL,
            form_of: language::form_of(),
        }
    }

    /// The frame for somebody who may or may not be signed in.
    pub(crate) fn anybody() -> Self {
        Self { offers_sign_in: false, ..Self::visitor() }
    }

    /// The frame for a person.
    pub(crate) fn signed_in(name: &str, csrf: String) -> Self {
        Self { user: Some(SignedInAs { name: name.to_owned(), csrf }), ..Self::visitor() }
    }

    /// The token for the page's forms; empty for a visitor, whose pages carry their own.
    pub(crate) fn csrf(&self) -> &str {
        self.user.as_ref().map_or("", |user| &user.csrf)
    }
}

/// Renders a page.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template could not be rendered");
            // Plain text: the error page is a template too.
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The id under which the log has this request.
pub(crate) fn current_request_id() -> String {
    request_id::current().unwrap_or_default()
}

/// What is wrong with a form: by field, and with the whole.
#[derive(Debug, Default)]
pub(crate) struct FormFaults {
    fields: Vec<(String, String)>,
    form: Option<String>,
    detail: Option<String>,
}

impl FormFaults {
    /// A fault of the whole form.
    pub(crate) fn form(message: impl Into<String>) -> Self {
        Self { form: Some(message.into()), ..Self::default() }
    }

    /// A fault of one field.
    pub(crate) fn field(name: &str, message: impl Into<String>) -> Self {
        let mut faults = Self::default();
        faults.add(name, message);
        faults
    }

    /// Adds a fault of one field; the first one of a field stays.
    pub(crate) fn add(&mut self, name: &str, message: impl Into<String>) {
        if self.at(name).is_none() {
            self.fields.push((name.to_owned(), message.into()));
        }
    }

    /// Adds a fault of the whole form.
    pub(crate) fn add_form(&mut self, message: &str) {
        self.form.get_or_insert_with(|| message.to_owned());
    }

    /// Adds what a neighbour said about the fault of the whole form.
    pub(crate) fn add_detail(&mut self, detail: &str) {
        self.detail = Some(detail.to_owned());
    }

    /// What a neighbour said.
    pub(crate) fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The message at a field.
    pub(crate) fn at(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, message)| message.as_str())
    }

    /// The message over the form.
    pub(crate) fn whole(&self) -> Option<&str> {
        self.form.as_deref()
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.form.is_none()
    }

    /// Whether a field is at fault.
    pub(crate) fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }

    /// The fields at fault, for the summary's links.
    pub(crate) fn list(&self) -> &[(String, String)] {
        &self.fields
    }

    /// Puts the faults in the order of the form's fields.
    pub(crate) fn sort(&mut self, labels: &[(&str, &str)]) {
        self.fields.sort_by_key(|(name, _)| labels.iter().position(|(field, _)| field == name));
    }
}

/// What a handler answers.
pub(crate) type PageResult = Result<Response, PageError>;
