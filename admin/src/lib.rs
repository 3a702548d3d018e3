//! What operator and proxy have alike: the admin port's listener, the log, and how long a connection may do nothing.
//! It knows nothing of either; what is shown, logged and answered is theirs to say.

pub mod listener;
pub mod log;
pub mod watched;
