//! Texts of the administrators' pages about people.

texts! {
    /// The list of people.
    PeopleTexts {
        title: "People" => "用户",
        lead: "Everybody who has an account here." => "在这里拥有账户的所有人。",
        filter: "Search" => "搜索",
        text: "Name, e-mail address or id" => "用户名、邮箱或 ID",
        state: "State" => "状态",
        role: "Role" => "角色",
        any: "Any" => "不限",
        show: "Show" => "显示",
        list: "Accounts" => "账户",
        caption: "Accounts, the newest first" => "账户，最新的在前",
        none: "There is no such account." => "没有符合条件的账户。",
        name: "User name" => "用户名",
        email: "E-mail address" => "邮箱",
        created: "Since" => "创建于",
        last_used: "Last used" => "上次使用",
        not_now: "Not signed in" => "未登录",
        newest: "Newest" => "最新",
        older: "Older" => "更早",
        active: "Active" => "正常",
        pending_approval: "Waits for approval" => "等待批准",
        suspended: "Suspended" => "已停用",
        user: "User" => "普通用户",
        admin: "Administrator" => "管理员",
        done_delete: "The account {name} is gone. Its instance is being removed." => "账户 {name} 已删除，其实例正在移除。",
        done_reject: "{name} was turned away." => "已拒绝 {name} 的申请。",
    }
}

texts! {
    /// The page of one person.
    PersonTexts {
        to_people: "All people" => "所有用户",
        facts: "Details" => "详细信息",
        id: "Id" => "ID",
        sessions: "Signed in" => "已登录会话",
        keys: "API keys" => "API 密钥",
        instance: "Instance" => "实例",
        no_instance: "None" => "无",
        log: "In the audit log" => "审计日志中的记录",
        suspended_because: "Suspended {when}: {reason}" => "{when}被停用：{reason}",
        actions: "Actions" => "操作",
        approve: "Approve" => "批准",
        reject: "Turn away" => "拒绝",
        lift: "Lift the suspension" => "解除停用",
        demote: "Take the role of an administrator away" => "撤销管理员权限",
        sign_out: "Sign out everywhere" => "在所有设备上退出登录",
        promote: "Make an administrator" => "设为管理员",
        promote_text: "Administrators see and govern every instance and every account."
            => "管理员可以查看并管理所有实例和账户。",
        suspend: "Suspend" => "停用",
        suspend_text: "The person is signed out everywhere at once and cannot sign in. API keys end for good. The \
                       instance and its data stay."
            => "该用户会立即在所有设备上退出登录，并且无法再登录。API 密钥将永久失效。实例及其数据会保留。",
        reason: "Reason" => "原因",
        reason_hint: "The person reads it when they sign in." => "用户登录时会看到该原因。",
        reason_bad: "Enter a reason: one line of at most {max} characters." => "请填写原因：一行文字，最多 {max} 个字符。",
        suspend_button: "Suspend the account" => "停用账户",
        delete: "Delete" => "删除",
        delete_text: "The account goes for good, and the instance with all its data. Nobody can bring it back."
            => "账户将被永久删除，实例及其全部数据也会一并删除，任何人都无法恢复。",
        delete_button: "Delete the account and its data" => "删除账户及其数据",
        confirm: "Type {name} to confirm" => "请输入 {name} 以确认",
        confirm_wrong: "This is not the user name. Nothing was changed." => "输入的不是该用户名，没有做任何更改。",
        own: "This is your own account. What you can do with it is on your account page."
            => "这是你自己的账户。你可以在账户页面上管理它。",
        last_admin: "One administrator must stay. Make somebody else an administrator first."
            => "必须保留至少一名管理员。请先将其他人设为管理员。",
        own_account: "Nobody does that to their own account here." => "不能在这里对自己的账户执行此操作。",
        done_suspend: "The account is suspended. The person is signed out everywhere." => "账户已停用，该用户已在所有设备上退出登录。",
        done_lift: "The suspension is lifted." => "已解除停用。",
        done_promote: "The account is an administrator's now." => "该账户现在是管理员。",
        done_demote: "The account is no administrator's any more." => "该账户不再是管理员。",
        done_approve: "The account is approved. Its instance is ordered." => "账户已批准，实例已下单创建。",
        done_sign_out: "The person is signed out everywhere." => "该用户已在所有设备上退出登录。",
    }
}
