//! deploy-control: keeps the desired state of every instance and moves the containers there. See `engine`
//! for what it asks of Docker, `lifecycle` for the rules and `reconciler` for the task that applies them.

pub mod engine;

// Docker's side of `engine` and the policy that stands before the socket.
