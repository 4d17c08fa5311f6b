//! Texts of the progress page and of the page that waits for an instance.

texts! {
    /// Progress of a new instance.
    Provisioning {
        title: "Building your place" => "正在为你搭建",
        lead: "This takes a few seconds. You may leave this page open or come back later: the work goes on."
            => "只需几秒钟。你可以留在本页，也可以稍后再来：工作会继续进行。",
        steps: "Steps" => "步骤",
        progress: "Progress" => "进度",
        percent: "{n} % done" => "已完成 {n}%",
        queue_next: "You are next in the queue." => "下一个就轮到你。",
        queue: "{n} are before you in the queue." => "你前面还有 {n} 个。",
        without_script: "This page refreshes itself every 2 seconds." => "本页每 2 秒自动刷新一次。",
        step_order: "Taking your order" => "接收你的请求",
        step_container: "Building the container" => "搭建容器",
        step_ready: "Starting the app" => "启动应用",
        step_register: "Handing you the keys" => "把钥匙交给你",
        step_route: "Opening your address" => "开通你的地址",
        queued: "Your order is waiting to be taken" => "你的请求正在等待处理",
        queued_text: "The order is written down and is sent again until it is taken."
            => "请求已记录下来，会不断重发，直到被接收。",
        authz_gone: "The accounts service cannot be reached just now. This page goes on as soon as it answers."
            => "暂时连不上账户服务。一有响应，本页就会继续。",
        deploy_gone: "The service that builds instances cannot be reached just now. Your order is safe; this page \
                      goes on as soon as it answers."
            => "暂时连不上搭建实例的服务。你的请求已妥善保存；一有响应，本页就会继续。",
        failed_title: "That did not work" => "没有成功",
        failed_text: "Nothing of your account is lost. You can try again."
            => "你的账户没有丢失任何内容，可以再试一次。",
        no_reason: "No reason was given. The operator's log has more."
            => "没有给出原因，运维人员的日志里有更多信息。",
        cancelled: "The work was stopped before it was done." => "工作在完成之前被中止了。",
        retry: "Try again" => "重试",
        retry_busy: "Trying again…" => "正在重试…",
        slug: "Name for your address" => "地址所用的名称",
        slug_hint: "Keep it, or choose another: 3 to 40 letters, digits and single hyphens."
            => "保留它，或换一个：3 到 40 个字母、数字或单个连字符。",
        slug_taken: "This name is taken. Choose another one." => "该名称已被占用，请换一个。",
        to_account: "Go to your account" => "前往你的账户",
        wait_title: "{name} is waking up" => "{name} 正在唤醒",
        wait_text: "It takes a moment. This page goes on by itself." => "需要一点时间，本页会自动继续。",
        wait_stuck_title: "{name} cannot be reached now" => "现在无法访问 {name}",
        wait_stuck_text: "Your instance is not running. On your account page you can see why and start it."
            => "你的实例没有运行。你可以在账户页面查看原因并启动它。",
    }
}
