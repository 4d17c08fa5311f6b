//! Texts of the pages on which an app of an instance signs people in and out.

texts! {
    /// Consent and sign-out.
    OauthTexts {
        title: "Sign in to “{name}”?",
        lead: "An app that calls itself “{name}” and runs in your instance {slug} asks who you are.",
        knows: "It will know",
        knows_id: "that it is you, by an id that stays the same",
        knows_name: "your user name: {name}",
        knows_email: "your e-mail address: {email}",
        limits: "It will not know your password, and signing out here ends what it was given.",
        allow: "Allow",
        deny: "Do not allow",
        sign_out_title: "Sign out?",
        sign_out_lead: "This ends your session here and at your instance.",
        sign_out_lead_app: "“{name}” asks to sign you out. This ends your session here and at your instance.",
        stay: "Stay signed in",
    }
}
