//! Texts of the security page: where somebody is signed in, and the password.

texts! {
    /// The row of links over the parts of the account.
    Tabs {
        label: "Parts of your account" => "账户的各个部分",
        instance: "Instance" => "实例",
        security: "Security" => "安全",
        keys: "API keys" => "API 密钥",
    }
}

texts! {
    /// The security page.
    Security {
        title: "Security" => "安全",
        lead: "Where you are signed in, two-step sign-in, and your password."
            => "你在哪些地方登录了、两步验证，以及你的密码。",
        sessions: "Where you are signed in" => "已登录的地方",
        sessions_lead: "Sign out what you do not know or no longer use, and change your password if you suspect \
                        that somebody else has it."
            => "请退出你不认识或不再使用的登录。如果怀疑有人知道了你的密码，请修改密码。",
        gone: "Your sessions cannot be shown just now." => "暂时无法显示你的登录记录。",
        caption: "Your sessions, the one used last first" => "你的登录，最近使用的在前",
        column_browser: "Browser" => "浏览器",
        from: "from {address}" => "来自 {address}",
        column_begun: "Signed in" => "登录时间",
        column_used: "Last used" => "上次使用",
        column_ends: "Ends" => "到期",
        column_do: "Action" => "操作",
        browser_on: "{browser} on {system}" => "{system} 上的 {browser}",
        browser_unknown: "Unknown browser" => "未知浏览器",
        from_unknown: "an unknown address" => "未知地址",
        this_one: "This browser" => "当前浏览器",
        kept: "Stays signed in" => "保持登录",
        hours: "in {n} h" => "{n} 小时后",
        minutes: "in {n} min" => "{n} 分钟后",
        sign_out: "Sign out" => "退出登录",
        sign_out_which: "Sign out {browser} from {address}" => "退出来自 {address} 的 {browser}",
        others: "Sign out everywhere else" => "退出其他所有登录",
        done_session: "That session is signed out." => "该登录已退出。",
        done_others: "You are signed out everywhere else." => "你已在其他所有地方退出登录。",
        password: "Password" => "密码",
        password_lead: "Afterwards you are signed out everywhere else. Your API keys go on; revoke those that you \
                        do not trust."
            => "修改后，你在其他所有地方的登录都会退出。API 密钥仍然有效，请吊销你不放心的密钥。",
        current: "Current password" => "当前密码",
        new: "New password" => "新密码",
        change: "Change password" => "修改密码",
        busy: "Changing…" => "正在修改…",
        current_wrong: "This is not your current password." => "当前密码不正确。",
        unavailable: "Your password could not be changed just now. Enter both again in a moment."
            => "密码暂时无法修改。请稍候重新输入两个密码。",
        done_password: "Your password is changed, and you are signed out everywhere else."
            => "密码已修改，你在其他所有地方的登录已退出。",
    }
}
