//! Texts of the security page: where somebody is signed in.

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
        lead: "Where you are signed in.",
        sessions: "Where you are signed in",
        sessions_lead: "Sign out what you do not know or no longer use.",
        gone: "Your sessions cannot be shown just now.",
        caption: "Your sessions, the one used last first",
        column_browser: "Browser",
        column_from: "From",
        column_begun: "Signed in",
        column_used: "Last used",
        column_ends: "Ends",
        column_do: "Action",
        browser_on: "{browser} on {system}",
        browser_unknown: "Unknown browser",
        from_unknown: "Unknown",
        this_one: "This browser",
        kept: "Stays signed in",
        hours: "in {n} h",
        minutes: "in {n} min",
        sign_out: "Sign out",
        sign_out_which: "Sign out {browser} from {address}",
        others: "Sign out everywhere else",
        done_session: "That session is signed out.",
        done_others: "You are signed out everywhere else.",
    }
}
