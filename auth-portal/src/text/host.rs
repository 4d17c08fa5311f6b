//! Texts about the machine, and about rollouts.

texts! {
    /// How the machine is.
    HostTexts {
        title: "The machine" => "主机",
        load: "Load" => "负载",
        load_text: "{one} over 1 minute, {five} over 5, {fifteen} over 15, on {cpus} processors"
            => "1 分钟 {one}，5 分钟 {five}，15 分钟 {fifteen}，共 {cpus} 个处理器",
        memory: "Memory" => "内存",
        disk: "Disk of the instances" => "实例所在磁盘",
        queue: "{n} operations wait for their turn." => "有 {n} 个操作在排队。",
        gone: "The machine does not tell how it is." => "无法获取主机状态。",
    }
}

texts! {
    /// The pages of rollouts.
    Rollouts {
        title: "Rollouts" => "批量升级",
        lead: "One image for every instance, in rings: one, then a tenth, then the rest. It stops where more fail than \
               may; those that failed have their old image and data back."
            => "分批把所有实例升级到同一镜像：先 1 个，再十分之一，然后其余。失败数超过上限即停止，失败的实例恢复原有镜像和数据。",
        begin: "Begin a rollout" => "开始批量升级",
        image: "Image" => "镜像",
        image_hint: "Leave it empty for the newest of the configured image." => "留空则使用所配置镜像的最新版本。",
        failures: "How many may fail" => "允许失败的数量",
        begin_button: "Upgrade every instance" => "升级所有实例",
        bad_failures: "This must be a number from 0 to 100000." => "请输入 0 到 100000 之间的数字。",
        begun: "The rollout has begun." => "批量升级已开始。",
        cancelled: "The rollout is being called off: what is at work comes to its end, nothing new begins."
            => "正在中止：进行中的操作会完成，不再开始新的。",
        list: "The newest" => "最近的批量升级",
        caption: "Rollouts, the newest first" => "批量升级，最新的在前",
        none: "There was none yet." => "还没有批量升级。",
        begun_at: "Begun" => "开始时间",
        ended_at: "Ended" => "结束时间",
        state: "State" => "状态",
        progress: "Instances" => "实例",
        progress_text: "{done} done, {failed} failed, {skipped} left alone, {waiting} to come, of {total}"
            => "共 {total} 个：完成 {done}，失败 {failed}，跳过 {skipped}，待升级 {waiting}",
        one: "Rollout of {at}" => "{at} 的批量升级",
        ring: "Ring" => "批次",
        reason: "Reason" => "原因",
        cancel: "Call it off" => "中止",
        members: "Instances in the order of their turns" => "按顺序排列的实例",
        running: "At work" => "进行中",
        cancelling: "Being called off" => "正在中止",
        succeeded: "Done" => "已完成",
        failed: "Stopped" => "已停止",
        called_off: "Called off" => "已中止",
        waiting: "Its turn is to come" => "等待中",
        upgrading: "Being upgraded" => "升级中",
        returning: "Being put back to rest" => "恢复休眠或停止中",
        skipped: "Left alone" => "已跳过",
        member_failed: "Failed" => "失败",
    }
}
