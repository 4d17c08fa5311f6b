//! Texts of the progress page and of the page that waits for an instance.

texts! {
    /// Progress of a new instance.
    Provisioning {
        title: "Building your place",
        lead: "This takes a few seconds. You may leave this page open or come back later: the work goes on.",
        steps: "Steps",
        progress: "Progress",
        percent: "{n} % done",
        queue_next: "You are next in the queue.",
        queue: "{n} are before you in the queue.",
        without_script: "This page refreshes itself every 2 seconds.",
        step_order: "Taking your order",
        step_container: "Building the container",
        step_ready: "Starting the app",
        step_register: "Handing you the keys",
        step_route: "Opening your address",
        queued: "Your order is waiting to be taken",
        queued_text: "The order is written down and is sent again until it is taken.",
        authz_gone: "The accounts service cannot be reached just now. This page goes on as soon as it answers.",
        deploy_gone: "The service that builds instances cannot be reached just now. Your order is safe; this page \
                      goes on as soon as it answers.",
        failed_title: "That did not work",
        failed_text: "Nothing of your account is lost. You can try again.",
        no_reason: "No reason was given. The operator's log has more.",
        cancelled: "The work was stopped before it was done.",
        retry: "Try again",
        retry_busy: "Trying again…",
        slug: "Name for your address",
        slug_hint: "Keep it, or choose another: 3 to 40 letters, digits and single hyphens.",
        slug_taken: "This name is taken. Choose another one.",
        to_account: "Go to your account",
        wait_title: "{name} is waking up",
        wait_text: "It takes a moment. This page goes on by itself.",
        wait_stuck_title: "{name} cannot be reached now",
        wait_stuck_text: "Your instance is not running. On your account page you can see why and start it.",
    }
}
