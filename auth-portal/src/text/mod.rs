//! Every word that people read, by language. A request is answered in one language, and [`texts`] has all its
//! words; nothing else in the portal knows which it is. Texts with a `{name}` in them are completed by [`fill`].

#[macro_use]
mod group;
mod account;
mod admin;
mod api_keys;
mod audit;
#[cfg(test)]
mod complete;
mod entry;
mod failure;
mod forwarding;
mod host;
mod invites;
mod leave;
mod ledger;
mod mail;
mod oauth;
mod own_data;
mod passkeys;
mod people;
mod problems;
mod provider;
mod provisioning;
mod said_of_instances;
mod said_of_requests;
mod second_factor;
mod security;
pub(crate) mod services;
mod settings;
mod setup;
mod upstream;

pub(crate) use account::{Account, StateTexts};
pub(crate) use admin::{Admin, Kinds};
pub(crate) use api_keys::ApiKeyTexts;
pub(crate) use audit::Audit;
pub(crate) use entry::{Common, Landing, Login, Register};
pub(crate) use failure::Failure;
pub(crate) use forwarding::Forwarding;
pub(crate) use host::{HostTexts, Rollouts};
pub(crate) use invites::InviteTexts;
pub(crate) use leave::{LeaveTexts, MoreTexts};
pub(crate) use ledger::{Ledger, Use};
pub(crate) use mail::Mail;
pub(crate) use oauth::OauthTexts;
pub(crate) use own_data::OwnDataTexts;
pub(crate) use passkeys::Passkeys;
pub(crate) use people::{PeopleTexts, PersonTexts};
pub(crate) use provider::ProviderTexts;
pub(crate) use provisioning::Provisioning;
pub(crate) use second_factor::{SecondFactor, SecondLogin};
pub(crate) use security::{Security, Tabs};
pub(crate) use settings::{AdminTabs, InstanceSettingsTexts, SettingsTexts};
pub(crate) use setup::Setup;
pub(crate) use upstream::Upstream;

/// Defines [`Texts`] and its value in each language.
macro_rules! languages {
    ($($group:ident: $name:ident,)*) => {
        /// All texts in one language.
        pub(crate) struct Texts {
            /// The value of the `lang` attribute ([`Language::tag`]).
            pub(crate) lang: &'static str,
            $(pub(crate) $group: $name,)*
        }

        /// English.
        static EN: Texts = Texts { lang: Language::English.tag(), $($group: $name::EN,)* };
        /// Chinese as it is written on the mainland.
        static ZH: Texts = Texts { lang: Language::Chinese.tag(), $($group: $name::ZH,)* };

        /// The texts of every group, to be checked.
        #[cfg(test)]
        const WORDS: &[&[complete::Words]] = &[$($name::WORDS,)*];
    };
}

languages! {
    common: Common,
    landing: Landing,
    register: Register,
    login: Login,
    second_login: SecondLogin,
    provisioning: Provisioning,
    provider: ProviderTexts,
    account: Account,
    states: StateTexts,
    api_keys: ApiKeyTexts,
    tabs: Tabs,
    more: MoreTexts,
    leave: LeaveTexts,
    security: Security,
    mail: Mail,
    second_factor: SecondFactor,
    passkeys: Passkeys,
    oauth: OauthTexts,
    own_data: OwnDataTexts,
    upstream: Upstream,
    failure: Failure,
    ledger: Ledger,
    usage: Use,
    admin: Admin,
    audit: Audit,
    people: PeopleTexts,
    invites: InviteTexts,
    person: PersonTexts,
    forwarding: Forwarding,
    kinds: Kinds,
    setup: Setup,
    admin_tabs: AdminTabs,
    settings: SettingsTexts,
    instance_settings: InstanceSettingsTexts,
    host: HostTexts,
    rollouts: Rollouts,
}

/// A language that the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    /// What everybody gets who asked for nothing that is spoken here.
    #[default]
    English,
    /// 简体中文.
    Chinese,
}

tokio::task_local! {
    static SPOKEN: Language;
}

impl Language {
    /// Every one, in the order of the switch.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// Its tag (BCP 47).
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    /// What its own speakers call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "简体中文",
        }
    }

    /// The language of exactly this tag.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// Answers a request in this language: whatever runs within takes its words from [`texts`].
    pub(crate) async fn spoken<F: Future>(self, work: F) -> F::Output {
        SPOKEN.scope(self, work).await
    }

    /// The language of the request that is answered.
    pub(crate) fn current() -> Self {
        SPOKEN.try_with(|language| *language).unwrap_or_default()
    }
}

/// What is mailed because of a request is written in its language.
impl From<Language> for control_api::mail::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::English => Self::English,
            Language::Chinese => Self::Chinese,
        }
    }
}

/// All texts, in the language of the request that is answered.
pub(crate) fn texts() -> &'static Texts {
    match Language::current() {
        Language::English => &EN,
        Language::Chinese => &ZH,
    }
}

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
    let chinese = Language::current() == Language::Chinese;
    let is_part = message.starts_with(|c: char| c.is_lowercase() || !c.is_ascii());
    let mut text = match (is_part, chinese) {
        (true, true) => format!("{label}：{}", services::said(message)),
        (true, false) => format!("{label} {message}"),
        (false, _) => services::said(message),
    };
    if !text.ends_with(['.', '!', '?', ':', '。', '！', '？', '：']) {
        text.push(if text.ends_with(|c: char| c.is_ascii()) { '.' } else { '。' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_answered_in_its_language_and_what_is_outside_in_english() {
        assert_eq!(Language::Chinese.spoken(async { texts().lang }).await, "zh-Hans");
        assert_eq!(texts().lang, "en");
    }

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

    #[tokio::test]
    async fn fragments_become_chinese_sentences() {
        let of = |message: &'static str| Language::Chinese.spoken(async move { sentence("密码", message) });
        assert_eq!(of("must have at least 15 characters").await, "密码：至少要有 15 个字符。");
        assert_eq!(of("must sparkle").await, "密码：must sparkle.");
        assert_eq!(of("必须是日期").await, "密码：必须是日期。");
    }
}
