//! Texts of what is done by e-mail: proving an address, a new password, another address.

texts! {
    /// The pages of links, and the part of the security page about the address.
    Mail {
        sent_title: "Look at your e-mail" => "请查看你的邮箱",
        registered_sent: "If this address can be used, a link is on its way there. Open it within 24 hours to make \
                          your account. Nothing came? Look among unwanted mail, or sign up again."
            => "如果该邮箱可用，我们已向其发送链接。请在 24 小时内打开链接以完成注册。没有收到？请查看垃圾邮件，或重新注册。",
        forgot_title: "Forgot your password?" => "忘记密码？",
        forgot_lead: "Enter your user name or e-mail address, and a link to a new password is sent to the confirmed \
                      address of the account."
            => "请输入用户名或电子邮箱，我们会向账户中已确认的邮箱发送设置新密码的链接。",
        forgot_submit: "Send the link" => "发送链接",
        forgot_sent: "If there is such an account and its address is confirmed, a link is on its way there. It works \
                      for 30 minutes. Nothing came? Look among unwanted mail, or ask the operator."
            => "如果存在该账户且其邮箱已确认，我们已向该邮箱发送链接，30 分钟内有效。没有收到？请查看垃圾邮件，或联系运维人员。",
        forgot_link: "Forgot your password?" => "忘记密码？",
        off_title: "No mail is sent here" => "本站不发送邮件",
        off_text: "This installation sends no mail. Ask the operator, who can give you a link to a new password."
            => "本站未启用邮件。请联系运维人员，由其为你提供设置新密码的链接。",
        reset_title: "Set a new password" => "设置新密码",
        reset_lead: "Afterwards you are signed out everywhere. Your API keys go on; revoke those that you do not trust."
            => "设置后，你在所有设备上的登录都会退出。API 密钥仍然有效，请撤销不再信任的密钥。",
        reset_new: "New password" => "新密码",
        reset_submit: "Set password" => "设置密码",
        reset_done: "Your new password is set. Sign in with it." => "新密码已设置，请使用新密码登录。",
        dead_title: "This link does not work" => "此链接无效",
        dead_text: "It was used already, it is too old, or part of it is missing. Ask for a new one."
            => "该链接已被使用、已过期或不完整。请重新申请。",
        dead_again: "Ask for a new link" => "重新申请链接",
        confirm_title: "Confirm your e-mail address" => "确认你的电子邮箱",
        confirm_lead: "Press the button to confirm that the address which got this link is yours. If you asked for \
                       nothing, close this page."
            => "请点击按钮，确认收到此链接的邮箱属于你。如果这不是你的操作，请关闭此页面。",
        confirm_submit: "Confirm" => "确认",
        confirmed: "Your address is confirmed." => "你的邮箱已确认。",
        registered: "Your address is confirmed and your account is made. Sign in to go on."
            => "你的邮箱已确认，账户已创建。请登录以继续。",
        name_gone: "Your user name was taken by somebody else in the meantime. Sign up again with another one."
            => "你的用户名已被他人抢先注册。请换一个用户名重新注册。",
        shut: "Sign-up was closed in the meantime, or your invite was used or has expired. Ask the operator."
            => "注册已关闭，或者你的邀请码已被使用或已过期。请联系运维人员。",
        busy: "Sending…" => "正在发送…",
        unavailable: "That could not be done just now. Try again in a moment." => "暂时无法完成操作，请稍后再试。",
        address: "E-mail address" => "电子邮箱",
        address_lead: "Mails about your account go to {email}." => "与账户有关的邮件会发送到 {email}。",
        proved: "Confirmed" => "已确认",
        not_proved: "Not confirmed: a forgotten password cannot be replaced by mail."
            => "未确认：忘记密码时将无法通过邮件重设。",
        not_sent: "This installation sends no mail, so the address cannot be changed here."
            => "本站未启用邮件，因此无法在此更改邮箱。",
        address_gone: "Your address cannot be shown just now." => "暂时无法显示你的邮箱。",
        send_again: "Send a link to confirm it" => "发送确认链接",
        new_address: "New e-mail address" => "新的电子邮箱",
        new_address_hint: "A link is sent there. The address changes when you open it; the one until now is told."
            => "我们会向新邮箱发送链接，打开链接后更改才会生效；原邮箱会收到通知。",
        change_address: "Change address" => "更改邮箱",
        too_many_links: "Many links are on their way already. Open one of them, or try again tomorrow."
            => "已发送过多封确认邮件。请打开其中的链接，或明天再试。",
        done_verify: "A link to confirm your address is on its way." => "确认链接已发送。",
        done_change: "A link is on its way to the new address. The change holds as soon as you open it."
            => "链接已发送到新邮箱，打开后更改即会生效。",
    }
}
