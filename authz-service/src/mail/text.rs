//! Every word of the mails, in each language. Pure: what goes in is checked elsewhere, and nothing in it is a header
//! but the subject, which has no words of anybody's.

use control_api::mail::Language;

/// What a mail says.
pub(super) enum Words<'a> {
    /// The link makes the account.
    Register {
        user: &'a str,
        link: &'a str,
    },
    /// Somebody wanted an account with an address that has one.
    HasAccount {
        user: &'a str,
        portal: &'a str,
    },
    /// The link makes the address the account's.
    Verify {
        user: &'a str,
        link: &'a str,
    },
    /// Somebody wanted an address that is another account's.
    AddressInUse {
        user: &'a str,
    },
    /// The link leads to a new password.
    Reset {
        user: &'a str,
        link: &'a str,
    },
    PasswordChanged {
        user: &'a str,
        portal: &'a str,
    },
    PasswordReset {
        user: &'a str,
        portal: &'a str,
    },
    SecondFactorChanged {
        user: &'a str,
        portal: &'a str,
    },
    AddressAsked {
        user: &'a str,
        new: &'a str,
        portal: &'a str,
    },
    AddressChanged {
        user: &'a str,
        new: &'a str,
    },
    /// `day` as 2026-11-21.
    KeyEnds {
        user: &'a str,
        key: &'a str,
        day: &'a str,
        portal: &'a str,
    },
}

/// Subject and text.
pub(super) fn write(words: &Words<'_>, language: Language) -> (&'static str, String) {
    match language {
        Language::English => english(words),
        Language::Chinese => chinese(words),
    }
}

fn english(words: &Words<'_>) -> (&'static str, String) {
    let (subject, user, body) = match words {
        Words::Register { user, link } => (
            "Confirm your e-mail address",
            user,
            format!(
                "to make your account, open this link and press the button there:\n\n{link}\n\nIt works once, for \
                 24 hours. If you did not sign up, do nothing: no account is made.",
            ),
        ),
        Words::HasAccount { user, portal } => (
            "You have an account already",
            user,
            format!(
                "somebody, perhaps you, tried to sign up with this address. It belongs to your account already, so \
                 nothing was changed. Sign in here, or ask for a new password there:\n\n{portal}/login",
            ),
        ),
        Words::Verify { user, link } => (
            "Confirm your e-mail address",
            user,
            format!(
                "to confirm that this is your address, open this link and press the button there:\n\n{link}\n\nIt \
                 works once, for 24 hours. If you did not ask for it, do nothing.",
            ),
        ),
        Words::AddressInUse { user } => (
            "This address belongs to your account",
            user,
            "somebody wanted to use this address for another account. It belongs to yours, so nothing was changed."
                .to_owned(),
        ),
        Words::Reset { user, link } => (
            "Set a new password",
            user,
            format!(
                "to set a new password, open this link:\n\n{link}\n\nIt works once, for 30 minutes. If you did not \
                 ask for it, do nothing: your password stays as it is.",
            ),
        ),
        Words::PasswordChanged { user, portal } => (
            "Your password was changed",
            user,
            format!(
                "your password was changed, and all other sessions were signed out. If that was not you, set a new \
                 password at once:\n\n{portal}/forgot",
            ),
        ),
        Words::SecondFactorChanged { user, portal } => (
            "Your two-step sign-in was changed",
            user,
            format!(
                "your two-step sign-in was changed: an authenticator app, a passkey or recovery codes were added or \
                 removed, and all other sessions were signed out. If that was not you, set a new password at once, \
                 and tell whoever operates this site:\n\n{portal}/forgot",
            ),
        ),
        Words::PasswordReset { user, portal } => (
            "Your password was reset",
            user,
            format!(
                "a new password was set with a link, and all sessions were signed out. Your API keys go on; revoke \
                 those that you do not trust. If that was not you, set another password at once:\n\n{portal}/forgot",
            ),
        ),
        Words::AddressAsked { user, new, portal } => (
            "Your e-mail address is about to change",
            user,
            format!(
                "somebody who knows your password asked for {new} to become the address of your account. It will as \
                 soon as the link that was sent there is used. If that was not you, set a new password now; the link \
                 is void then:\n\n{portal}/forgot",
            ),
        ),
        Words::AddressChanged { user, new } => (
            "Your e-mail address was changed",
            user,
            format!(
                "the address of your account is {new} now. This is the last mail to the one before. If that was not \
                 you, tell the operator.",
            ),
        ),
        Words::KeyEnds { user, key, day, portal } => (
            "An API key ends soon",
            user,
            format!(
                "your API key “{key}” ends on {day} (UTC). If something still uses it, make another one \
                 before:\n\n{portal}/account",
            ),
        ),
    };
    (subject, format!("Hello {user},\n\n{body}\n\nBeaver\n"))
}

