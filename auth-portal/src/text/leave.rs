//! Texts of what a person does rarely: keeping the instance awake, removing it, and leaving for good.

texts! {
    /// The page of what is done rarely with the own instance.
    MoreTexts {
        link: "Keep it awake, or remove it" => "保持唤醒或移除实例",
        title: "Your instance" => "你的实例",
        back: "Back to your account" => "返回你的账户",
        keep: "Keep it awake" => "保持唤醒",
        keep_text: "An instance that nobody uses goes to sleep. While it is kept awake it does not; it still does at \
                    your word, and when its disk is full."
            => "无人使用的实例会自动休眠。在保持唤醒期间不会自动休眠，但你仍可手动让它休眠，磁盘写满时也会休眠。",
        kept: "Kept awake, ends" => "保持唤醒，结束于",
        hours: "For how long" => "时长",
        hour_one: "1 hour" => "1 小时",
        hours_many: "{n} hours" => "{n} 小时",
        days_many: "{n} days" => "{n} 天",
        hours_bad: "Choose one of the list." => "请从列表中选择一项。",
        keep_button: "Keep awake" => "保持唤醒",
        end_button: "No longer keep it awake" => "不再保持唤醒",
        done_keep: "Your instance is kept awake." => "你的实例将保持唤醒。",
        done_end: "Your instance goes to sleep again when nobody uses it." => "无人使用时，你的实例将恢复自动休眠。",
        remove: "Remove it" => "移除实例",
        remove_text: "Your account stays, and you can have a new instance at any time." => "你的账户会保留，你可以随时新建实例。",
        data: "Its data" => "实例数据",
        data_keep: "Keep the data: your next instance has it again" => "保留数据：下一个实例可以继续使用",
        data_purge: "Delete the data too, for good" => "同时永久删除数据",
        confirm: "Type {name} to confirm" => "请输入 {name} 以确认",
        confirm_wrong: "This is not the name of your instance. Nothing was removed." => "输入的不是你实例的名称，没有移除任何内容。",
        data_bad: "Choose what becomes of the data." => "请选择如何处理数据。",
        remove_button: "Remove the instance" => "移除实例",
        done_remove: "Your instance is being removed." => "正在移除你的实例。",
    }
}

texts! {
    /// Leaving for good.
    LeaveTexts {
        title: "Delete your account" => "删除你的账户",
        link: "Delete the account…" => "删除账户…",
        lead: "Your account goes for good, and your instance with all its data."
            => "你的账户将被永久删除，实例及其全部数据也会一并删除。",
        what: "You are signed out everywhere at once, your API keys end, and your instance is removed with all its data, \
               also data that was kept from an instance before. Nobody can bring any of it back."
            => "你会立即在所有设备上退出登录，API 密钥失效，实例及其全部数据（包括以前的实例保留下来的数据）都会被删除，\
                任何人都无法恢复。",
        username: "Type your user name, {name}" => "请输入你的用户名 {name}",
        password: "Your password" => "你的密码",
        button: "Delete my account and my data" => "删除我的账户和数据",
        busy: "Deleting…" => "正在删除…",
        keep: "Keep my account" => "保留我的账户",
        username_wrong: "This is not your user name. Nothing was deleted." => "输入的不是你的用户名，没有删除任何内容。",
        password_wrong: "This is not your password. Nothing was deleted." => "密码不正确，没有删除任何内容。",
        last_admin: "You are the last administrator, and one must stay. Make somebody else an administrator first."
            => "你是最后一名管理员，必须保留至少一名管理员。请先将其他人设为管理员。",
        unavailable: "Your account could not be deleted just now. Try again in a moment."
            => "暂时无法删除你的账户，请稍后再试。",
        done: "Your account is deleted. Your instance and its data are being removed."
            => "你的账户已删除，实例及其数据正在移除。",
    }
}
