//! Texts of what a person takes along.

texts! {
    /// The part of the account page with the downloads.
    OwnDataTexts {
        title: "Your data" => "你的数据",
        lead: "Take along what is yours. Files that your app writes just now are taken as they are; stop your \
               instance first for a copy at rest."
            => "下载属于你的数据。应用正在写入的文件会按当时的内容打包；如需静止状态的副本，请先停止实例。",
        files: "Download my files (ZIP)" => "下载我的文件（ZIP）",
        account: "Download what is on record of my account (JSON)" => "下载我的账户记录（JSON）",
        none: "You have no instance, so there are no files." => "你没有实例，因此没有文件可下载。",
        busy: "Other people's files are being packed just now. Try again in a minute."
            => "正在为其他用户打包文件。请一分钟后重试。",
    }
}
