//! Texts of the page on which the model provider is chosen.

texts! {
    /// Provider onboarding, and the change of a provider later.
    ProviderTexts {
        title: "Choose a model provider" => "选择模型服务",
        lead: "Your app talks to a language model. Tell it which one; you can change this at any time."
            => "你的应用要与语言模型对话。请告诉它使用哪一个，之后可以随时更改。",
        legend: "Provider" => "模型服务",
        echo: "Try it without a key" => "不用密钥先试试",
        echo_name: "Built-in echo" => "内置回声",
        echo_text: "The built-in echo answers with your own words. Good for a first look."
            => "内置回声会用你自己的话来回答，适合初次体验。",
        openai: "OpenAI" => "OpenAI",
        openai_text: "With your key from platform.openai.com." => "使用你在 platform.openai.com 的密钥。",
        anthropic: "Anthropic" => "Anthropic",
        anthropic_text: "With your key from console.anthropic.com."
            => "使用你在 console.anthropic.com 的密钥。",
        compatible: "OpenAI-compatible server" => "兼容 OpenAI 的服务器",
        compatible_text: "Any server with the same API: your own, or another company's."
            => "任何提供相同 API 的服务器：你自己的，或其他公司的。",
        base_url: "Base URL" => "基础 URL",
        base_url_hint: "Such as https://api.example.com/v1. Leave it empty for the provider's own address."
            => "例如 https://api.example.com/v1。留空则使用该服务自己的地址。",
        model: "Model" => "模型",
        model_hint: "Leave it empty for the provider's usual model. An OpenAI-compatible server needs it."
            => "留空则使用该服务的常用模型。兼容 OpenAI 的服务器必须填写。",
        api_key: "API key" => "API 密钥",
        api_key_hint: "Written to your instance and shown to nobody, not even to you. Enter it again to change \
                       anything."
            => "密钥会写入你的实例，不会显示给任何人，包括你自己。每次更改都需要重新输入。",
        submit: "Save and open my app" => "保存并打开我的应用",
        busy: "Saving, and restarting your app…" => "正在保存并重新启动你的应用…",
        skip: "Skip for now" => "暂时跳过",
        keep: "Keep it as it is" => "保持不变",
        current: "At the moment: {provider}" => "当前：{provider}",
        unknown: "Choose one of the four providers." => "请从四种模型服务中选择一种。",
        put_back: "With these settings your app did not start, so the old settings are back and it runs with \
                   those. Check them and try again."
            => "使用这些设置时你的应用没能启动，因此已恢复原来的设置并照常运行。请检查后再试。",
        in_progress: "Your instance is busy with something else. Wait a moment and try again."
            => "你的实例正在进行其他操作。请稍候再试。",
        unavailable: "The service that looks after instances did not answer, so your settings may not be saved. \
                      Enter the key again and try in a moment."
            => "管理实例的服务没有响应，你的设置可能没有保存。请重新输入密钥，稍候再试。",
    }
}
