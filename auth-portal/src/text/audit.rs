//! Texts of the audit log.

texts! {
    /// The page of the audit log.
    Audit {
        title: "Audit log" => "审计日志",
        lead: "Who did what to whom, from where. Nothing in it can be changed. Times are in UTC."
            => "谁在何处对谁做了什么。日志中的内容都无法更改。时间均为 UTC。",
        filter: "Show" => "筛选",
        who: "Person or id" => "用户名或 ID",
        action: "Action" => "操作",
        any: "Any" => "不限",
        since: "From" => "从",
        until: "To" => "到",
        show: "Show" => "显示",
        csv: "Save as CSV" => "保存为 CSV",
        jsonl: "Save as JSON lines" => "保存为 JSON Lines",
        entries: "Entries" => "记录",
        caption: "Entries of the audit log, the newest first" => "审计日志的记录，最新的在前",
        none: "There is no such entry." => "没有符合条件的记录。",
        time: "Time" => "时间",
        actor: "Who" => "操作者",
        target: "To what" => "对象",
        address: "From where" => "来源",
        request: "Request id" => "请求 ID",
        newest: "Newest" => "最新",
        older: "Older" => "更早",
        bad_day: "must be a day such as 2026-11-21" => "必须是日期，例如 2026-11-21",
    }
}
