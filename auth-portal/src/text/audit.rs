//! Texts of the audit log.

texts! {
    /// The page of the audit log.
    Audit {
        title: "Audit log",
        lead: "Who did what to whom, from where. Nothing in it can be changed. Times are in UTC.",
        filter: "Show",
        who: "Person or id",
        action: "Action",
        any: "Any",
        since: "From",
        until: "To",
        show: "Show",
        csv: "Save as CSV",
        jsonl: "Save as JSON lines",
        entries: "Entries",
        caption: "Entries of the audit log, the newest first",
        none: "There is no such entry.",
        time: "Time",
        actor: "Who",
        target: "To what",
        address: "From where",
        request: "Request id",
        newest: "Newest",
        older: "Older",
        bad_day: "must be a day such as 2026-11-21",
    }
}
