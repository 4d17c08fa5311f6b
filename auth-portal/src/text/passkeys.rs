//! Texts of passkeys.

texts! {
    /// The list, and the pages that add and remove one.
    Passkeys {
        title: "Passkeys" => "通行密钥",
        text: "Your fingerprint, face, screen lock or a security key instead of a code. Each belongs to this site \
               alone, so nobody can lure you into using it elsewhere."
            => "用指纹、面容、屏幕锁或安全密钥代替验证码。通行密钥只属于本网站，别人无法诱骗你在其他网站使用。",
        none: "You have none yet." => "你还没有通行密钥。",
        not_here: "Browsers have passkeys only for sites with a name and a secure connection (https), and this one has \
                   not both."
            => "浏览器只为使用域名和安全连接（https）的网站提供通行密钥，而本网站不满足条件。",
        added: "Added" => "添加于",
        used: "Last used" => "上次使用",
        never: "Not yet" => "尚未使用",
        add: "Add a passkey" => "添加通行密钥",
        remove: "Remove" => "移除",
        remove_which: "Remove {name}" => "移除 {name}",
        new_title: "Add a passkey" => "添加通行密钥",
        new_text: "First show that it is you. Afterwards you are signed out everywhere else."
            => "请先证明是你本人。完成后，你在其他所有地方的登录都会退出。",
        name: "Name" => "名称",
        name_hint: "To tell it from others later, such as “my phone”." => "便于以后区分，例如“我的手机”。",
        name_missing: "Give it a name." => "请填写名称。",
        go_on: "Go on" => "继续",
        make_text: "Your browser asks you now where to keep the passkey, and shows the rest."
            => "浏览器会询问通行密钥的保存位置，请按提示操作。",
        make: "Make the passkey" => "创建通行密钥",
        needs_script: "Passkeys need JavaScript. Allow it for this site, or use an authenticator app."
            => "通行密钥需要 JavaScript。请允许本网站使用，或改用身份验证器应用。",
        failed: "The browser did not give a passkey: it was called off, took too long, or none fits. You can try again."
            => "浏览器未能提供通行密钥：操作已取消、超时或没有合适的通行密钥。你可以重试。",
        not_taken: "The passkey was not taken: it came too late or from somewhere else. Begin anew."
            => "通行密钥未被接受：提交太晚或来源不符。请重新开始。",
        too_many: "You have as many passkeys as an account may have. Remove one first."
            => "通行密钥数量已达上限。请先移除一个。",
        remove_title: "Remove a passkey" => "移除通行密钥",
        remove_text: "“{name}” signs you in no more. Remove it from your device too. You are signed out everywhere else."
            => "“{name}”将不能再用于登录。请同时从你的设备中删除。你在其他所有地方的登录都会退出。",
        use_one: "Use a passkey" => "使用通行密钥",
        or_code: "Or enter a code" => "或输入验证码",
        wrong: "The passkey was not accepted. Try again, or use another way."
            => "通行密钥未被接受。请重试，或使用其他方式。",
        lead: "Use your passkey." => "请使用你的通行密钥。",
        recovery: "Recovery code" => "恢复码",
    }
}
