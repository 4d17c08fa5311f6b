//! Texts of the pages that say what went wrong and what can be done.

texts! {
    /// Titles and explanations, in pairs.
    Failure {
        not_found: "There is nothing here" => "这里什么也没有",
        not_found_text: "The address may have been mistyped, or what was here is gone."
            => "可能是地址有误，或者原来的内容已经不在了。",
        no_such_instance: "There is no instance by that name" => "没有这个名称的实例",
        no_such_instance_text: "Nobody has an instance called “{name}” here. Check the address, or go to your own."
            => "这里没有名为“{name}”的实例。请检查地址，或前往你自己的实例。",
        method: "That cannot be done here" => "这里不支持该操作",
        method_text: "This address does not take that kind of request." => "该地址不接受这种请求。",
        too_large: "That is too much" => "内容太多了",
        too_large_text: "A form here holds at most 64 KiB. Go back and shorten what you entered."
            => "这里的表单最多容纳 64 KiB。请返回并缩短填写的内容。",
        too_slow: "That took too long" => "用时太长了",
        too_slow_text: "The form did not arrive in time. Go back and send it again."
            => "表单没有及时送达。请返回并重新提交。",
        not_a_form: "That is no form" => "这不是表单",
        not_a_form_text: "This address takes a form from one of our own pages."
            => "该地址只接受来自本站页面的表单。",
        csrf: "This form cannot be used" => "这个表单无法使用",
        csrf_text: "It is too old or it came from somewhere else, so nothing was changed. Load it again and send \
                    it from there. If that does not help, allow cookies for this site."
            => "表单已过期，或者来自其他地方，因此没有做任何更改。请重新加载表单并从那里提交。如果仍然不行，请允许本站使用 Cookie。",
        csrf_again: "Load the form again" => "重新加载表单",
        bad_link: "This link is broken" => "链接已损坏",
        bad_link_text: "Part of it is missing or was changed on the way. Open the address of the instance again."
            => "链接不完整，或者在途中被改动过。请重新打开实例的地址。",
        app_refused: "This app cannot sign you in" => "该应用无法让你登录",
        app_refused_text: "What it sent does not prove who it is, so you were not sent back to it and it was told \
                           nothing. Its maker has to mend that."
            => "它发来的内容无法证明它的身份，因此没有把你送回该应用，也没有向它透露任何信息。这需要应用的开发者来修复。",
        not_yours: "This instance is not yours" => "这不是你的实例",
        not_yours_text: "“{slug}” does not belong to your account, {user}. Only its owner can open it."
            => "“{slug}”不属于你的账户 {user}，只有它的所有者才能打开。",
        internal: "Something went wrong on our side" => "我们这边出了问题",
        internal_text: "Nothing you did caused this. Try again; if it stays, give the operator the request id \
                        below."
            => "这不是你造成的。请再试一次；如果问题依旧，请把下面的请求 ID 告诉运维人员。",
        unavailable: "We will be right back" => "我们马上回来",
        unavailable_authz: "The accounts service (authz-service) cannot be reached, so nobody can be signed in or \
                            recognised just now. You are not signed out."
            => "暂时连不上账户服务（authz-service），因此现在无法登录，也无法识别任何人。你并没有被退出登录。",
        unavailable_deploy: "The service that looks after instances (deploy-control) cannot be reached just now. \
                             Your instance goes on as it was."
            => "暂时连不上管理实例的服务（deploy-control）。你的实例不受影响，照常运行。",
        unavailable_retry: "This page tries again every 5 seconds. If you were filling in a form, go back: what \
                            you typed is usually still there."
            => "本页每 5 秒自动重试一次。如果你正在填写表单，请返回：填写的内容通常还在。",
        busy: "Too many people at once" => "同时访问的人太多了",
        busy_text: "Wait a few seconds and load this page again." => "请等几秒钟，再重新加载本页。",
        reason: "Reason" => "原因",
        request_id: "Request id" => "请求 ID",
        to_start: "Go to the front page" => "前往首页",
        to_own: "Go to your own instance" => "前往你自己的实例",
        reload: "Try again now" => "立即重试",
    }
}
