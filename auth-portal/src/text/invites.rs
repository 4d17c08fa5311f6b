//! Texts of the administrators' page about invites.

texts! {
    /// The invites.
    InviteTexts {
        title: "Invites" => "邀请码",
        lead: "With an invite one person can sign up, once." => "一个邀请码可供一个人注册一次。",
        not_asked: "Sign-up does not ask for an invite at present. That is set under Settings."
            => "目前注册不需要邀请码。可以在“设置”中更改。",
        new: "New invites" => "新建邀请码",
        count: "How many" => "数量",
        hours: "For how many hours" => "有效小时数",
        note: "Note" => "备注",
        note_hint: "What they are for. Only administrators see it." => "说明用途，仅管理员可见。",
        create: "Make invites" => "生成邀请码",
        busy: "Making…" => "正在生成…",
        bad_count: "Enter a number from 1 to {max}." => "请输入 1 到 {max} 之间的数字。",
        bad_note: "Enter one line of at most {max} characters." => "请输入一行文字，最多 {max} 个字符。",
        made: "Copy the codes now: they are shown this once. They can be used until {time}."
            => "请立即复制：邀请码只显示这一次，有效期至 {time}。",
        codes: "Codes" => "邀请码",
        back: "I have copied them" => "我已复制",
        list: "All invites" => "所有邀请码",
        caption: "Invites, the newest first" => "邀请码，最新的在前",
        none: "There are no invites." => "还没有邀请码。",
        state: "State" => "状态",
        open: "Open" => "未使用",
        used: "Used by {name}" => "已被 {name} 使用",
        expired: "Expired" => "已过期",
        withdrawn: "Withdrawn" => "已撤回",
        created: "Made" => "生成于",
        made_by: "by {name}" => "由 {name} 生成",
        operator: "the operator" => "运维人员",
        expires: "Expires" => "过期",
        do_what: "Action" => "操作",
        withdraw: "Withdraw" => "撤回",
        withdraw_which: "Withdraw the invite made {when}, {note}" => "撤回{when}生成的邀请码（{note}）",
        no_note: "without a note" => "无备注",
        done_withdraw: "The invite is withdrawn. Nobody can sign up with it." => "邀请码已撤回，无法再用于注册。",
        not_open: "That invite is not open any more." => "该邀请码已不可撤回。",
        newest: "Newest" => "最新",
        older: "Older" => "更早",
    }
}
