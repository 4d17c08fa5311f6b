//! Texts of the administrators' navigation and of their settings.

texts! {
    /// The row of links over the parts of the administration.
    AdminTabs {
        label: "Parts of the administration" => "管理的各个部分",
        overview: "Overview" => "概览",
        people: "People" => "用户",
        invites: "Invites" => "邀请码",
        audit: "Audit log" => "审计日志",
        settings: "Settings" => "设置",
        rollouts: "Rollouts" => "批量升级",
    }
}

texts! {
    /// The settings page.
    SettingsTexts {
        title: "Settings" => "设置",
        lead: "What is saved here needs no restart." => "保存后无需重启。",
        people: "Sign-up and banner" => "注册与公告",
        registration: "Who may sign up" => "谁可以注册",
        configured: "As configured: {mode}" => "按配置：{mode}",
        open: "Anybody" => "任何人",
        invite: "Whoever has an invite" => "持有邀请码的人",
        approval: "Anybody, after an administrator's yes" => "任何人，须经管理员批准",
        closed: "Nobody" => "不开放注册",
        registration_hint: "Accounts that are there stay. Those that wait for approval go on waiting."
            => "现有账户不受影响。等待批准的账户继续等待。",
        bad_registration: "Choose one of the list." => "请从列表中选择一项。",
        banner: "Banner" => "公告",
        banner_hint: "Plain text of at most {max} characters. It stands over every page, also for visitors. Leave it \
                      empty for none."
            => "纯文本，最多 {max} 个字符，显示在每个页面顶部，访客也能看到。留空则不显示。",
        save: "Save" => "保存",
        busy: "Saving…" => "正在保存…",
        saved: "Saved. It holds from now on." => "已保存，即刻生效。",
        changed: "Changed last by {name}, {when}." => "最近一次由 {name} 修改，{when}。",
        nobody: "an account that is gone" => "一个已删除的账户",
        conflict: "Somebody else changed this while you had it open, so yours is not saved yet. Theirs is below: look \
                   at both, and save again if yours is to stand."
            => "在您打开此页面期间有人修改了设置，因此您的修改尚未保存。下面列出了对方的内容，请比较后决定是否再次保存。",
        theirs: "Stored now: {mode}. Banner: {banner}" => "当前已保存：{mode}。公告：{banner}",
        no_banner: "none" => "无",
    }
}

texts! {
    /// The settings of instances.
    InstanceSettingsTexts {
        title: "Instances" => "实例",
        lead: "Leave a field empty and what is configured holds." => "字段留空则使用配置的值。",
        at_once: "Idle times and a larger disk hold at once, for every instance." => "空闲时间和更大的磁盘立即对所有实例生效。",
        later: "Memory, processor, processes and a smaller disk go with the container: new instances have them at \
                once, the others from their next upgrade or rollback on. A restart does not change them."
            => "内存、处理器、进程数和更小的磁盘随容器而定：新实例立即采用，现有实例在下次升级或回滚后采用，重启不会改变。",
        idle_sleep: "Idle time until sleep" => "休眠前的空闲时间",
        idle_sleep_hint: "Such as 90s, 30m or 2h, from 1m to 720h; off: never. Configured: {configured}"
            => "例如 90s、30m 或 2h，范围 1m 至 720h；off 表示从不。配置值：{configured}",
        idle_pause: "Idle time until it is frozen" => "冻结前的空闲时间",
        idle_pause_hint: "The step before, so shorter; off: none. Configured: {configured}"
            => "休眠的前一步，因此要更短；off 表示不冻结。配置值：{configured}",
        memory: "Memory" => "内存",
        memory_hint: "Such as 256m or 1g. Configured: {configured}" => "例如 256m 或 1g。配置值：{configured}",
        cpus: "Processor cores" => "处理器核数",
        cpus_hint: "Such as 0.5 or 2. Configured: {configured}" => "例如 0.5 或 2。配置值：{configured}",
        pids: "Processes and threads" => "进程和线程数",
        pids_hint: "From 8 to 32768. Configured: {configured}" => "范围 8 至 32768。配置值：{configured}",
        disk: "Disk" => "磁盘",
        disk_hint: "Such as 512m or 2g. Configured: {configured}" => "例如 512m 或 2g。配置值：{configured}",
        gone: "They cannot be shown just now: deploy-control does not answer." => "暂时无法显示：deploy-control 没有响应。",
        theirs: "Stored now: {all}." => "当前已保存：{all}。",
        pair: "{name} {value}" => "{name}为 {value}",
        comma: ", " => "，",
    }
}
