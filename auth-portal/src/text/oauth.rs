//! Texts of the pages on which an app of an instance signs people in and out.

texts! {
    /// Consent and sign-out.
    OauthTexts {
        title: "Sign in to “{name}”?" => "登录到“{name}”？",
        lead: "An app that calls itself “{name}” and runs in your instance {slug} asks who you are."
            => "在你的实例 {slug} 中运行、自称“{name}”的应用想知道你是谁。",
        knows: "It will know" => "它将会知道",
        knows_id: "that it is you, by an id that stays the same" => "是你本人（通过一个不变的 ID）",
        knows_name: "your user name: {name}" => "你的用户名：{name}",
        knows_email: "your e-mail address: {email}" => "你的电子邮箱：{email}",
        limits: "It will not know your password, and signing out here ends what it was given."
            => "它不会知道你的密码。在这里退出登录后，授予它的权限也随之失效。",
        allow: "Allow" => "允许",
        deny: "Do not allow" => "不允许",
        again_title: "Sign in again" => "请重新登录",
        again_lead: "“{name}” wants to be sure that it is you. You are signed out here and at your instance, sign in \
                     again, and go on."
            => "“{name}”想确认是你本人。你将在这里以及你的实例中退出登录，重新登录后即可继续。",
        sign_out_title: "Sign out?" => "退出登录？",
        sign_out_lead: "This ends your session here and at your instance."
            => "这将结束你在这里以及在你的实例中的登录。",
        sign_out_lead_app: "“{name}” asks to sign you out. This ends your session here and at your instance."
            => "“{name}”请求让你退出登录。这将结束你在这里以及在你的实例中的登录。",
        stay: "Stay signed in" => "保持登录",
    }
}
