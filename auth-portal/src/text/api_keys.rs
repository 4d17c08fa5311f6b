//! Texts about API keys, on the account page and on the page that shows a new one.

texts! {
    /// API keys.
    ApiKeyTexts {
        title: "API keys" => "API 密钥",
        lead: "With a key your own programs get into your instance as you do. A key outlives signing out and a new \
               password: revoke one that you do not need any more."
            => "有了密钥，你自己的程序就能像你一样访问你的实例。退出登录或修改密码后密钥依然有效，不再需要时请将其吊销。",
        none: "You have no keys." => "你还没有密钥。",
        gone: "Your keys cannot be shown just now." => "暂时无法显示你的密钥。",
        full: "You have as many keys as an account may have. Revoke one to make another."
            => "你的密钥数量已达上限。要新建密钥，请先吊销一个。",
        caption: "Your keys, the newest first" => "你的密钥，最新的在前",
        column_name: "Name" => "名称",
        column_scope: "May" => "权限",
        column_created: "Created" => "创建时间",
        column_used: "Last used" => "上次使用",
        column_ends: "Expires" => "到期时间",
        column_do: "Action" => "操作",
        never_used: "Not yet" => "尚未使用",
        expired: "Expired" => "已过期",
        unused: "Off: not used for 90 days" => "已停用：90 天未使用",
        soon: "Expires soon" => "即将到期",
        revoke: "Revoke" => "吊销",
        revoke_which: "Revoke the key {name}" => "吊销密钥 {name}",
        new: "New key" => "新建密钥",
        name: "Name" => "名称",
        name_hint: "What the key is for, such as “backup at home”."
            => "写明密钥的用途，例如“家里的备份”。",
        scope: "What it may do" => "允许的操作",
        scope_all: "Everything" => "全部",
        scope_all_text: "Whatever you may do in your instance." => "你在自己的实例中能做的一切。",
        scope_read: "Read" => "只读",
        scope_read_text: "Requests that change nothing (GET, HEAD, OPTIONS); no WebSocket."
            => "只允许不做更改的请求（GET、HEAD、OPTIONS），不允许 WebSocket。",
        scope_choose: "Choose what the key may do." => "请选择该密钥允许的操作。",
        expiry: "Expires" => "有效期",
        expiry_hint: "A key that nobody uses for 90 days is switched off in any case."
            => "无论如何，90 天没有使用的密钥都会被停用。",
        in_days: "In {n} days" => "{n} 天",
        in_a_year: "In a year" => "一年",
        expiry_choose: "Choose when the key expires." => "请选择密钥的有效期。",
        create: "Create key" => "创建密钥",
        busy: "Creating …" => "正在创建…",
        unavailable: "The key could not be made just now. Try again in a moment."
            => "密钥暂时无法创建，请稍候再试。",
        revoked: "The key is revoked. Whatever used it is shut out."
            => "密钥已吊销，使用它的程序将无法再访问。",
        made_title: "Your new key" => "你的新密钥",
        made_lead: "Copy the key “{name}” now: it is shown this once and cannot be read again."
            => "请现在就复制密钥“{name}”：它只显示这一次，之后无法再查看。",
        key: "Key" => "密钥",
        example: "For example" => "示例",
        secret: "Whoever has the key can get into your instance. Keep it like a password."
            => "拿到这个密钥的人就能访问你的实例，请像密码一样妥善保管。",
        back: "I have copied it" => "我已复制",
        today: "within a day" => "一天之内",
        coming: "in {n} days" => "{n} 天后",
    }
}
