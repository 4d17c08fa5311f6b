//! Texts of the frame around every page, the front page, sign-up and sign-in.

texts! {
    /// The frame around every page, and words that many pages use.
    Common {
        brand: "Beaver",
        skip: "Skip to the content",
        menu: "Main menu",
        sign_in: "Sign in",
        sign_up: "Sign up",
        sign_out: "Sign out",
        account: "Your account",
        footer: "A private place for each of you, on one machine.",
        faults_title: "Please look at this again",
        show: "Show",
        hide: "Hide",
        show_password: "Show the password",
        hide_password: "Hide the password",
    }
}

texts! {
    /// The front page.
    Landing {
        title: "An app of your own, behind a door of your own",
        lead: "Sign up, and a few seconds later you have a private instance of the app, with its own address, \
               its own storage and nobody else inside.",
        cta: "Get started",
        have_account: "I have an account",
        point_private: "Private by design",
        point_private_text: "Your instance runs in a container of its own. Others cannot see it, reach it or \
                             read its files.",
        point_fast: "Ready in seconds",
        point_fast_text: "You watch it being built, step by step. It sleeps when you do and wakes at your next \
                          visit.",
        point_model: "Your choice of model",
        point_model_text: "Bring a key for OpenAI, Anthropic or any compatible server, or try it without a key \
                           first.",
        picture: "A beaver's lodge in a quiet lake at dusk",
    }
}

texts! {
    /// Sign-up.
    Register {
        title: "Create your account",
        lead: "Your user name becomes the address of your instance.",
        username: "User name",
        username_hint: "3 to 40 letters, digits and single hyphens. It cannot be changed later.",
        email: "E-mail address",
        password: "Password",
        password_hint: "At least {min} characters. A few words in a row make a good one.",
        invite: "Invite code",
        invite_hint: "From the person who invited you. It works once.",
        submit: "Create account",
        busy: "Creating your account…",
        have_account: "Already have an account?",
        approval: "An administrator looks at new accounts before they can be used.",
        closed_title: "Sign-up is closed",
        closed_text: "No new accounts are made here at the moment. Ask the operator for an account, or sign in \
                      if you have one.",
        pending_title: "Your request is stored",
        pending_text: "An administrator looks at it before the account can be used. You can sign in as soon as \
                       it is approved.",
        username_taken: "This user name is taken. Choose another one.",
        email_taken: "This e-mail address is taken. Sign in instead, or use another address.",
        weak_password: "This password is too easy to guess. Choose a longer or less common one.",
        bad_invite: "This invite code is unknown, used up or expired.",
        unavailable: "Your account could not be created, because the accounts service cannot be reached \
                               just now. What you entered is still here, but the password: enter it and try \
                               again in a moment.",
        strength_label: "Strength of the password",
        strength_words: "Not enough yet|Easy to guess|Fair|Good|Strong",
    }
}

texts! {
    /// Sign-in.
    Login {
        title: "Welcome back",
        lead: "Sign in to reach your instance.",
        lead_next: "Sign in to go on to where you were going.",
        name: "User name or e-mail address",
        password: "Password",
        submit: "Sign in",
        busy: "Signing in…",
        no_account: "No account yet?",
        remember: "Stay signed in on this device for 30 days",
        bad: "User name or password is wrong.",
        missing: "Fill in both fields to sign in.",
        signed_out: "You are signed out.",
        too_many: "Too many tries. Wait a little and try again.",
        unavailable: "You could not be signed in, because the accounts service cannot be reached just now. Enter \
                      your password and try again in a moment.",
    }
}