fn chinese(words: &Words<'_>) -> (&'static str, String) {
    let (subject, user, body) = match words {
        Words::Register { user, link } => (
            "请确认你的电子邮箱",
            user,
            format!(
                "请打开下面的链接并点击页面上的按钮，即可完成注册：\n\n{link}\n\n该链接仅可使用一次，24 小时内有效。\
                 如果你没有注册，请忽略本邮件，系统不会创建任何账户。",
            ),
        ),
        Words::HasAccount { user, portal } => (
            "你已经有账户了",
            user,
            format!(
                "有人（也许是你本人）尝试用此邮箱注册。该邮箱已属于你的账户，因此没有任何更改。你可以在此登录或申请\
                 设置新密码：\n\n{portal}/login",
            ),
        ),
        Words::Verify { user, link } => (
            "请确认你的电子邮箱",
            user,
            format!(
                "请打开下面的链接并点击页面上的按钮，确认这是你的邮箱：\n\n{link}\n\n该链接仅可使用一次，24 小时内有\
                 效。如果这不是你的操作，请忽略本邮件。",
            ),
        ),
        Words::AddressInUse { user } => (
            "此邮箱属于你的账户",
            user,
            "有人想把此邮箱用于另一个账户。该邮箱属于你的账户，因此没有任何更改。".to_owned(),
        ),
        Words::Reset { user, link } => (
            "设置新密码",
            user,
            format!(
                "请打开下面的链接设置新密码：\n\n{link}\n\n该链接仅可使用一次，30 分钟内有效。如果这不是你的操作，请忽\
                 略本邮件，你的密码不会改变。",
            ),
        ),
        Words::PasswordChanged { user, portal } => (
            "你的密码已更改",
            user,
            format!(
                "你的密码已更改，其他所有会话均已退出。如果这不是你本人的操作，请立即设置新密码：\n\n{portal}/forgot",
            ),
        ),
        Words::SecondFactorChanged { user, portal } => (
            "你的两步验证已更改",
            user,
            format!(
                "你的两步验证已更改：身份验证器应用、通行密钥或恢复码有增减，其他所有会话均已退出。如果这不是你本人的操作，\
                 请立即设置新密码，并告知本网站的运维人员：\n\n{portal}/forgot",
            ),
        ),
        Words::PasswordReset { user, portal } => (
            "你的密码已重置",
            user,
            format!(
                "已通过链接设置新密码，所有会话均已退出。你的 API 密钥仍然有效，请撤销不再信任的密钥。如果这不是你本\
                 人的操作，请立即重新设置密码：\n\n{portal}/forgot",
            ),
        ),
        Words::AddressAsked { user, new, portal } => (
            "你的电子邮箱即将更改",
            user,
            format!(
                "有人使用你的密码申请将账户邮箱改为 {new}。对方打开发往该邮箱的链接后，更改即会生效。如果这不是你本人\
                 的操作，请立即设置新密码，该链接将随之失效：\n\n{portal}/forgot",
            ),
        ),
        Words::AddressChanged { user, new } => (
            "你的电子邮箱已更改",
            user,
            format!(
                "你账户的邮箱现为 {new}。这是发往原邮箱的最后一封邮件。如果这不是你本人的操作，请联系运维人员。"
            ),
        ),
        Words::KeyEnds { user, key, day, portal } => (
            "API 密钥即将到期",
            user,
            format!(
                "你的 API 密钥“{key}”将于 {day}（UTC）到期。如果仍在使用，请提前创建新的密钥：\n\n{portal}/account",
            ),
        ),
    };
    (subject, format!("{user}，你好：\n\n{body}\n\nBeaver\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stands_on_a_line_of_its_own_in_either_language() {
        for language in [Language::English, Language::Chinese] {
            for words in [
                Words::Register { user: "alice", link: "http://x/confirm?token=t" },
                Words::Verify { user: "alice", link: "http://x/confirm?token=t" },
                Words::Reset { user: "alice", link: "http://x/confirm?token=t" },
            ] {
                let (subject, text) = write(&words, language);
                assert!(
                    text.contains("\n\nhttp://x/confirm?token=t\n\n") && text.contains("alice"),
                    "{text}"
                );
                assert!(!subject.contains("alice"));
            }
        }
    }
}
