//! Texts of the frame around every page, the front page, sign-up and sign-in.

texts! {
    /// The frame around every page, and words that many pages use.
    Common {
        brand: "Beaver" => "Beaver",
        skip: "Skip to the content" => "跳到正文",
        menu: "Main menu" => "主菜单",
        sign_in: "Sign in" => "登录",
        sign_up: "Sign up" => "注册",
        sign_out: "Sign out" => "退出登录",
        account: "Your account" => "你的账户",
        footer: "A private place for each of you, on one machine."
            => "同一台机器上，人人都有自己的私密空间。",
        colon: ": " => "：",
        stop: ". " => "。",
        percent: " %" => "%",
        language: "Language" => "语言",
        date: "%-d %B %Y" => "%Y年%-m月%-d日",
        faults_title: "Please look at this again" => "请再检查一下",
        show: "Show" => "显示",
        hide: "Hide" => "隐藏",
        show_password: "Show the password" => "显示密码",
        hide_password: "Hide the password" => "隐藏密码",
    }
}

texts! {
    /// The front page.
    Landing {
        title: "An app of your own, behind a door of your own" => "属于你自己的应用，只为你开的门",
        lead: "Sign up, and a few seconds later you have a private instance of the app, with its own address, \
               its own storage and nobody else inside."
            => "注册后只需几秒钟，你就能拥有一个私有的应用实例：独立的地址、独立的存储，里面没有别人。",
        cta: "Get started" => "开始使用",
        have_account: "I have an account" => "我已有账户",
        point_private: "Private by design" => "天生私密",
        point_private_text: "Your instance runs in a container of its own. Others cannot see it, reach it or \
                             read its files."
            => "你的实例在自己的容器中运行。别人看不到它，访问不了它，也读不到其中的文件。",
        point_fast: "Ready in seconds" => "几秒就绪",
        point_fast_text: "You watch it being built, step by step. It sleeps when you do and wakes at your next \
                          visit."
            => "你可以一步步看着它建成。你离开时它休眠，你再来时它醒来。",
        point_model: "Your choice of model" => "模型由你选择",
        point_model_text: "Bring a key for OpenAI, Anthropic or any compatible server, or try it without a key \
                           first."
            => "使用你自己的 OpenAI、Anthropic 或任何兼容服务器的密钥，也可以先不用密钥试试看。",
        picture: "A beaver's lodge in a quiet lake at dusk" => "黄昏时分，宁静湖面上的海狸巢",
    }
}

texts! {
    /// Sign-up.
    Register {
        title: "Create your account" => "创建账户",
        lead: "Your user name becomes the address of your instance." => "你的用户名将成为实例的地址。",
        username: "User name" => "用户名",
        username_hint: "3 to 40 letters, digits and single hyphens. It cannot be changed later."
            => "3 到 40 个字母、数字或单个连字符，之后无法更改。",
        email: "E-mail address" => "电子邮箱",
        password: "Password" => "密码",
        password_hint: "At least {min} characters. A few words in a row make a good one."
            => "至少 {min} 个字符。把几个词连起来就是不错的密码。",
        invite: "Invite code" => "邀请码",
        invite_hint: "From the person who invited you. It works once." => "由邀请你的人提供，只能使用一次。",
        submit: "Create account" => "创建账户",
        busy: "Creating your account…" => "正在创建你的账户…",
        have_account: "Already have an account?" => "已有账户？",
        approval: "An administrator looks at new accounts before they can be used."
            => "新账户须经管理员审核后才能使用。",
        closed_title: "Sign-up is closed" => "注册已关闭",
        closed_text: "No new accounts are made here at the moment. Ask the operator for an account, or sign in \
                      if you have one."
            => "这里目前不接受新账户注册。请向运维人员申请账户；如果已有账户，请直接登录。",
        pending_title: "Your request is stored" => "你的申请已提交",
        pending_text: "An administrator looks at it before the account can be used. You can sign in as soon as \
                       it is approved."
            => "账户须经管理员审核后才能使用，审核通过后即可登录。",
        username_taken: "This user name is taken. Choose another one." => "该用户名已被占用，请换一个。",
        email_taken: "This e-mail address is taken. Sign in instead, or use another address."
            => "该电子邮箱已被使用。请直接登录，或换一个邮箱。",
        weak_password: "This password is too easy to guess. Choose a longer or less common one."
            => "这个密码太容易被猜到，请换一个更长或更不常见的。",
        bad_invite: "This invite code is unknown, used up or expired."
            => "该邀请码不存在、已被使用或已过期。",
        unavailable: "Your account could not be created, because the accounts service cannot be reached \
                               just now. What you entered is still here, but the password: enter it and try \
                               again in a moment."
            => "暂时连不上账户服务，你的账户没能创建。除密码外，你填写的内容都还在：请重新输入密码，稍候再试。",
        strength_label: "Strength of the password" => "密码强度",
        strength_words: "Not enough yet|Easy to guess|Fair|Good|Strong" => "还不够|容易被猜到|一般|良好|很强",
    }
}

texts! {
    /// Sign-in.
    Login {
        title: "Welcome back" => "欢迎回来",
        lead: "Sign in to reach your instance." => "登录后即可访问你的实例。",
        lead_next: "Sign in to go on to where you were going." => "登录后继续前往你要去的页面。",
        name: "User name or e-mail address" => "用户名或电子邮箱",
        password: "Password" => "密码",
        submit: "Sign in" => "登录",
        busy: "Signing in…" => "正在登录…",
        no_account: "No account yet?" => "还没有账户？",
        remember: "Stay signed in on this device for 30 days" => "在此设备上保持登录 30 天",
        bad: "User name or password is wrong." => "用户名或密码错误。",
        missing: "Fill in both fields to sign in." => "请填写用户名和密码。",
        signed_out: "You are signed out." => "你已退出登录。",
        suspended: "This account is suspended: {reason}" => "该账户已被停用：{reason}",
        too_many: "Too many tries. Wait a little and try again." => "尝试次数过多，请稍候再试。",
        unavailable: "You could not be signed in, because the accounts service cannot be reached just now. Enter \
                      your password and try again in a moment."
            => "暂时连不上账户服务，没能登录。请重新输入密码，稍候再试。",
    }
}
