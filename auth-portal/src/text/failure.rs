//! Texts of the pages that say what went wrong and what can be done.

texts! {
    /// Titles and explanations, in pairs.
    Failure {
        not_found: "There is nothing here",
        not_found_text: "The address may have been mistyped, or what was here is gone.",
        no_such_instance: "There is no instance by that name",
        no_such_instance_text: "Nobody has an instance called “{name}” here. Check the address, or go to your own.",
        method: "That cannot be done here",
        method_text: "This address does not take that kind of request.",
        too_large: "That is too much",
        too_large_text: "A form here holds at most 64 KiB. Go back and shorten what you entered.",
        too_slow: "That took too long",
        too_slow_text: "The form did not arrive in time. Go back and send it again.",
        not_a_form: "That is no form",
        not_a_form_text: "This address takes a form from one of our own pages.",
        csrf: "This form cannot be used",
        csrf_text: "It is too old or it came from somewhere else, so nothing was changed. Load it again and send \
                    it from there. If that does not help, allow cookies for this site.",
        csrf_again: "Load the form again",
        bad_link: "This link is broken",
        bad_link_text: "Part of it is missing or was changed on the way. Open the address of the instance again.",
        app_refused: "This app cannot sign you in",
        app_refused_text: "What it sent does not prove who it is, so you were not sent back to it and it was told \
                           nothing. Its maker has to mend that.",
        not_yours: "This instance is not yours",
        not_yours_text: "“{slug}” does not belong to your account, {user}. Only its owner can open it.",
        internal: "Something went wrong on our side",
        internal_text: "Nothing you did caused this. Try again; if it stays, give the operator the request id \
                        below.",
        unavailable: "We will be right back",
        unavailable_authz: "The accounts service (authz-service) cannot be reached, so nobody can be signed in or \
                            recognised just now. You are not signed out.",
        unavailable_deploy: "The service that looks after instances (deploy-control) cannot be reached just now. \
                             Your instance goes on as it was.",
        unavailable_retry: "This page tries again every 5 seconds. If you were filling in a form, go back: what \
                            you typed is usually still there.",
        busy: "Too many people at once",
        busy_text: "Wait a few seconds and load this page again.",
        reason: "Reason",
        request_id: "Request id",
        to_start: "Go to the front page",
        to_own: "Go to your own instance",
        reload: "Try again now",
    }
}
