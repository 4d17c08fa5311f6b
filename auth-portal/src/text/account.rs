//! Texts of the account page: the instance's states in words, and what can be done about them.

texts! {
    /// The account page.
    Account {
        title: "Your account" => "你的账户",
        signed_in_as: "Signed in as" => "当前登录用户",
        instance: "Your instance" => "你的实例",
        address: "Address" => "地址",
        state: "State" => "状态",
        reason: "Reason" => "原因",
        provider: "Model provider" => "模型服务",
        provider_none: "None yet" => "尚未选择",
        created: "Created" => "创建时间",
        last_used: "Last used" => "上次使用",
        never: "Not yet" => "尚未使用",
        open: "Open" => "打开",
        open_wake: "Open and wake" => "唤醒并打开",
        start: "Start" => "启动",
        stop: "Stop" => "停止",
        restart: "Restart" => "重新启动",
        sleep: "Put to sleep" => "让它休眠",
        change_provider: "Change provider" => "更换模型服务",
        watch: "Watch the progress" => "查看进度",
        under_way: "Under way" => "正在进行",
        again: "Create it again" => "重新创建",
        try_again: "Try again" => "重试",
        actions: "Actions" => "操作",
        just_now: "just now" => "刚刚",
        minutes: "{n} min ago" => "{n} 分钟前",
        hours: "{n} h ago" => "{n} 小时前",
        days: "{n} days ago" => "{n} 天前",
        busy: "Your instance is busy with something else. Wait a moment and try again."
            => "你的实例正在进行其他操作。请稍候再试。",
        refused: "That could not be done: {reason}" => "操作没有完成：{reason}",
        deploy_gone: "The service that looks after instances cannot be reached just now, so nothing about your \
                      instance can be shown or changed. The instance itself goes on as it was. This page tries \
                      again by itself."
            => "暂时连不上管理实例的服务，因此现在无法查看或更改你的实例。实例本身不受影响，照常运行。本页会自动重试。",
        none_title: "You have no instance" => "你还没有实例",
        none_text: "There was one, or it was never made. Your account is fine; you can have a new instance with \
                    one click."
            => "实例可能已被移除，也可能从未建成。你的账户一切正常，点一下就能新建一个实例。",
        order_waits: "Your instance is ordered and not yet taken up." => "你的实例已经下单，正在等待处理。",
        order_refused: "Your instance could not be ordered." => "你的实例没能下单。",
        order_mend: "Choose another name" => "换一个名称",
        done_start: "Your instance is starting." => "你的实例正在启动。",
        done_stop: "Your instance is being stopped." => "你的实例正在停止。",
        done_restart: "Your instance is restarting." => "你的实例正在重新启动。",
        done_sleep: "Your instance is going to sleep." => "你的实例正在进入休眠。",
    }
}

texts! {
    /// Each state of an instance: a word, and what it means.
    StateTexts {
        pending: "Waiting for its turn" => "排队中",
        pending_text: "The order is taken; the work begins soon." => "请求已收到，很快就会开始处理。",
        creating: "Being created" => "正在创建",
        creating_text: "Network, storage and container are being made." => "正在准备网络、存储和容器。",
        starting: "Starting" => "正在启动",
        starting_text: "The app is started and does not answer yet." => "应用已经启动，但还没有响应。",
        ready: "Running" => "运行中",
        ready_text: "All is well." => "一切正常。",
        asleep: "Asleep" => "休眠中",
        asleep_text: "It rests to save memory and wakes at your next visit."
            => "为节省内存而休眠，你下次访问时会自动唤醒。",
        stopped: "Stopped" => "已停止",
        stopped_text: "It stays off until you start it. Your data is safe."
            => "在你启动之前它会一直关闭。你的数据是安全的。",
        failed: "Did not start" => "启动失败",
        failed_text: "Your data is safe. You can try again." => "你的数据是安全的，可以再试一次。",
        deleting: "Being removed" => "正在移除",
        deleting_text: "When that is done you can have a new one." => "移除完成后，你可以新建一个。",
        unknown: "Not known" => "状态不明",
        unknown_text: "The machine cannot say how it is just now. Nothing is done to it until that is clear."
            => "目前无法得知它的状态。在弄清楚之前，不会对它做任何操作。",
    }
}
