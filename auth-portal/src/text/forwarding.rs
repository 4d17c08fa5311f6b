//! Texts of the page that tells where the audit log is sent to.

texts! {
    /// The page of the audit log's receivers.
    Forwarding {
        title: "Where the audit log is sent" => "审计日志的转发",
        lead: "Each entry goes to every receiver, in order, and is tried again until it arrives." => "每条记录都会按顺序发送给所有接收方；未送达时会不断重试。",
        link: "Where it is sent" => "日志转发",
        back: "Audit log" => "审计日志",
        none: "It is sent nowhere. The operator sets BEAVER_AUDIT_SYSLOG or BEAVER_AUDIT_WEBHOOK for that." => "尚未设置转发。运维人员可通过 BEAVER_AUDIT_SYSLOG 或 BEAVER_AUDIT_WEBHOOK 进行设置。",
        syslog: "Syslog" => "Syslog",
        webhook: "Webhook" => "Webhook",
        address: "Address" => "地址",
        delivered: "Entries that arrived" => "已送达的记录",
        waiting: "Entries that wait" => "等待发送的记录",
        failures: "Tries that failed" => "失败的尝试",
        last_delivered: "Last arrived" => "最近送达",
        never: "Never" => "从未",
        failed: "The last try failed {when}: {reason}." => "最近一次发送失败（{when}）：{reason}。",
        again: "The next try: {when}." => "下次重试：{when}。",
        test: "Send a test entry" => "发送测试记录",
        test_of: "Send a test entry to {target}" => "向 {target} 发送测试记录",
        testing: "Sending…" => "正在发送…",
        arrived: "{target}: the test entry has arrived." => "{target}：测试记录已送达。",
        not_arrived: "{target}: the test entry has not arrived yet: {reason}. It will be tried again." => "{target}：测试记录尚未送达：{reason}。系统会继续重试。",
        gone: "This receiver is not configured any more." => "该接收方已不在配置中。",
        udp: "With UDP, arrived means sent: nothing is noticed of what gets lost on the way." => "使用 UDP 时，“已送达”仅表示已发出；途中丢失的内容无法察觉。",
    }
}
