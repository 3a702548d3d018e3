//! What operator and proxy have alike: how many connections they take and how long these may do nothing, the admin
//! port's listener, the log.
//! It knows nothing of either; what is shown, logged and answered is theirs to say.

pub mod accept;
pub mod listener;
pub mod log;
pub mod open_files;
pub mod seats;
pub mod watched;
