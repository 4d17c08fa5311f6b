//! Texts of the second factor: at sign-in, and where it is set up and taken away.

texts! {
    /// The second step of a sign-in.
    SecondLogin {
        title: "One more step" => "还差一步",
        lead: "Enter the code that your authenticator app shows now." => "请输入身份验证器应用当前显示的验证码。",
        code: "Code" => "验证码",
        code_hint: "6 digits. Without your phone, enter one of your recovery codes instead."
            => "6 位数字。如果手机不在身边，可改为输入一个恢复码。",
        submit: "Sign in" => "登录",
        busy: "Signing in…" => "正在登录…",
        other: "Sign in with another account" => "使用其他账户登录",
        missing: "Enter a code to sign in." => "请输入验证码以登录。",
        wrong: "This code is wrong, was used already, or is too old. Enter the one that is shown now."
            => "验证码错误、已使用过或已过期。请输入当前显示的验证码。",
        ended: "That sign-in waited too long or was tried too often. Begin again with your password."
            => "此次登录等待太久或尝试次数过多。请重新输入密码。",
        unavailable: "You could not be signed in, because the accounts service cannot be reached just now. Enter a \
                      code and try again in a moment."
            => "暂时无法连接账户服务，登录未能完成。请稍后输入验证码再试。",
    }
}

texts! {
    /// Set-up, and what can be done afterwards.
    SecondFactor {
        title: "Two-step sign-in" => "两步验证",
        lead: "A passkey or a code from your phone, asked for after your password: whoever learns your password alone \
               cannot sign in."
            => "输入密码之后，还需要通行密钥或手机上的验证码：只知道你的密码的人无法登录。",
        back: "Back to security" => "返回安全页面",
        on: "On" => "已开启",
        off: "Off" => "未开启",
        since: "Since" => "开启时间",
        app: "Authenticator app" => "身份验证器应用",
        codes_left: "Recovery codes left" => "剩余恢复码",
        few_codes: "Few recovery codes are left. Make new ones before you need them."
            => "恢复码所剩不多。请在需要之前生成新的恢复码。",
        manage: "Manage" => "管理",
        set_up: "Set up" => "设置",
        gone: "Two-step sign-in cannot be shown just now." => "暂时无法显示两步验证。",
        needed: "Administrators need this. Until it is set up, you can use your own instance, and the administration \
                 stays closed to you."
            => "管理员必须开启两步验证。在此之前，你可以使用自己的实例，但无法进入管理页面。",
        off_text: "You need an authenticator app on your phone or computer. Every app for one-time passwords (TOTP) \
                   will do."
            => "你需要在手机或电脑上安装一个身份验证器应用。任何支持一次性密码（TOTP）的应用都可以。",
        begin: "Set up an authenticator app" => "设置身份验证器应用",
        setup_title: "Set up an authenticator app" => "设置身份验证器应用",
        scan: "Scan this with the app" => "用应用扫描此二维码",
        picture: "QR code for your authenticator app" => "供身份验证器应用扫描的二维码",
        type_it: "Or type this key into it" => "或在应用中手动输入此密钥",
        type_hint: "Kind: time-based, 6 digits, 30 seconds, SHA-1." => "类型：基于时间，6 位数字，30 秒，SHA-1。",
        confirm_title: "Then confirm" => "然后确认",
        confirm_text: "Afterwards you are signed out everywhere else." => "确认后，你在其他所有地方的登录都会退出。",
        code: "Code that the app shows" => "应用显示的验证码",
        code_any: "Code from the app, or a recovery code" => "应用中的验证码，或一个恢复码",
        password: "Current password" => "当前密码",
        turn_on: "Turn it on" => "开启",
        busy: "Checking…" => "正在验证…",
        cancel: "Not now" => "暂不设置",
        change_title: "Recovery codes and changes" => "恢复码与更改",
        change_text: "Changes need your password and a code, and sign you out everywhere else."
            => "更改需要密码和验证码，并会退出你在其他所有地方的登录。",
        new_codes: "Make new recovery codes" => "生成新的恢复码",
        turn_off: "Turn the app off" => "停用应用",
        codes_title: "Your recovery codes" => "你的恢复码",
        codes_on: "Two-step sign-in is on." => "两步验证已开启。",
        codes_new: "These take the place of your old recovery codes." => "以下恢复码取代了旧的恢复码。",
        codes_text: "Each of them signs you in once without your phone. They are shown this once: print them, or keep \
                     them in a password manager."
            => "每个恢复码可在没有手机时登录一次。恢复码只在此处显示一次：请打印，或保存到密码管理器中。",
        copy: "Copy" => "复制",
        copied: "Copied" => "已复制",
        print: "Print" => "打印",
        kept: "I have kept them" => "我已保存",
        wrong_code: "This code is wrong, was used already, or is too old. Enter the one that is shown now."
            => "验证码错误、已使用过或已过期。请输入当前显示的验证码。",
        wrong_password: "This is not your current password." => "当前密码不正确。",
        short_password: "Your password is too short to stand alone. Change it to a longer one first."
            => "你的密码太短，不能单独使用。请先改用更长的密码。",
        begin_again: "That set-up waited too long. Begin anew." => "此次设置等待太久，请重新开始。",
        unavailable: "That could not be done just now. Enter password and code again in a moment."
            => "暂时无法完成。请稍候重新输入密码和验证码。",
        done_off: "The authenticator app is off." => "身份验证器应用已停用。",
    }
}
