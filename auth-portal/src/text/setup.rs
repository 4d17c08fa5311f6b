//! Texts of the page that makes the first administrator, and of the way there.

texts! {
    /// The set-up page.
    Setup {
        hint: "Nobody administers this installation yet." => "此系统还没有管理员。",
        link: "Set it up" => "前往初始设置",
        title: "Make the first administrator" => "创建第一个管理员",
        lead: "This page works once. Afterwards it is closed for good."
            => "此页面只能使用一次，之后将永久关闭。",
        code: "Set-up code" => "设置码",
        code_hint: "scripts/first-admin.sh on the server prints one. It works once, for 72 hours."
            => "在服务器上运行 scripts/first-admin.sh 即可获得。设置码只能使用一次，72 小时内有效。",
        submit: "Make the administrator" => "创建管理员",
        busy: "Making the administrator…" => "正在创建管理员…",
        bad_code: "This code is unknown, used, replaced or expired. scripts/first-admin.sh on the server prints a \
                   new one."
            => "设置码不存在、已使用、已被替换或已过期。请在服务器上运行 scripts/first-admin.sh 获取新的设置码。",
        unavailable: "The administrator could not be made, because the accounts service cannot be reached just now. \
                      Enter code and password and try again in a moment."
            => "暂时无法连接账户服务，管理员未能创建。请稍后重新输入设置码和密码再试。",
        closed_title: "The set-up is closed" => "初始设置已关闭",
        closed_text: "There was an administrator already, and this page makes the first one alone. The operator makes \
                      others on the server with scripts/make-admin.sh."
            => "此系统已经有过管理员，而本页面只用于创建第一个。运维人员可在服务器上用 scripts/make-admin.sh 设置其他管理员。",
    }
}
