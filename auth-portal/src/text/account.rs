//! Texts of the account page: the instance's states in words, and what can be done about them.

texts! {
    /// The account page.
    Account {
        title: "Your account",
        signed_in_as: "Signed in as",
        instance: "Your instance",
        address: "Address",
        state: "State",
        reason: "Reason",
        provider: "Model provider",
        provider_none: "None yet",
        created: "Created",
        last_used: "Last used",
        never: "Not yet",
        open: "Open",
        open_wake: "Open and wake",
        start: "Start",
        stop: "Stop",
        restart: "Restart",
        sleep: "Put to sleep",
        change_provider: "Change provider",
        watch: "Watch the progress",
        under_way: "Under way",
        again: "Create it again",
        try_again: "Try again",
        actions: "Actions",
        just_now: "just now",
        minutes: "{n} min ago",
        hours: "{n} h ago",
        days: "{n} days ago",
        busy: "Your instance is busy with something else. Wait a moment and try again.",
        refused: "That could not be done: {reason}",
        deploy_gone: "The service that looks after instances cannot be reached just now, so nothing about your \
                      instance can be shown or changed. The instance itself goes on as it was. This page tries \
                      again by itself.",
        none_title: "You have no instance",
        none_text: "There was one, or it was never made. Your account is fine; you can have a new instance with \
                    one click.",
        order_waits: "Your instance is ordered and not yet taken up.",
        order_refused: "Your instance could not be ordered.",
        order_mend: "Choose another name",
        done_start: "Your instance is starting.",
        done_stop: "Your instance is being stopped.",
        done_restart: "Your instance is restarting.",
        done_sleep: "Your instance is going to sleep.",
    }
}

texts! {
    /// Each state of an instance: a word, and what it means.
    StateTexts {
        pending: "Waiting for its turn",
        pending_text: "The order is taken; the work begins soon.",
        creating: "Being created",
        creating_text: "Network, storage and container are being made.",
        starting: "Starting",
        starting_text: "The app is started and does not answer yet.",
        ready: "Running",
        ready_text: "All is well.",
        asleep: "Asleep",
        asleep_text: "It rests to save memory and wakes at your next visit.",
        stopped: "Stopped",
        stopped_text: "It stays off until you start it. Your data is safe.",
        failed: "Did not start",
        failed_text: "Your data is safe. You can try again.",
        deleting: "Being removed",
        deleting_text: "When that is done you can have a new one.",
        unknown: "Not known",
        unknown_text: "The machine cannot say how it is just now. Nothing is done to it until that is clear.",
    }
}
