//! Texts of the security page: where somebody is signed in, and the password.

texts! {
    /// The row of links over the parts of the account.
    Tabs {
        label: "Parts of your account",
        instance: "Instance",
        security: "Security",
        keys: "API keys",
    }
}

texts! {
    /// The security page.
    Security {
        title: "Security",
        lead: "Where you are signed in, and your password.",
        sessions: "Where you are signed in",
        sessions_lead: "Sign out what you do not know or no longer use, and change your password if you suspect \
                        that somebody else has it.",
        gone: "Your sessions cannot be shown just now.",
        caption: "Your sessions, the one used last first",
        column_browser: "Browser",
        from: "from {address}",
        column_begun: "Signed in",
        column_used: "Last used",
        column_ends: "Ends",
        column_do: "Action",
        browser_on: "{browser} on {system}",
        browser_unknown: "Unknown browser",
        from_unknown: "an unknown address",
        this_one: "This browser",
        kept: "Stays signed in",
        hours: "in {n} h",
        minutes: "in {n} min",
        sign_out: "Sign out",
        sign_out_which: "Sign out {browser} from {address}",
        others: "Sign out everywhere else",
        done_session: "That session is signed out.",
        done_others: "You are signed out everywhere else.",
        password: "Password",
        password_lead: "Afterwards you are signed out everywhere else. Your API keys go on; revoke those that you \
                        do not trust.",
        current: "Current password",
        new: "New password",
        change: "Change password",
        busy: "Changing…",
        current_wrong: "This is not your current password.",
        unavailable: "Your password could not be changed just now. Enter both again in a moment.",
        done_password: "Your password is changed, and you are signed out everywhere else.",
    }
}
