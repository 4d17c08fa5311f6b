//! The one macro of the texts: a group's names and their English in one place.

/// Defines a struct of texts and its English value.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $english:expr,)* }) => {
        $(#[$doc])*
        pub(crate) struct $name {
            $(pub(crate) $key: &'static str,)*
        }

        impl $name {
            pub(super) const EN: Self = Self { $($key: $english,)* };
        }
    };
}
