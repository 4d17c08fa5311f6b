//! Every word that people read, by language. A page asks for a language once and takes all its texts from
//! there; a new language is one more value of each group, and the compiler says what is missing. Texts with
//! a `{name}` in them are completed by [`fill`].

#[macro_use]
mod group;
mod account;
mod admin;
mod api_keys;
mod audit;
mod entry;
mod failure;
mod ledger;
mod oauth;
mod provider;
mod provisioning;
mod security;

pub(crate) use account::{Account, StateTexts};
pub(crate) use admin::{Admin, Kinds};
pub(crate) use api_keys::ApiKeyTexts;
pub(crate) use audit::Audit;
pub(crate) use entry::{Common, Landing, Login, Register};
pub(crate) use failure::Failure;
pub(crate) use ledger::{Ledger, Use};
pub(crate) use oauth::OauthTexts;
pub(crate) use provider::ProviderTexts;
pub(crate) use provisioning::Provisioning;
pub(crate) use security::{Security, Tabs};

/// All texts in one language.
pub(crate) struct Texts {
    /// The value of the `lang` attribute (BCP 47).
    pub(crate) lang: &'static str,
    pub(crate) common: Common,
    pub(crate) landing: Landing,
    pub(crate) register: Register,
    pub(crate) login: Login,
    pub(crate) provisioning: Provisioning,
    pub(crate) provider: ProviderTexts,
    pub(crate) account: Account,
    pub(crate) states: StateTexts,
    pub(crate) api_keys: ApiKeyTexts,
    pub(crate) tabs: Tabs,
    pub(crate) security: Security,
    pub(crate) oauth: OauthTexts,
    pub(crate) failure: Failure,
    pub(crate) ledger: Ledger,
    pub(crate) usage: Use,
    pub(crate) admin: Admin,
    pub(crate) audit: Audit,
    pub(crate) kinds: Kinds,
}

/// English.
pub(crate) static EN: Texts = Texts {
    lang: "en",
    common: Common::EN,
    landing: Landing::EN,
    register: Register::EN,
    login: Login::EN,
    provisioning: Provisioning::EN,
    provider: ProviderTexts::EN,
    account: Account::EN,
    states: StateTexts::EN,
    api_keys: ApiKeyTexts::EN,
    tabs: Tabs::EN,
    security: Security::EN,
    oauth: OauthTexts::EN,
    failure: Failure::EN,
    ledger: Ledger::EN,
    usage: Use::EN,
    admin: Admin::EN,
    audit: Audit::EN,
    kinds: Kinds::EN,
};

/// Puts values in the place of their `{name}`. Values are not escaped: the templates do that.
pub(crate) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // One walk from left to right, so that a value with braces in it is never completed itself.
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let found = after.split_once('}').and_then(|(name, tail)| {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value, tail))
        });
        if let Some((value, tail)) = found {
            out.push_str(value);
            rest = tail;
        } else {
            out.push('{');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// A message about a field as a sentence: the services say "must have at least 3 characters", people read
/// "User name must have at least 3 characters."
pub(crate) fn sentence(label: &str, message: &str) -> String {
    let message = message.trim();
    let mut text = if message.starts_with(|c: char| c.is_lowercase()) {
        format!("{label} {message}")
    } else {
        message.to_owned()
    };
    if !text.ends_with(['.', '!', '?', ':']) {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_once() {
        assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "two")]), "{b} and two");
        assert_eq!(fill("{unknown} {", &[("a", "x")]), "{unknown} {");
    }

    #[test]
    fn fragments_become_sentences() {
        assert_eq!(sentence("Password", "is too short"), "Password is too short.");
        assert_eq!(sentence("Password", "Choose a longer one."), "Choose a longer one.");
    }
}
