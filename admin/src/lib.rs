//! What operator and proxy have alike for those who look after them: the admin port's listener, and the log.
//! It knows nothing of either; what is shown and what is logged is theirs to say.

pub mod listener;
pub mod log;
