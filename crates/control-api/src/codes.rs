//! The stable `type` codes of problems. Programs compare these; never change one.

/// Body or parameter is malformed; `errors` names the fields. 400 or 422.
pub const INVALID_INPUT: &str = "urn:beaver:invalid-input";
/// The slug is another person's, or quarantined. 409.
pub const SLUG_TAKEN: &str = "urn:beaver:slug-taken";
/// The user name is taken. 409.
pub const USERNAME_TAKEN: &str = "urn:beaver:username-taken";
/// The e-mail address is taken. 409.
pub const EMAIL_TAKEN: &str = "urn:beaver:email-taken";
/// The password does not meet the policy. 422.
pub const WEAK_PASSWORD: &str = "urn:beaver:weak-password";
/// Registration is closed, or needs an invite. 403.
pub const REGISTRATION_CLOSED: &str = "urn:beaver:registration-closed";
/// There was an administrator already: the first is made once. 403.
pub const SETUP_CLOSED: &str = "urn:beaver:setup-closed";
/// Somebody else changed it since it was looked at; nothing was done. 409.
pub const CHANGED_MEANWHILE: &str = "urn:beaver:changed-meanwhile";
/// The account is stored and waits for an administrator's yes. 403.
pub const APPROVAL_PENDING: &str = "urn:beaver:approval-pending";
/// An administrator has suspended the account; the detail is the reason that was given. 403.
pub const ACCOUNT_SUSPENDED: &str = "urn:beaver:account-suspended";
/// It is the last administrator's account, and one must stay. 409.
pub const LAST_ADMIN: &str = "urn:beaver:last-admin";
/// Nobody does that to their own account that way. 409.
pub const OWN_ACCOUNT: &str = "urn:beaver:own-account";
/// The sign-up is stored and waits until the link that was mailed is used. 403.
pub const VERIFICATION_PENDING: &str = "urn:beaver:verification-pending";
/// This installation sends no mail. 409.
pub const MAIL_OFF: &str = "urn:beaver:mail-off";
/// Login name or password is wrong: always the same for known and unknown accounts. 401.
pub const BAD_CREDENTIALS: &str = "urn:beaver:bad-credentials";
/// The session is unknown, expired or revoked. 401.
pub const SESSION_ENDED: &str = "urn:beaver:session-ended";
/// Too many tries; `Retry-After` says how long to wait. 429.
pub const TOO_MANY_TRIES: &str = "urn:beaver:too-many-tries";
/// The one-time password or recovery code is wrong, used or too old; another try may be made. 401.
pub const SECOND_FACTOR_WRONG: &str = "urn:beaver:second-factor-wrong";
/// The sign-in waited too long for its second factor, or was tried too often: the password is asked for again. 401.
pub const LOGIN_ENDED: &str = "urn:beaver:login-ended";
/// Administrators need a second factor, and the account has none. 403.
pub const SECOND_FACTOR_NEEDED: &str = "urn:beaver:second-factor-needed";
/// One-time passwords are set up already. 409.
pub const SECOND_FACTOR_ON: &str = "urn:beaver:second-factor-on";
/// The bearer token does not match. 401.
pub const TOKEN_MISMATCH: &str = "urn:beaver:token-mismatch";
/// The caller may not have that. 403.
pub const NOT_YOURS: &str = "urn:beaver:not-yours";
/// There is no such thing. 404.
pub const NOT_FOUND: &str = "urn:beaver:not-found";
/// The one-time code or token is unknown, used or expired. 400.
pub const CODE_INVALID: &str = "urn:beaver:code-invalid";
/// An OAuth client, or the address where it wants the browser, is not proven. 400.
pub const CLIENT_INVALID: &str = "urn:beaver:client-invalid";
/// The session is not young enough for what is asked of it. 403.
pub const SIGN_IN_AGAIN: &str = "urn:beaver:sign-in-again";
/// The issuer at which people may sign in does not answer, or not as it must. 503.
pub const UPSTREAM_UNAVAILABLE: &str = "urn:beaver:upstream-unavailable";
/// Another operation is at work on the instance. 409.
pub const OPERATION_IN_PROGRESS: &str = "urn:beaver:operation-in-progress";
/// The instance did not become ready; the old state was put back. 502.
pub const NOT_READY: &str = "urn:beaver:instance-not-ready";
/// Docker cannot be reached; operations wait. 503.
pub const DOCKER_UNREACHABLE: &str = "urn:beaver:docker-unreachable";
/// The instance image is not on this machine. 503.
pub const IMAGE_MISSING: &str = "urn:beaver:image-missing";
/// The isolation proof failed, so no instance is made. 503.
pub const NOT_ISOLATED: &str = "urn:beaver:not-isolated";
/// Too little space is left on the disk. 507.
pub const DISK_FULL: &str = "urn:beaver:disk-full";
/// No address is free in the instance subnet. 503.
pub const ADDRESSES_EXHAUSTED: &str = "urn:beaver:addresses-exhausted";
/// Busy: try again after `Retry-After`. 503.
pub const BUSY: &str = "urn:beaver:busy";
/// The account has as many API keys as it may. 409.
pub const TOO_MANY_KEYS: &str = "urn:beaver:too-many-keys";
/// The account has as many passkeys as it may. 409.
pub const TOO_MANY_PASSKEYS: &str = "urn:beaver:too-many-passkeys";
/// The API key is unknown, revoked, expired or for another instance. 401.
pub const KEY_INVALID: &str = "urn:beaver:key-invalid";
/// The API key may not do that. 403.
pub const KEY_SCOPE: &str = "urn:beaver:key-scope";
/// Something went wrong on our side; the log has the details. 500.
pub const INTERNAL: &str = "urn:beaver:internal";
