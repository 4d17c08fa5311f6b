//! The guard's pure half, compiled into the fuzz target itself: so it alone is instrumented, and what the fuzzer
//! learns is about the policy and not about a runtime.

#[path = "../../src/guard/body.rs"]
pub(crate) mod body;
#[path = "../../src/guard/hardening.rs"]
pub(crate) mod hardening;
#[path = "../../src/guard/policy.rs"]
pub(crate) mod policy;
#[path = "../../src/guard/request.rs"]
pub(crate) mod request;
