//! Texts of the administrators' navigation and of their settings.

texts! {
    /// The row of links over the parts of the administration.
    AdminTabs {
        label: "Parts of the administration" => "管理的各个部分",
        overview: "Overview" => "概览",
        audit: "Audit log" => "审计日志",
        settings: "Settings" => "设置",
    }
}

texts! {
    /// The settings page.
    SettingsTexts {
        title: "Settings" => "设置",
        lead: "What is saved here holds at once, without a restart." => "保存后立即生效，无需重启。",
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
