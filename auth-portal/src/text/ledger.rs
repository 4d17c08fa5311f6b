//! Texts of the reason ledger and of the use of resources, wherever they are shown.

texts! {
    /// Why an instance is as it is, entry by entry.
    Ledger {
        title: "What happened, and why" => "发生了什么，为什么",
        caption: "The newest entries first" => "最新的记录在前",
        when: "When" => "时间",
        what: "What" => "事件",
        why: "Why" => "原因",
        who: "Who" => "由谁",
        evidence: "What shows it" => "依据",
        empty: "Nothing is on record yet." => "还没有任何记录。",
        older: "Older entries" => "更早的记录",
        newest: "The newest entries" => "最新的记录",
        gone: "The record cannot be shown just now." => "暂时无法显示记录。",
        user: "The owner" => "所有者",
        you: "You" => "你",
        operator_or_you: "You or the operator" => "你或运维人员",
        operator: "The owner or the operator" => "所有者或运维人员",
        router: "A visit" => "访问",
        reconciler: "Beaver" => "Beaver",
        docker: "Docker" => "Docker",
        last_stop: "Last stopped" => "上次停止",
    }
}

texts! {
    /// What an instance uses of what it may use.
    Use {
        title: "Use of resources" => "资源使用",
        cpu: "Processor" => "处理器",
        cpu_text: "{n} % of one core" => "单个核心的 {n}%",
        memory: "Memory" => "内存",
        disk: "Disk" => "磁盘",
        of: "{used} of {limit}" => "已用 {used}，共 {limit}",
        gone: "The use cannot be measured just now." => "暂时无法测量资源使用情况。",
    }
}
