//! The one macro of the texts: a group's names and their words in each language in one place.

/// Defines a struct of texts and its values: `key: "English" => "中文",`. A text without its second language does
/// not compile.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $english:expr => $chinese:expr,)* }) => {
        $(#[$doc])*
        pub(crate) struct $name {
            $(pub(crate) $key: &'static str,)*
        }

        impl $name {
            pub(super) const EN: Self = Self { $($key: $english,)* };
            pub(super) const ZH: Self = Self { $($key: $chinese,)* };
            /// Each text's name and its words, to be checked.
            #[cfg(test)]
            pub(super) const WORDS: &'static [super::complete::Words] =
                &[$((concat!(stringify!($name), ".", stringify!($key)), $english, $chinese),)*];
        }
    };
}
