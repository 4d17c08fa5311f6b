//! Texts of the reason ledger and of the use of resources, wherever they are shown.

texts! {
    /// Why an instance is as it is, entry by entry.
    Ledger {
        title: "What happened, and why",
        caption: "The newest entries first",
        when: "When",
        what: "What",
        why: "Why",
        who: "Who",
        evidence: "What shows it",
        empty: "Nothing is on record yet.",
        older: "Older entries",
        newest: "The newest entries",
        gone: "The record cannot be shown just now.",
        user: "The owner",
        you: "You",
        operator_or_you: "You or the operator",
        operator: "The owner or the operator",
        router: "A visit",
        reconciler: "Beaver",
        docker: "Docker",
        last_stop: "Last stopped",
    }
}

texts! {
    /// What an instance uses of what it may use.
    Use {
        title: "Use of resources",
        cpu: "Processor",
        cpu_text: "{n} % of one core",
        memory: "Memory",
        disk: "Disk",
        of: "{used} of {limit}",
        gone: "The use cannot be measured just now.",
    }
}
