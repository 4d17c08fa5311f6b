//! Texts of sign-in at another issuer.

texts! {
    /// The way there and back, the name that is chosen, and the part of the security page.
    Upstream {
        sign_in_with: "Sign in with {name}" => "使用 {name} 登录",
        or: "or" => "或",
        going: "On to {name}" => "前往 {name}",
        going_text: "You sign in there and come back here." => "你将在那里登录，然后回到这里。",
        go: "Go on" => "继续",
        unavailable: "{name} cannot be reached just now: {reason}. Sign in with your password, or try again in a moment."
            => "暂时无法使用 {name} 登录：{reason}。请使用密码登录，或稍后再试。",
        refused: "You are not signed in" => "未能登录",
        not_linked: "Nothing was linked" => "没有关联",
        other_browser: "This sign-in was begun in another browser. Go on there, or begin again here."
            => "这次登录是在另一个浏览器中开始的。请回到那里继续，或在这里重新开始。",
        expired: "This sign-in is over or took longer than ten minutes. Begin again."
            => "这次登录已结束，或用时超过十分钟。请重新开始。",
        denied: "You did not allow it there, so nobody was signed in here." => "你没有在那里同意，所以这里没有登录。",
        faulty: "The answer that came back cannot be trusted, so nobody was signed in. Begin again; if this stays, tell \
                 the operator."
            => "收到的答复不可信，所以没有登录。请重新开始；如果一直如此，请告知运维人员。",
        away: "The service at which you wanted to sign in does not answer just now. Your password still works here."
            => "你想用来登录的服务暂时没有响应。你在这里的密码仍然可用。",
        taken: "That sign-in belongs to another account here, or your account has another one."
            => "该登录方式已属于这里的另一个账户，或者你的账户已关联了另一个。",
        session_ended: "You were signed out meanwhile. Sign in and begin again."
            => "你在此期间已退出登录。请登录后重新开始。",
        closed: "You have no account here yet, and no new ones are made at the moment. Ask the operator for one."
            => "你在这里还没有账户，目前也不接受新账户。请向运维人员申请。",
        pending: "Your account waits for an administrator. You can sign in as soon as it is approved."
            => "你的账户正在等待管理员审核，审核通过后即可登录。",
        suspended: "Your account is suspended. Ask the operator." => "你的账户已被停用，请联系运维人员。",
        name_title: "Choose your user name" => "选择用户名",
        name_lead: "You are signed in with {name} and have no account here yet. Your user name becomes the address of \
                    your instance."
            => "你已通过 {name} 登录，但在这里还没有账户。你的用户名将成为实例的地址。",
        no_password: "You need no password here: you sign in with {name}. You can set one later, under Security."
            => "这里不需要密码：你使用 {name} 登录。以后可以在“安全”页面设置密码。",
        section: "Sign-in with {name}" => "使用 {name} 登录",
        section_lead: "Your account can be opened with {name}, too." => "你的账户也可以用 {name} 打开。",
        linked_as: "Linked as {label}" => "已关联：{label}",
        linked: "Linked" => "已关联",
        since: "since" => "关联时间",
        last_used: "Last used" => "上次使用",
        password: "Your password" => "你的密码",
        link: "Link {name}" => "关联 {name}",
        unlink: "Unlink {name}" => "取消关联 {name}",
        only_way: "This is your only way in. Set a password below before you take it away."
            => "这是你唯一的登录方式。如要取消，请先在下方设置密码。",
        wrong_password: "This is not your password." => "密码不正确。",
        done_link: "The sign-in is linked." => "已关联该登录方式。",
        done_unlink: "The sign-in is no longer linked." => "已取消关联。",
        first: "Set a password" => "设置密码",
        first_needed: "Set a password first" => "请先设置密码",
        first_needed_text: "Your account has no password yet, and what you are about to do is confirmed with one. Set it \
                            under Security and come back."
            => "你的账户还没有密码，而此操作需要用密码确认。请先在“安全”页面设置密码，然后回到这里。",
        first_for_address: "Set a password first: a new address is confirmed with it."
            => "请先设置密码：更改地址时需要用它确认。",
        first_lead: "Your account has no password yet. Afterwards you are signed out everywhere else."
            => "你的账户还没有密码。设置后，你在其他所有地方的登录都会退出。",
        first_again: "To set one, sign out, sign in again, and do it within 15 minutes."
            => "如要设置密码，请退出后重新登录，并在 15 分钟内完成。",
        again: "You signed in too long ago for this. Sign out, sign in again, and do it within 15 minutes."
            => "你登录已有一段时间，不能进行此操作。请退出后重新登录，并在 15 分钟内完成。",
        section_unavailable: "That could not be done just now. Try again in a moment." => "暂时无法完成，请稍后再试。",
    }
}
