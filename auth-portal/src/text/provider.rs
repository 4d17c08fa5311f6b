//! Texts of the page on which the model provider is chosen.

texts! {
    /// Provider onboarding, and the change of a provider later.
    ProviderTexts {
        title: "Choose a model provider",
        lead: "Your app talks to a language model. Tell it which one; you can change this at any time.",
        legend: "Provider",
        echo: "Try it without a key",
        echo_name: "Built-in echo",
        echo_text: "The built-in echo answers with your own words. Good for a first look.",
        openai: "OpenAI",
        openai_text: "With your key from platform.openai.com.",
        anthropic: "Anthropic",
        anthropic_text: "With your key from console.anthropic.com.",
        compatible: "OpenAI-compatible server",
        compatible_text: "Any server with the same API: your own, or another company's.",
        base_url: "Base URL",
        base_url_hint: "Such as https://api.example.com/v1. Leave it empty for the provider's own address.",
        model: "Model",
        model_hint: "Leave it empty for the provider's usual model. An OpenAI-compatible server needs it.",
        api_key: "API key",
        api_key_hint: "Written to your instance and shown to nobody, not even to you. Enter it again to change \
                       anything.",
        submit: "Save and open my app",
        busy: "Saving, and restarting your app…",
        skip: "Skip for now",
        keep: "Keep it as it is",
        current: "At the moment: {provider}",
        unknown: "Choose one of the four providers.",
        put_back: "With these settings your app did not start, so the old settings are back and it runs with \
                   those. Check them and try again.",
        in_progress: "Your instance is busy with something else. Wait a moment and try again.",
        unavailable: "The service that looks after instances did not answer, so your settings may not be saved. \
                      Enter the key again and try in a moment.",
    }
}
